"""vjp and jvp by torch.autograd.functional: { mlp } → { NAME: { outputs, vjp, jvp } }, tensors as nested lists.

The functions are those of test/torch/vjp-jvp.test.ts. Inputs are seeded 10, 11, …, vectors for vjp 20, 21, …
and for jvp 30, 31, ….
"""

import torch
from _common import answer, argument, randn

given = argument()
double = torch.float64
mlp = torch.jit.load(given["mlp"])

CASES = {
    "one to one": (lambda x: x.sin() * x, [[3]], [[3]]),
    "a scalar of matrices": (lambda a, b: (a @ b).square().sum(), [[2, 3], [3, 2]], [[]]),
    "several to several": (lambda a, b: (a * b, a.exp().sum(0), b.tanh()), [[2, 3], [2, 3]], [[2, 3], [3], [2, 3]]),
    "an input that is not used": (lambda a, b: a.square(), [[4], [2]], [[4]]),
    "an output that depends on nothing": (lambda a: (a * 2, torch.ones(2, dtype=double)), [[4]], [[4], [2]]),
    "nothing that depends on the input": (lambda a: torch.ones(2, dtype=double), [[4]], [[2]]),
    "linear": (lambda a: a * 3, [[4]], [[4]]),
    "TorchScript": (lambda x: mlp(x), [[5, 6]], [[5, 3]]),
}


def listed(value):
    return [tensor.tolist() for tensor in (value if isinstance(value, tuple) else (value,))]


def both(function, shapes, outputs):
    inputs = tuple(randn(shape, 10 + i, double) for i, shape in enumerate(shapes))
    left = tuple(randn(shape, 20 + i, double) for i, shape in enumerate(outputs))
    right = tuple(randn(shape, 30 + i, double) for i, shape in enumerate(shapes))
    value, vjp = torch.autograd.functional.vjp(function, inputs, left if len(left) > 1 else left[0])
    _, jvp = torch.autograd.functional.jvp(function, inputs, right)
    return {"outputs": listed(value), "vjp": listed(vjp), "jvp": listed(jvp)}


answer({name: both(*case) for name, case in CASES.items()})
