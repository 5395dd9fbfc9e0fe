"""What Python prints for tensors: { file: JSON of [{ dtype, shape, base64 }, …], expressions: [text, …] } → { tensors,
expressions }. The expressions know torch."""

import base64
import json

import torch
from _common import answer, argument

given = argument()


def tensor_of(case):
    data = list(base64.b64decode(case["base64"]))
    return torch.tensor(data, dtype=torch.uint8).view(getattr(torch, case["dtype"])).reshape(case["shape"])


answer(
    {
        "tensors": [repr(tensor_of(case)) for case in json.load(open(given["file"]))],
        "expressions": [repr(eval(text)) for text in given["expressions"]],
    }
)
