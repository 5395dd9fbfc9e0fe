"""What is drawn from seeds, given as text: { seeds } → { SEED: { initial, draws, state, next, generator, … } }."""

import torch
from _common import answer, argument


def draw(generator: torch.Generator | None = None) -> list[list[float]]:
    return [
        torch.randn(7, generator=generator).tolist(),
        torch.rand(3, dtype=torch.float64, generator=generator).tolist(),
        torch.randperm(10, generator=generator).tolist(),
        torch.randint(0, 1000, (5,), generator=generator).tolist(),
        torch.bernoulli(torch.full((20,), 0.3), generator=generator).tolist(),
    ]


def document(seed: int) -> dict:
    torch.manual_seed(seed)
    dropped = torch.dropout(torch.ones(10), 0.5, True)
    torch.manual_seed(seed)
    draws = draw()
    state = torch.get_rng_state()
    own = torch.Generator().manual_seed(seed)
    return {
        "initial": str(torch.initial_seed()),
        "draws": draws,
        "state": state.tolist(),
        "next": draw(),
        "generator": draw(own),
        "generatorState": own.get_state().tolist(),
        "dropout": dropped.tolist(),
        "unseeded": str(torch.Generator().initial_seed()),
    }


answer({seed: document(int(seed)) for seed in argument()["seeds"]})
