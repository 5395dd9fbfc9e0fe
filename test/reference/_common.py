"""What the references share: their JSON argument, TorchScript files, and the tensors that TypeScript makes too."""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "export"))


def argument() -> dict:
    return json.loads(sys.argv[1])


def answer(document) -> None:
    json.dump(document, sys.stdout)


def randn(shape, seed: int, dtype=torch.float32) -> torch.Tensor:
    """The same numbers as test/support/random.ts makes."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def fashion_mnist(folder: str, split: str, indices=None):
    """Images normalised as assets/fashion-resnet.pt wants them, and labels, read by numpy alone."""
    import gzip

    import numpy

    prefix = {"train": "train", "test": "t10k"}[split]
    raw = gzip.open(f"{folder}/{prefix}-images-idx3-ubyte.gz").read()
    images = numpy.frombuffer(raw, numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    labels = numpy.frombuffer(gzip.open(f"{folder}/{prefix}-labels-idx1-ubyte.gz").read(), numpy.uint8, offset=8)
    if indices is not None:
        images, labels = images[indices], labels[indices]
    pixels = torch.from_numpy(images.copy()).float() / 255
    return (pixels - 0.2860) / 0.3530, torch.from_numpy(labels.astype("int64"))


def float64_samples(given: dict):
    """Images of Fashion-MNIST and their labels for { folder, indices }, or random numbers for { shape, seed, classes }."""
    if "folder" in given:
        images, labels = fashion_mnist(given["folder"], "train", given["indices"])
        return images.double(), labels
    count = given["shape"][0]
    return randn(given["shape"], given["seed"], torch.float64), torch.arange(count) % given["classes"]
