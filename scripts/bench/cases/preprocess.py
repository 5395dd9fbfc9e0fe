"""Pillow's decoding and torchvision's transforms: the cases of preprocess.mjs, written as Python's users write them.

`preprocess.py FOLDER N` makes N JPEG files of 500×375 pixels with a photograph's spectrum.
"""

import sys
from pathlib import Path

import numpy
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def cases(prepared: dict) -> dict:
    from torchscript_export import import_torchvision

    import_torchvision()
    from torchvision import transforms

    transform = transforms.Compose([
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    # Of one image in each folder, as in both sets of images, this is imageFolder's order.
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


def photograph(seed: int, height: int = 375, width: int = 500) -> Image.Image:
    """Three correlated channels whose amplitudes fall with the frequency, as those of natural images do."""
    random = numpy.random.default_rng(seed)
    frequency = numpy.hypot(numpy.fft.fftfreq(height)[:, None], numpy.fft.rfftfreq(width)[None, :])
    spectrum = 1 / numpy.maximum(frequency, 1 / width)

    def field() -> numpy.ndarray:
        values = numpy.fft.irfft2(numpy.fft.rfft2(random.standard_normal((height, width))) * spectrum, (height, width))
        return values / values.std()

    grey = field()
    channels = numpy.stack([grey + 0.4 * field() for _ in range(3)], -1)
    return Image.fromarray((120 + 50 * channels).clip(0, 255).astype("uint8"))


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    for i in range(count):
        path = folder / f"{i:03d}" / "0.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(i).save(path.with_suffix(".tmp"), "JPEG", quality=92)
            path.with_suffix(".tmp").rename(path)
