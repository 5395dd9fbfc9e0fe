"""Loads each module of test/fixtures/zoo_files.py and describes and calls it: { folder } → { NAME: { … } }.

`calls` holds [method, inputs, output], in which tensors are { dtype, shape, values }, tuples and lists are
lists, dicts { dict: [key, value][] } and numbers that JSON has none for { float: text }.
"""

import sys
import warnings
from pathlib import Path

import torch
from _common import answer, argument

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from zoo_files import CALLS

warnings.filterwarnings("ignore")


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def encode(value):
    if isinstance(value, torch.Tensor):
        flat = value.detach().flatten()
        values = torch.view_as_real(flat).flatten() if flat.is_complex() else flat
        return {"dtype": name_of(value.dtype), "shape": list(value.shape), "values": values.double().tolist()}
    if isinstance(value, (tuple, list)):
        return [encode(element) for element in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(element)] for key, element in value.items()]}
    if isinstance(value, (torch.dtype, torch.device)):
        return name_of(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"float": str(value)}
    return value


def describe(name: str, path: Path) -> dict:
    extra = {"note.txt": "", "more/config.json": ""}
    module = torch.jit.load(path, _extra_files=extra)
    with torch.no_grad():
        calls = [[method, encode(inputs), encode(getattr(module, method)(*inputs))] for method, inputs in CALLS[name]]
    return {
        "calls": calls,
        "modules": [key for key, _ in module.named_modules()],
        "types": [part.original_name for part in module.modules()],
        "parameters": {key: [name_of(p.dtype), list(p.shape)] for key, p in module.named_parameters()},
        "buffers": {key: [name_of(b.dtype), list(b.shape)] for key, b in module.named_buffers()},
        "training": module.training if hasattr(module, "training") else False,
        "extra": {key: text.decode() if isinstance(text, bytes) else text for key, text in extra.items()},
    }


answer({name: describe(name, Path(argument()["folder"]) / f"zoo.{name}.pt") for name in CALLS})
