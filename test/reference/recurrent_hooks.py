"""What hooks on the layers of the eager `Recurrent` of fixtures/zoo.py receive: { model, shape, seed } → { lstm, gru }, each the first item of
its output, flattened. The weights come from the TorchScript file."""

import sys
from pathlib import Path

import torch
from _common import answer, argument, randn

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from zoo import Recurrent  # noqa: E402

given = argument()
model = Recurrent().eval()
model.load_state_dict(torch.jit.load(given["model"]).state_dict())
seen = {}
for name in ("lstm", "gru"):
    model.get_submodule(name).register_forward_hook(
        lambda _, inputs, output, name=name: seen.update({name: output[0].detach().flatten().tolist()})
    )
with torch.no_grad():
    model(randn(given["shape"], given["seed"]).to(next(model.parameters()).dtype))
answer(seen)
