"""Makes calls of the operator fuzz (a file of JSON lines, the first argument) in Python; a crash has a signal."""

import json
import sys

import torch


def tensor(value):
    """What call-worker.mjs makes of the same description."""
    shape, dtype = value["shape"], value["dtype"]
    size = 1
    for extent in shape:
        size *= extent
    numbers = torch.arange(size).sub(1).remainder(7)

    def make(x):
        if dtype == "quint8":
            return torch.quantize_per_tensor(x.to(torch.float32), 0.5, 2, torch.quint8)
        return x.to(getattr(torch, dtype))

    forms = {
        "dense": lambda: make(numbers).reshape(shape),
        "transposed": lambda: make(numbers).reshape(shape[::-1]).permute(list(range(len(shape)))[::-1]),
        "gaps": lambda: make(numbers).reshape([*shape, 1]).repeat([1] * len(shape) + [2]).select(-1, 0),
        "expanded": lambda: make(torch.ones([])).expand(shape),
        "sparse": lambda: make(numbers).reshape(shape).to_sparse(),
    }
    try:
        made = forms[value["form"]]()
    except Exception:
        made = numbers.to(torch.float32).reshape(shape)
    if value["requiresGrad"] and (made.is_floating_point() or made.is_complex()):
        made.requires_grad_(True)
    return made


def python_value(value, kind):
    kind = kind.rstrip("?")
    if isinstance(value, list):
        return [python_value(element, kind.split("[")[0]) for element in value]
    if isinstance(value, dict):
        if "shape" in value:
            return tensor(value)
        if "bigint" in value:
            return int(value["bigint"])
        if "float" in value:
            return float(value["float"])
        if "complex" in value:
            return complex(*value["complex"])
        return torch.Generator().manual_seed(value["generator"])
    if isinstance(value, str) and kind in ("ScalarType", "Layout", "MemoryFormat"):
        return getattr(torch, value)
    if isinstance(value, str) and kind == "Device":
        return torch.device(value)
    return value


def replay(line):
    call = json.loads(line)
    name, overload = call["operator"].split(".")
    namespace, operator = name.split("::")
    function = getattr(getattr(getattr(torch.ops, namespace), operator), overload)
    types, names = call["types"], call["names"]
    kind_of = dict(zip(names, types))
    positional = [python_value(value, types[i]) for i, value in enumerate(call["positional"])]
    keyword = {name: python_value(value, kind_of[name]) for name, value in call["keyword"].items()}
    function(*positional, **keyword)


for line in open(sys.argv[1]):
    try:
        replay(line)
        print("success", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
