"""What an operator's call costs in Python: the cases of ops.mjs, written as Python's users write them."""

import torch


def cases(prepared: dict) -> dict:
    device = prepared.get("device", "cpu")

    def randn(*shape: int, seed: int) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)

    a, b = randn(2, 2, seed=1), randn(2, 2, seed=2)
    x, w, bias = randn(64, 64, seed=3), randn(64, 64, seed=4), randn(64, seed=5)
    mean, std = randn(64, seed=6), (torch.rand(64, generator=torch.Generator().manual_seed(7)) + 1).to(device)
    trained = w.clone().requires_grad_(), bias.clone().requires_grad_()

    def chain(w: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return x.matmul(w).add(bias).relu().mul(0.125).sub(mean).div(std).tanh().transpose(0, 1).softmax(-1).sum()

    def add(n: int) -> None:
        for _ in range(n):
            a.add(b)

    def add_without_gradients(n: int) -> None:
        with torch.no_grad():
            add(n)

    def matmul(n: int) -> None:
        for _ in range(n):
            x.matmul(w)

    def plain_chain(n: int) -> None:
        for _ in range(n):
            chain(w, bias)

    def recorded_chain(n: int) -> None:
        for _ in range(n):
            chain(*trained)

    return {
        "add 2×2": (add, lambda: a.add(b)),
        "add 2×2, dispose()": (add, lambda: a.add(b)),
        "matmul 64×64": (matmul, lambda: x.matmul(w)),
        "matmul 64×64, dispose()": (matmul, lambda: x.matmul(w)),
        "chain of 10, 64×64": (plain_chain, lambda: chain(w, bias)),
        "chain of 10, 64×64, in a scope": (plain_chain, lambda: chain(w, bias)),
        "chain of 10, 64×64, recorded": (recorded_chain, lambda: chain(*trained)),
        "add 2×2 in noGrad": (add_without_gradients, lambda: a.add(b)),
    }
