"""The dense matrices that operators multiply with, of the mean cross-entropy of N samples and small float64 models:
{ cases: [{ model, shape, seed, classes, probabilities, layer }] } → [{ names, sizes, hessian, gaussNewton, empiricalFisher, residual,
layerInput }].

`residual` is the Hessian of Σ cᵀz/N with c = p − y held fixed. `layerInput` is that of Σ cᵀa/N for the input a of a child of the model, a
Sequential, with c = cos(a)·(label + 1) held fixed; it is null if `layer` is."""

import torch
from _common import answer, argument, randn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, one_hot


class Matrices:
    def __init__(self, model: str, shape: list, seed: int, classes: int, probabilities: bool, layer: str | None) -> None:
        self.model = torch.jit.load(model).eval()
        named = dict(self.model.named_parameters())
        self.parameters = list(named.values())
        self.x = randn(shape, seed, torch.float64)
        self.count = shape[0]
        self.labels = torch.arange(self.count) % classes
        logits = self.model(self.x).log() if probabilities else self.model(self.x)
        p = torch.softmax(logits, 1).detach()
        residuals = p - one_hot(self.labels, classes)
        gauss_newton, fisher = 0, 0
        for i in range(self.count):
            jacobian = torch.stack([self.gradient(logits[i, k]) for k in range(classes)])
            gauss_newton += jacobian.T @ (torch.diag(p[i]) - torch.outer(p[i], p[i])) @ jacobian / self.count
            own = self.gradient(cross_entropy(logits[i : i + 1], self.labels[i : i + 1]))
            fisher += torch.outer(own, own) / self.count
        self.found = {
            "names": list(named),
            "sizes": [q.numel() for q in self.parameters],
            "hessian": self.hessian(cross_entropy(logits, self.labels)).tolist(),
            "gaussNewton": gauss_newton.tolist(),
            "empiricalFisher": fisher.tolist(),
            "residual": self.hessian((residuals * logits).sum() / self.count).tolist(),
            "layerInput": self.of_input(layer) if layer else None,
        }

    def gradient(self, value: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
        if not value.requires_grad:
            return torch.zeros(sum(p.numel() for p in self.parameters), dtype=torch.float64)
        parts = torch.autograd.grad(value, self.parameters, retain_graph=True, create_graph=create_graph, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for g, p in zip(parts, self.parameters)]
        return torch.cat([g.flatten() for g in filled])

    def hessian(self, value: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.gradient(entry) for entry in self.gradient(value, create_graph=True)])

    def of_input(self, layer: str) -> list:
        a = self.x
        for name, child in self.model.named_children():
            if name == layer:
                break
            a = child(a)
        c = torch.cos(a.detach()) * (self.labels + 1)[:, None]
        return self.hessian((c * a).sum() / self.count).tolist()


with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
    answer([Matrices(**case).found for case in argument()["cases"]])
