"""Sharpness near the weights of a small float64 model, with the mean cross-entropy of N samples:
{ model, shape, seed, classes, rho, eta, adaptive, steps, stepSize, probes, probeSeed } → { losses, gradientNorm, perStep, best, perProbe:
{ sphere, gaussian } }.

{ folder, indices } in the place of { shape, seed, classes } takes images of Fashion-MNIST. `best` holds each image's loss at the best step. It is written out with one flat vector of weights, and nothing in common with src/."""

import torch
from _common import answer, argument, float64_samples
from torch.nn.functional import cross_entropy

given = argument()
torch._C._set_graph_executor_optimize(False)  # its rewritten derivatives are off by 1e-11 from the second forward on
model = torch.jit.load(given["model"]).eval()
named = list(model.named_parameters())
x, labels = float64_samples(given)
rho = given["rho"]

w = torch.cat([p.detach().flatten() for _, p in named])
is_weight = torch.cat([torch.full((p.numel(),), name.split(".")[-1] == "weight") for name, p in named])
t = torch.where(is_weight, w.abs() + given["eta"], torch.ones_like(w)) if given["adaptive"] else torch.ones_like(w)


def losses_at(epsilon: torch.Tensor, with_gradient: bool = False):
    at = (w + t * epsilon).requires_grad_()
    parts = at.split([p.numel() for _, p in named])
    state = {name: part.view(p.shape) for (name, p), part in zip(named, parts)}
    with torch.no_grad():
        for name, p in named:
            p.copy_(state[name])
    each = cross_entropy(model(x), labels, reduction="none")
    if not with_gradient:
        return each.detach()
    gradients = torch.autograd.grad(each.mean(), [p for _, p in named])
    return each.detach(), t * torch.cat([g.flatten() for g in gradients])


before, gradient = losses_at(torch.zeros_like(w), True)
epsilon, best, per_step = torch.zeros_like(w), before, []
norm = gradient.norm().item()
for _ in range(given["steps"]):
    epsilon = epsilon + given["stepSize"] * rho * gradient / gradient.norm()
    if epsilon.norm() > rho:
        epsilon = epsilon * (rho / epsilon.norm())
    now, gradient = losses_at(epsilon, True)
    per_step.append((now.mean() - before.mean()).item())
    best = now if now.mean() > best.mean() else best

per_probe = {"sphere": [], "gaussian": []}
for kind, found in per_probe.items():
    generator = torch.Generator().manual_seed(given["probeSeed"])
    for _ in range(given["probes"]):
        z = torch.randn(len(w), generator=generator, dtype=torch.float64)
        epsilon = z * rho / (z.norm() if kind == "sphere" else len(w) ** 0.5)
        found.append(((losses_at(epsilon) + losses_at(-epsilon)) / 2 - before).mean().item())

answer({"losses": before.tolist(), "gradientNorm": norm, "perStep": per_step, "best": best.tolist(), "perProbe": per_probe})
