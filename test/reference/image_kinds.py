"""Image files of many kinds, and the pixels that Pillow's convert gives: { folder } → for each { file, width, height, RGB, L }."""

import struct
import zlib
from pathlib import Path

import numpy
from _common import answer, argument
from PIL import Image

folder = Path(argument()["folder"])
height, width = 45, 61
y, x = numpy.mgrid[0:height, 0:width]
noise = numpy.random.default_rng(0).integers(-20, 20, (height, width, 3))
rgb = (numpy.stack([x * 4, y * 5, 255 - x * 2 - y], -1) + noise).clip(0, 255).astype("uint8")
colour = Image.fromarray(rgb)
grey = Image.fromarray(rgb[:, :, 1])
alpha = colour.copy()
alpha.putalpha(Image.fromarray((x * 4).clip(0, 255).astype("uint8")))
palette = colour.quantize(40)
deep = Image.fromarray((rgb[:, :, 0].astype("uint16") << 8) | rgb[:, :, 1])
turned = Image.Exif()
turned[0x0112] = 6
files = {
    "colour.jpg": (colour, {}),
    "full_chroma.jpg": (colour, {"subsampling": "4:4:4", "quality": 95}),
    "half_chroma.jpg": (colour, {"subsampling": "4:2:2"}),
    "progressive.jpg": (colour, {"progressive": True}),
    "restarts.jpg": (colour, {"restart_marker_blocks": 2}),
    "stored_as_rgb.jpg": (colour, {"keep_rgb": True}),
    "grey.jpg": (grey, {}),
    "cmyk.jpg": (colour.convert("CMYK"), {}),
    "turned.jpg": (colour, {"exif": turned}),
    "png_inside.JPEG": (colour, {"format": "PNG"}),
    "colour.png": (colour, {}),
    "alpha.png": (alpha, {}),
    "grey.png": (grey, {}),
    "grey_alpha.png": (alpha.convert("LA"), {}),
    "palette.png": (palette, {}),
    "palette_transparent.png": (palette, {"transparency": 3}),
    "bilevel.png": (grey.convert("1"), {}),
    "grey16.png": (deep, {}),
    "lossless.webp": (colour, {"lossless": True}),
    "lossy.webp": (colour, {"quality": 80}),
    "alpha.webp": (alpha, {"lossless": True}),
    "colour.gif": (palette, {}),
    "colour.tiff": (colour, {}),
}
for name, (image, options) in files.items():
    image.save(folder / name, **options)


def write_png16(path: Path, values: numpy.ndarray, colour_type: int) -> None:
    """A PNG of 16 bits a channel, which Pillow reads but does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


wide = rgb.astype("uint16") * 256 + rgb[:, :, ::-1]
write_png16(folder / "colour16.png", wide, 2)
write_png16(folder / "alpha16.png", numpy.concatenate([wide, wide[:, :, :1]], -1), 6)


def pixels(path: Path, mode: str) -> list:
    return numpy.asarray(Image.open(path).convert(mode)).flatten().tolist()


names = [*files, "colour16.png", "alpha16.png"]
answer([{"file": n, "width": width, "height": height, **{m: pixels(folder / n, m) for m in ("RGB", "L")}} for n in names])
