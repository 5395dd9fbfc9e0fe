"""Accuracy and loss on Fashion-MNIST: { model, folder } → { top1, top5, loss, predictions }."""

import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).eval()
images, labels = fashion_mnist(given["folder"], "test")
with torch.no_grad():
    logits = torch.cat([model(part) for part in images.split(250)]).double()
best = logits.topk(5).indices
answer({
    "top1": 100 * (best[:, 0] == labels).double().mean().item(),
    "top5": 100 * (best == labels[:, None]).any(1).double().mean().item(),
    "loss": torch.nn.functional.cross_entropy(logits, labels).item(),
    "predictions": best[:, 0].tolist(),
})
