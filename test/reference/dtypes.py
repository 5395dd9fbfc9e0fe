"""What Python makes of numbers in each dtype: { values: [number, …], dtypes } → { dtype: { base64 of the memory, list } }."""

import base64

import torch
from _common import answer, argument

values = argument()["values"]
dtypes = argument()["dtypes"]


def plain(value):
    if isinstance(value, complex):
        return [value.real, value.imag]
    return int(value) if isinstance(value, bool) else value


def document(dtype):
    # The wide unsigned dtypes take ints only.
    wide = dtype in (torch.uint16, torch.uint32, torch.uint64)
    tensor = torch.tensor([int(value) for value in values] if wide else values, dtype=dtype)
    data = bytes(tensor.view(torch.uint8).tolist())
    return {"base64": base64.b64encode(data).decode(), "list": [plain(v) for v in tensor.tolist()]}


answer({name: document(getattr(torch, name)) for name in dtypes})
