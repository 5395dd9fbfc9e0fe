"""What an item of a model's output scores: { models: { NAME: [index or key, …] }, size } →
{ NAME: { loss, top1, trace } } on randn([size, 6], 7) with the labels 0, 1, 2, 0, …; trace is that of the dense Hessian of the loss."""

import torch
from _common import answer, argument, randn

given = argument()
images = randn([given["size"], 6], 7, torch.float64)
labels = torch.arange(given["size"]) % 3


def scores(path: str, item: list) -> dict:
    model = torch.jit.load(path).eval()
    logits = model(images)
    for place in item:
        logits = getattr(logits, place) if isinstance(place, str) and hasattr(logits, place) else logits[place]
    loss = torch.nn.functional.cross_entropy(logits, labels)
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    trace = 0.0
    for gradient, parameter in zip(gradients, parameters):
        for i in range(0 if gradient is None else parameter.numel()):
            (row,) = torch.autograd.grad(gradient.reshape(-1)[i], parameter, retain_graph=True)
            trace += row.reshape(-1)[i].item()
    top1 = 100 * (logits.argmax(1) == labels).double().mean().item()
    return {"loss": loss.item(), "top1": top1, "trace": trace}


answer({path: scores(path, item) for path, item in given["models"].items()})
