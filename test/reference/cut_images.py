"""Image files that end too early, written into a folder: { folder } → for each { file, whole: whether Pillow reads it all the same }."""

import io
import warnings
from pathlib import Path

import numpy
from _common import answer, argument
from PIL import Image

warnings.simplefilter("ignore")

KINDS = {
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP"},
    "lossless.webp": {"format": "WEBP", "lossless": True},
    "tif": {"format": "TIFF"},
    "lzw.tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "deflate.tif": {"format": "TIFF", "compression": "tiff_deflate"},
    "jpeg.tif": {"format": "TIFF", "compression": "jpeg"},
    "bmp": {"format": "BMP"},
    "gif": {"format": "GIF"},
    "ppm": {"format": "PPM"},
}


def reads(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).convert("RGB")
        return True
    except Exception:
        return False


def main() -> None:
    folder = Path(argument()["folder"])
    rows, columns = numpy.mgrid[0:60, 0:44]
    image = Image.fromarray(numpy.stack([columns * 3, rows * 2, rows * columns], -1).astype("uint8"))
    files = []
    for kind, options in KINDS.items():
        whole = io.BytesIO()
        image.save(whole, **options)
        data = whole.getvalue()
        for part in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1):
            file = f"{part}.{kind}"
            cut = data[: int(len(data) * part)]
            (folder / file).write_bytes(cut)
            files.append({"file": file, "whole": reads(cut)})
    answer(files)


main()
