"""Writes what both sides of sharpness.mjs measure: `sharpness_inputs.py FOLDER CIFAR ASSETS [WEIGHTS]`.

`resnet20.pt` is ResNet-20 with the weights of WEIGHTS or random ones, and `inputs.safetensors` has images and labels: `cifar` the first
training images of CIFAR-10, `fashion` those of the demo.
"""

import gzip
import io
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent))
from resnet20 import build, write_atomically

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def main(folder: Path, cifar: Path, assets: Path, weights: str | None = None) -> None:
    network = build()
    if weights is not None:
        found = torch.jit.load(weights).state_dict()
        network.load_state_dict({name.replace("linear.", "fc."): value for name, value in found.items()})
    network.eval()
    archive = io.BytesIO()
    torch.jit.save(torch.jit.script(network), archive)
    write_atomically(folder / "resnet20.pt", archive.getvalue())

    count = 64
    raw = numpy.frombuffer((cifar / "data_batch_1.bin").read_bytes(), numpy.uint8).reshape(-1, 3073)[:count].copy()
    pixels = torch.from_numpy(raw[:, 1:]).view(-1, 3, 32, 32).float() / 255
    images = (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    labels = torch.from_numpy(raw[:, 0].astype("int64"))

    count = 256
    prefix = assets / "fashion-mnist"
    bytes_of = lambda name, offset: numpy.frombuffer(gzip.open(prefix / name).read(), numpy.uint8, offset=offset)
    fashion = bytes_of("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:count].copy()
    classes = bytes_of("train-labels-idx1-ubyte.gz", 8)[:count].astype("int64")
    save_file(
        {
            "cifar.images": images.contiguous(),
            "cifar.labels": labels,
            "fashion.images": (torch.from_numpy(fashion).float() / 255 - 0.2860) / 0.3530,
            "fashion.labels": torch.from_numpy(classes),
        },
        folder / "inputs.safetensors",
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *sys.argv[4:])
