"""Python's side of compare_preprocessing.mjs: `compare_preprocessing.py RECIPE`. Each line of stdin is a message { path, pixels, values }, which names files with our results. The answer is { decodedWorst, byLevels: how many values are 0, 1, 2, … levels off }."""

import json
import os
import sys
from pathlib import Path

import numpy
from PIL import Image
sys.path.insert(0, str(Path(__file__).parent / "export"))
from torchscript_export import import_torchvision

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import_torchvision()
from torchvision import transforms  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402

recipe = json.loads(sys.argv[1])
steps = []
if recipe["resize"]:
    steps.append(transforms.Resize(recipe["resize"], InterpolationMode(recipe["interpolation"])))
if recipe["crop"]:
    steps.append(transforms.CenterCrop(recipe["crop"]))
transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(recipe["mean"], recipe["std"])])
levels_of = 255 * numpy.array(recipe["std"]).reshape(-1, 1, 1)


def say(message: dict) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


say({"ready": True})
for line in sys.stdin:
    message = json.loads(line)
    try:
        image = Image.open(message["path"]).convert("RGB" if recipe["channels"] == 3 else "L")
        pixels = numpy.fromfile(message["pixels"], numpy.uint8).reshape(numpy.asarray(image).shape)
        expected = transform(image).numpy()
        values = numpy.fromfile(message["values"], numpy.float32).reshape(expected.shape)
        off = numpy.rint(numpy.abs(values - expected) * levels_of).astype(int)
        decoded = numpy.abs(pixels.astype(int) - numpy.asarray(image)).max()
        say({"decodedWorst": int(decoded), "byLevels": numpy.bincount(off.flatten()).tolist()})
    except Exception as error:
        say({"error": f"{message['path']}: {error}"})
