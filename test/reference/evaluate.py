"""Accuracy and loss on Fashion-MNIST: { model, folder, indices? } → { top1, top5, loss, calibrationError,
predictions, labels, perClass }."""

import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).eval()
images, labels = fashion_mnist(given["folder"], "test", given.get("indices"))
with torch.no_grad():
    logits = torch.cat([model(part) for part in images.split(250)]).double()
best = logits.topk(5).indices
confidence, correct = logits.softmax(1).amax(1), (best[:, 0] == labels).double()
bins = torch.bucketize(confidence, torch.arange(16).double() / 15)  # right edges belong to their bins
gaps = torch.zeros(17, dtype=torch.float64).index_add(0, bins, correct - confidence)
answer({
    "top1": 100 * (best[:, 0] == labels).double().mean().item(),
    "top5": 100 * (best == labels[:, None]).any(1).double().mean().item(),
    "loss": torch.nn.functional.cross_entropy(logits, labels).item(),
    "calibrationError": gaps.abs().sum().item() / len(labels),
    "perClass": [100 * correct[labels == k].mean().item() for k in range(10)],
    "predictions": best[:, 0].tolist(),
    "labels": labels.tolist(),
})
