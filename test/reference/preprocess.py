"""Pillow's and torchvision's preprocessing of image files: { files, channels, resize, interpolation, crop, mean, std }
→ for each file { shape, decoded, values }."""

import numpy
from _common import answer, argument
from PIL import Image
from torchscript_export import import_torchvision

given = argument()
import_torchvision()
from torchvision import transforms  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402

steps = []
if given["resize"]:
    steps.append(transforms.Resize(given["resize"], InterpolationMode(given["interpolation"])))
if given["crop"]:
    steps.append(transforms.CenterCrop(given["crop"]))
steps += [transforms.ToTensor(), transforms.Normalize(given["mean"], given["std"])]
transform = transforms.Compose(steps)
answers = []
for file in given["files"]:
    image = Image.open(file).convert("RGB" if given["channels"] == 3 else "L")
    values = transform(image)
    answers.append({
        "shape": list(values.shape),
        "decoded": numpy.asarray(image).flatten().tolist(),
        "values": values.flatten().tolist(),
    })
answer(answers)
