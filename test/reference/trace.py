"""Hutchinson's quadratic forms with PyTorch's autograd on TypeScript's samples and probes:
{ model, folder, indices, probes, seed } → { perProbe }.

The probes are drawn one after another from one generator, each as long as all parameters together."""

import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).eval()
images, labels = fashion_mnist(given["folder"], "train", given["indices"])
parameters = [p for p in model.parameters() if p.requires_grad]
sizes = [p.numel() for p in parameters]
generator = torch.Generator().manual_seed(given["seed"])
with torch.jit.optimized_execution(False):
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    forms = []
    for _ in range(given["probes"]):
        probe = torch.randint(0, 2, (sum(sizes),), generator=generator, dtype=torch.float32) * 2 - 1
        parts = [part.view(p.shape) for part, p in zip(probe.split(sizes), parameters)]
        products = torch.autograd.grad(gradients, parameters, parts, retain_graph=True)
        forms.append(sum((a.double() * b.double()).sum().item() for a, b in zip(parts, products)))
answer({"perProbe": forms})
