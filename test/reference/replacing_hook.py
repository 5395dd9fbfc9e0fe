"""An eager network whose hook replaces: { path, before, shape, seed, model } → { output, weight, input }.

The hook doubles what passes `path`; `weight` and `input` are the gradients of the sum of squares of the output.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from _common import answer, argument, randn
from networks import Wiring

given = argument()
model = Wiring().eval()
model.load_state_dict(torch.jit.load(given["model"]).state_dict())
module = model.get_submodule(given["path"])


def double(value):
    if isinstance(value, torch.Tensor):
        return 2 * value
    if isinstance(value, dict):
        return {key: 2 * element for key, element in value.items()}
    return tuple(double(element) for element in value)


if given["before"]:
    module.register_forward_pre_hook(lambda _, inputs: double(inputs))
else:
    module.register_forward_hook(lambda _, inputs, output: double(output))
x = randn(given["shape"], given["seed"]).requires_grad_()
output = model(x)
gradients = torch.autograd.grad(output.square().sum(), [model.shared.linear.weight, x])
answer({
    "output": output.flatten().tolist(),
    "weight": gradients[0].flatten().tolist(),
    "input": gradients[1].flatten().tolist(),
})
