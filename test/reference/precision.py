"""A network of test/fixtures/precision.py in its own dtype on Fashion-MNIST: { model, folder, dtype, indices, probes, lr } → { logits, losses,
perProbe, weights }, as asked for.

`perProbe`: Hutchinson's quadratic forms of the same weights in float32; `weights`: of one step of plain SGD from a loss in float32."""

import torch
from _common import answer, argument, fashion_mnist
from torch.nn.functional import cross_entropy

given = argument()
images, labels = fashion_mnist(given["folder"], "train", given["indices"])
own = images.to(getattr(torch, given["dtype"]))
told = {}
torch._C._set_graph_executor_optimize(False)

model = torch.jit.load(given["model"]).eval()
with torch.no_grad():
    logits = model(own).double()
told["logits"] = logits.flatten().tolist()
told["losses"] = cross_entropy(logits, labels, reduction="none").tolist()

if "probes" in given:
    full = torch.jit.load(given["model"]).eval().float()
    parameters = list(full.parameters())
    sizes = [p.numel() for p in parameters]
    generator = torch.Generator().manual_seed(0)
    gradients = torch.autograd.grad(cross_entropy(full(images), labels), parameters, create_graph=True)
    told["perProbe"] = []
    for _ in range(given["probes"]):
        probe = torch.randint(0, 2, (sum(sizes),), generator=generator, dtype=torch.float32) * 2 - 1
        parts = [part.view(p.shape) for part, p in zip(probe.split(sizes), parameters)]
        products = torch.autograd.grad(gradients, parameters, parts, retain_graph=True, allow_unused=True)
        told["perProbe"].append(sum((a.double() * b.double()).sum().item() for a, b in zip(parts, products) if b is not None))

if "lr" in given:
    model.train()
    cross_entropy(model(own).to(torch.promote_types(own.dtype, torch.float32)), labels).backward()
    told["weights"] = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            stepped = parameter.double() - given["lr"] * parameter.grad.double()
            told["weights"][name] = stepped.flatten().tolist()
answer(told)
