"""What Python sees of the first CUDA device: { seed } → { devices, name, …, stats, draws, states, own }."""

import torch
from _common import answer, argument

seed = argument()["seed"]
properties = torch.cuda.get_device_properties(0)


def draw(generator: torch.Generator | None = None) -> list[list[float]]:
    return [
        torch.randn(7, generator=generator, device="cuda").tolist(),
        torch.rand(3, dtype=torch.float64, generator=generator, device="cuda").tolist(),
        torch.bernoulli(torch.full((20,), 0.3, device="cuda"), generator=generator).tolist(),
    ]


torch.manual_seed(seed)
draws = draw()
state = torch.cuda.get_rng_state()
own = torch.Generator("cuda").manual_seed(seed)
free, total = torch.cuda.mem_get_info()
answer({
    "devices": torch.cuda.device_count(),
    "name": torch.cuda.get_device_name(0),
    "capability": list(torch.cuda.get_device_capability(0)),
    "multiProcessorCount": properties.multi_processor_count,
    "totalMemory": properties.total_memory,
    "total": total,
    "stats": [name for name, value in torch.cuda.memory_stats().items() if isinstance(value, int)],
    "draws": draws,
    "state": state.tolist(),
    "next": draw(),
    "own": draw(own),
    "ownState": own.get_state().tolist(),
})
