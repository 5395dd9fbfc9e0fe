"""Steps of PyTorch's optimizers, of SAM and of ASAM, each from the same TorchScript file on the same batches:
{ model, shape, classes, dtype, steps, cases, folder } → writes the parameters after the steps, one after another, to FOLDER/CASE.bin
in float64 and answers { CASE: { losses: [of each step], buffers: { NAME: values } } }.

Batch i is randn(shape, 100 + i), labels randint(classes) by the generator of seed 200 + i. SAM and ASAM are written down here from
their papers (Foret et al. 2021; Kwon et al. 2021, with their code's η on `weight` alone), not taken from the project."""

from pathlib import Path

import torch
from _common import answer, argument, randn

given = argument()
dtype = getattr(torch, given["dtype"])
torch.set_num_threads(1)


def batch(i: int):
    labels = torch.randint(0, given["classes"], (given["shape"][0],), generator=torch.Generator().manual_seed(200 + i))
    return randn(given["shape"], 100 + i, dtype), labels


def make(case: dict, parameters):
    options = {k: v for k, v in case.items() if k in ("lr", "momentum", "dampening", "nesterov", "weight_decay", "amsgrad")}
    return getattr(torch.optim, case["optimizer"])(parameters, **options)


def gradients(model, images, labels):
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    model.zero_grad()
    loss.backward()
    return loss.item()


def perturbation(case: dict, named):
    if case["ascent"] == "sam":
        scales = {name: torch.ones_like(p) for name, p in named}
        tiny = 1e-12
    else:
        scales = {n: p.detach().abs() + 0.01 if n.endswith("weight") else torch.ones_like(p) for n, p in named}
        tiny = 1e-16
    norm = torch.sqrt(sum(((scales[n] * p.grad) ** 2).sum() for n, p in named))
    return {n: case["rho"] * scales[n] ** 2 * p.grad / (norm + tiny) for n, p in named}


def run(case: dict):
    model = torch.jit.load(given["model"]).to(dtype).train()
    named = list(model.named_parameters())
    optimizer = make(case, model.parameters())
    losses = []
    for i in range(given["steps"]):
        images, labels = batch(i)
        losses.append(gradients(model, images, labels))
        if case.get("ascent"):
            with torch.no_grad():
                buffers = [b.clone() for b in model.buffers()]
                before = [p.clone() for p in model.parameters()]
                moved = perturbation(case, named)
                for name, p in named:
                    p += moved[name]
            gradients(model, images, labels)
            with torch.no_grad():
                for p, old in zip(model.parameters(), before):
                    p.copy_(old)
                for b, old in zip(model.buffers(), buffers):
                    b.copy_(old)
        if case.get("max_norm"):
            torch.nn.utils.clip_grad_norm_(model.parameters(), case["max_norm"])
        optimizer.step()
    weights = torch.cat([p.detach().double().flatten() for p in model.parameters()])
    Path(given["folder"], f"{case['name']}.bin").write_bytes(weights.numpy().tobytes())
    buffers = {name: b.double().flatten().tolist() for name, b in model.named_buffers()}
    return {"losses": losses, "buffers": buffers}


with torch.jit.optimized_execution(False):
    answer({case["name"]: run(case) for case in given["cases"]})
