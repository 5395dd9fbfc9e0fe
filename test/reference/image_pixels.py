"""The pixels that Pillow's convert gives of the files in a folder: { folder } → for each { file, RGB, L }: null if Pillow refuses, else
{ width, height, pixels: in hexadecimal }."""

import warnings
from pathlib import Path

import numpy
from _common import answer, argument
from PIL import Image

warnings.simplefilter("ignore")


def pixels(path: Path, mode: str):
    try:
        image = Image.open(path).convert(mode)
        return {"width": image.width, "height": image.height, "pixels": numpy.asarray(image).tobytes().hex()}
    except Exception:
        return None


paths = sorted(path for path in Path(argument()["folder"]).iterdir() if path.is_file())
answer([{"file": path.name, **{mode: pixels(path, mode) for mode in ("RGB", "L")}} for path in paths])
