"""The Gauss-Newton trace of single images, from the Jacobian of the logits of one image at a time:
{ cases: [{ model, images, dtype, head?: { layer, weight, bias } }] } → [{ traces, layers: { path: [of each image] }, difference? }].

`images` is { shape, seed }, or { file } a state dict whose `x` they are. With a head, `difference` is Σ of the diagonal of the
Gauss-Newton matrix of each image with this weight and bias in the layer, less that with the model's own.
"""

import functools

import torch
from _common import answer, argument, randn


def traces_of(network, images) -> dict[str, list[float]]:
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    layers: dict[str, list[float]] = {name.rpartition(".")[0]: [0.0] * len(images) for name, _ in named}
    for i in range(len(images)):
        logits = network(images[i : i + 1])[0]
        p = logits.detach().double().softmax(0)
        middle = torch.diag(p) - torch.outer(p, p)
        rows = [
            torch.autograd.grad(logit, [p for _, p in named], retain_graph=True, allow_unused=True) for logit in logits
        ]
        for k, (name, _) in enumerate(named):
            if rows[0][k] is None:
                continue
            jacobian = torch.stack([row[k].flatten().double() for row in rows])
            layers[name.rpartition(".")[0]][i] += ((jacobian @ jacobian.T) * middle).sum().item()
    return layers


def case(model: str, images: dict, dtype: str = "float32", head: dict | None = None) -> dict:
    network = torch.jit.load(model).eval()
    x = torch.load(images["file"])["x"] if "file" in images else randn(images["shape"], images["seed"], torch.float64)
    x = x.to(getattr(torch, dtype))
    layers = traces_of(network, x)
    found = {"traces": [sum(values) for values in zip(*layers.values())], "layers": layers}
    if head is None:
        return found
    layer = functools.reduce(getattr, head["layer"].split("."), network)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(head["weight"], dtype=torch.float64).view_as(layer.weight))
        if head["bias"] is not None:
            layer.bias.copy_(torch.tensor(head["bias"], dtype=torch.float64))
    after = traces_of(network, x)
    totals = [sum(values) for values in zip(*after.values())]
    return found | {"difference": [a - b for a, b in zip(totals, found["traces"])]}


with torch.jit.optimized_execution(False):
    answer([case(**one) for one in argument()["cases"]])
