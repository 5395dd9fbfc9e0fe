"""What hooks of an eager network of test/fixtures/attention.py receive without gradients: { network, paths, shape, seed }
→ { calls: [path, output][], logits }, each output a list of the numbers of its tensors, null for None."""

import sys
from pathlib import Path

import torch
from _common import answer, argument, randn

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import attention

given = argument()
network = attention.build(given["network"])
calls = []


def told(value):
    if isinstance(value, tuple):
        return [told(element) for element in value]
    return None if value is None else value.flatten().tolist()


for path in given["paths"]:
    network.get_submodule(path).register_forward_hook(
        lambda _, inputs, output, path=path: calls.append([path, told(output)])
    )
with torch.no_grad():
    logits = network(randn(given["shape"], given["seed"]))
answer({"calls": calls, "logits": logits.flatten().tolist()})
