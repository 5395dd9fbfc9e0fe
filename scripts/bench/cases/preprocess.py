"""Pillow's decoding and torchvision's transforms: the cases of preprocess.mjs, written as Python's users write them."""

from pathlib import Path

import torch
from PIL import Image

from torchvision_images import preprocessing


def cases(prepared: dict) -> dict:
    transform = preprocessing()
    # This is imageFolder's order.
    files = sorted(path for path in Path(prepared["folder"]).glob("*/*") if path.is_file())
    count = prepared["images"]
    chosen = [files[i * len(files) // count] for i in range(count)]

    def load(paths: list) -> torch.Tensor:
        return torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])

    def run(n: int) -> None:
        for _ in range(n):
            for start in range(0, count, 32):
                load(chosen[start : start + 32])

    def result() -> torch.Tensor:
        return load(chosen[:4])

    return {"libturbojpeg": (run, result), "sharp": (run, result)}
