"""The bare products of stream.mjs: the same chunks in float64 beforehand, one product of all of it a chunk."""

import torch


def cases(prepared: dict) -> dict:
    features = prepared["features"]
    chunks = [
        torch.randn(prepared["rowsOfChunk"], features, generator=torch.Generator().manual_seed(i)).double()
        for i in range(prepared["distinct"])
    ]
    gram = torch.zeros(features, features, dtype=torch.float64)
    done = 0

    def run(n: int) -> None:
        nonlocal done
        for _ in range(n):
            chunk = chunks[done % len(chunks)]
            gram.addmm_(chunk.T, chunk)
            done += 1

    def result() -> torch.Tensor:
        rows = done * prepared["rowsOfChunk"]
        return (gram / rows) @ torch.linspace(-1, 1, features, dtype=torch.float64)

    return {"1.28 M × 2048": (run, result)}
