"""Runs TorchScript files on seeded numbers: { folder, cases: { FILE: shape }, seed } → { FILE: { shape, norm, head } }.

Of outputs of several tensors it takes the first; `head` holds the first 2000 entries.
"""

import torch
from _common import answer, argument, randn

given = argument()
document = {}
for name, shape in given["cases"].items():
    with torch.no_grad(), torch.jit.optimized_execution(False):
        output = torch.jit.load(f"{given['folder']}/{name}").eval()(randn(shape, given["seed"]))
    output = output[0] if isinstance(output, tuple) else output
    flat = output.double().flatten()
    document[name] = {"shape": list(output.shape), "norm": flat.norm().item(), "head": flat[:2000].tolist()}
answer(document)
