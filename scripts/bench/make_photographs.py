"""`make_photographs.py FOLDER TRAIN VAL CLASS…` makes FOLDER/train and FOLDER/val: seeded JPEGs of a photograph's size and detail, 500 × 375,
in a folder for each class. What is there is left."""

import sys
from pathlib import Path

import torch
from PIL import Image
from torch.nn.functional import interpolate


def main() -> None:
    folder, train, val, classes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    for split, count, seed in (("train", train, 0), ("val", val, 1)):
        for i in range(count):
            path = folder / split / classes[i % len(classes)] / f"{i:05}.jpg"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                picture(seed * 1_000_000 + i).save(path, quality=92)


def picture(seed: int) -> Image.Image:
    """Noise in octaves, each finer one weaker: the spectrum of natural images, so decoding costs what it costs there."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, 375, 500)
    for octave in range(7):
        size = (3 * 2**octave, 4 * 2**octave)
        noise = torch.randn(1, 3, *size, generator=generator) / 1.6**octave
        total += interpolate(noise, size=(375, 500), mode="bilinear", align_corners=False)
    pixels = (128 + 48 * total[0]).clamp(0, 255).byte().permute(1, 2, 0)
    return Image.fromarray(pixels.numpy())


main()
