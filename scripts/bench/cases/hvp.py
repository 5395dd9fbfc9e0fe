"""Hessian-vector products in PyTorch's eager mode: the cases of hvp.mjs."""

import torch
from resnet20 import build
from torch.nn.functional import cross_entropy


def cases(prepared: dict) -> dict:
    batch = prepared.get("batch", 256)
    device = prepared.get("device", "cpu")
    model = build().to(device)
    parameters = list(model.parameters())
    images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)
    labels = torch.arange(batch, device=device) % 10
    generator = torch.Generator().manual_seed(2)
    vector = [torch.randn(p.shape, generator=generator).to(device) for p in parameters]

    def first_order() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(cross_entropy(model(images), labels), parameters, create_graph=True)

    def recomputed() -> tuple[torch.Tensor, ...]:
        dot = sum((g * v).sum() for g, v in zip(first_order(), vector))
        return torch.autograd.grad(dot, parameters)

    gradients = []

    def kept() -> tuple[torch.Tensor, ...]:
        if not gradients:
            gradients.extend(first_order())
        return torch.autograd.grad(gradients, parameters, vector, retain_graph=True)

    def case(product):
        def run(n: int) -> None:
            for _ in range(n):
                product()

        return run, lambda: torch.cat([part.flatten() for part in product()])

    return {
        "kept graph, eager recomputes": case(recomputed),
        "both recompute": case(recomputed),
        "both keep the graph": case(kept),
    }
