"""The pseudo-inverse in float64, as one would write it: the reference of every case of solve.mjs."""

import torch

BATCHES = (100, 300, 1000, 2000)
SOLVERS = ("svd", "gram", "qr", "gaussian", "pinv")


def cases(_prepared: dict) -> dict:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(max(BATCHES), 2048, generator=generator)
    v = torch.randn(2048, 1000, generator=generator)

    def case(b: int):
        def solve() -> torch.Tensor:
            rows, weight = a[:b].double(), v.double()
            return torch.linalg.pinv(rows) @ (rows @ weight)

        def run(n: int) -> None:
            for _ in range(n):
                solve()

        return run, solve

    return {f"{solver}, b = {b}": case(b) for b in BATCHES for solver in SOLVERS}
