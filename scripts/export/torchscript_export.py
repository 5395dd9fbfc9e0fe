"""Functions that the export scripts share: they import torchvision with any build of torch, and save TorchScript with a record.

A TorchScript archive says how to compute, but not how to prepare the images. So `save_with_record` puts a small
JSON file, `sos.json`, inside the archive, which `sos` reads when it loads the model:

    {"version": 1, "architecture": "resnet50",
     "preprocess": {"channels": 3, "resize": 256, "interpolation": "bilinear", "crop": 224,
                    "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
     "classes": ["tench", ...] or null, "shifts": []}

`resize` is the shorter side in pixels and `crop` the side of the centre crop (null: no change); `mean` and
`std` are for pixel values scaled to [0, 1]; `shifts` lists the optimum shifts that were applied.
"""

import functools
import importlib
import importlib.util
import io
import json
import os
from pathlib import Path
from types import ModuleType

import torch

RECORD_NAME = "sos.json"


def make_record(architecture: str, preprocess: dict, classes: list[str] | None) -> dict:
    """The record of a network that has not been shifted yet."""
    return {
        "version": 1,
        "architecture": architecture,
        "preprocess": preprocess,
        "classes": classes,
        "shifts": [],
    }


def save_with_record(module: torch.jit.ScriptModule, path: Path | str, record: dict) -> None:
    """Saves `module` at `path` with `record` inside. The file is complete, or is not written at all.

    The debug files of the archive are left out: they only name the Python sources on the exporting machine.
    """
    archive = io.BytesIO()
    torch.jit.save(module, archive, _extra_files={RECORD_NAME: json.dumps(record, ensure_ascii=False)})
    write_atomically(path, _without_debug_files(archive))


def write_atomically(path: Path | str, content: bytes) -> None:
    """Writes under a temporary name and renames, so that no reader sees half a file. Makes the folder if it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def import_torchvision() -> ModuleType:
    """Imports torchvision, even if its compiled operators do not load, as those of a CUDA wheel with a CPU torch.

    torchvision registers shape rules for `nms` and `qnms` on import and fails if nobody has defined them.
    No classifier calls them, so their schemas alone are enough.
    """
    package = importlib.util.find_spec("torchvision")
    if package is None:
        raise ModuleNotFoundError("torchvision is missing; install it with `pip install -r requirements.txt`")
    if not _operators_load(Path(package.origin).parent):
        _define_placeholders()
    return importlib.import_module("torchvision")


def _operators_load(package: Path) -> bool:
    if hasattr(torch.ops.torchvision, "nms"):
        return True
    try:
        for library in package.glob("_C*.*"):
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


@functools.cache  # the definitions of a Library exist only as long as the object
def _define_placeholders() -> torch.library.Library:
    placeholders = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        placeholders.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return placeholders


def _without_debug_files(archive: io.BytesIO) -> bytes:
    archive.seek(0)
    reader = torch._C.PyTorchFileReader(archive)
    stripped = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(stripped)
    for name in reader.get_all_records():
        content = reader.get_record(name)
        if name in ("version", ".data/version"):  # archives with newer operators have .data/version
            writer.set_min_version(int(content))
        elif not name.endswith(".debug_pkl") and name not in ("byteorder", ".data/serialization_id"):
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return stripped.getvalue()
