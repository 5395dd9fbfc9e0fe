"""The networks of scripts/export/cifar_networks.py in Python: { classes, seed, shape, input, files: { NAME: path } }
→ { NAME: { parameters, inputs, logits, ofFile? } }.

`parameters` are counted, `inputs` those of the last module, a linear layer; `logits` are those of seeded images in
evaluation mode, of the eager network and of the TorchScript file.
"""

import torch
from _common import answer, argument, randn
from cifar_networks import NETWORKS, build

given = argument()
images = randn(given["shape"], given["input"])
result = {}
for name in NETWORKS:
    network = build(name, given["classes"], given["seed"])
    last = list(network.modules())[-1]
    with torch.no_grad():
        result[name] = {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "inputs": last.in_features,
            "logits": network(images).flatten().tolist(),
        }
        if name in given["files"]:
            result[name]["ofFile"] = torch.jit.load(given["files"][name])(images).flatten().tolist()
answer(result)
