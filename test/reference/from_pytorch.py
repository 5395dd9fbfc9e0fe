"""The left column of docs/from-pytorch.md: { setup, rows: code | null } → for each row null, or { x, value? }.

Rows run from top to bottom in one namespace; `x` is its text after the row, `value` what an expression gives, as far as it is
a tensor (as its text), a number, a text, or a list of these.
"""

import os
import warnings

import torch
from _common import answer, argument

warnings.simplefilter("ignore")
os.makedirs("out", exist_ok=True)
NOTHING = object()


def describe(value):
    if isinstance(value, (list, tuple)):
        elements = [describe(element) for element in value]
        return NOTHING if any(element is NOTHING for element in elements) else elements
    if isinstance(value, torch.Tensor):
        return repr(value)
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value).removeprefix("torch.")
    if isinstance(value, bool):
        return int(value)
    if type(value).__name__ == "ndarray":
        return value.flatten().tolist()
    if isinstance(value, (int, float, str)):
        return value
    return NOTHING


def run(code, namespace):
    try:
        value = eval(compile(code, code, "eval"), namespace)
    except SyntaxError:
        exec(compile(code, code, "exec"), namespace)
        value = NOTHING
    described = describe(value)
    row = {"x": repr(namespace["x"])}
    return row if described is NOTHING else {**row, "value": described}


given = argument()
namespace = {}
exec(given["setup"], namespace)
answer([None if code is None else run(code, namespace) for code in given["rows"]])
