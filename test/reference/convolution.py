"""What the convolutions of a fixture compute: { model, shape, seed } → { NAME: { output, rows: [per group] } }.

The geometries are those of test/fixtures/networks.py in eager Python, the weights those of the file. Rows are
torch.nn.functional.unfold's, whose padding is on both sides alike: where it is not, the input is padded before.
"""

import sys
from pathlib import Path

import torch
from _common import answer, argument, randn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from networks import Convolutions

given = argument()
x = randn(given["shape"], given["seed"], torch.float64)
network = Convolutions()
# A trace keeps a tied weight under one name alone.
network.load_state_dict(torch.jit.load(given["model"]).state_dict(), strict=False)


def describe(layer: torch.nn.Conv2d) -> dict:
    top_first = layer._reversed_padding_repeated_twice  # [left, right, top, bottom]
    padded = functional.pad(x, top_first) if isinstance(layer.padding, str) else x
    padding = 0 if isinstance(layer.padding, str) else layer.padding
    rows = [
        functional.unfold(channels, layer.kernel_size, layer.dilation, padding, layer.stride).transpose(1, 2)
        for channels in padded.chunk(layer.groups, 1)
    ]
    return {"output": layer(x).flatten().tolist(), "rows": [group.flatten().tolist() for group in rows]}


with torch.no_grad():
    answer({name: describe(getattr(network, name)) for name in given["layers"]})
