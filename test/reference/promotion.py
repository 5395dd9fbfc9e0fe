"""Dtypes of operators on numbers: { dtypes, scalars: [Python text, …], operators } → { results: { "op dtype scalar order": text } }."""

import torch
from _common import answer, argument

given = argument()


def run(operator, a, b):
    try:
        result = getattr(torch, operator)(a, b)
    except (RuntimeError, TypeError):
        return "error"
    value = result.item()
    parts = [value.real, value.imag] if isinstance(value, complex) else [float(value), 0.0]
    return [str(result.dtype).removeprefix("torch."), parts]


results = {}
for operator in given["operators"]:
    for text in given["scalars"]:
        scalar = eval(text)
        for dtype in given["dtypes"]:
            tensor = torch.tensor([3], dtype=getattr(torch, dtype))
            results[f"{operator}({dtype}, {text})"] = run(operator, tensor, scalar)
            results[f"{operator}({text}, {dtype})"] = run(operator, scalar, tensor)
        for other in given["scalars"]:
            results[f"{operator}({text}, {other})"] = run(operator, scalar, eval(other))
answer(results)
