"""Writes small TorchScript modules to damage into OUT, made of the tests' fixtures in FIXTURES: scripted, traced, frozen, nested values."""

import shutil
import sys
from pathlib import Path

import torch

fixtures, out = (Path(argument) for argument in sys.argv[1:])
for name in ("hooks.scripted", "values.scripted", "wiring.scripted"):
    shutil.copy(fixtures / f"{name}.pt", out / f"{name}.pt")
hooks = torch.jit.load(fixtures / "hooks.scripted.pt").eval()
torch.jit.freeze(hooks).save(out / "hooks.frozen.pt")


class Convolutions(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Conv1d(1, 2, 3), torch.nn.BatchNorm1d(2), torch.nn.ReLU(), torch.nn.Flatten())


traced = torch.jit.trace(Convolutions().eval(), torch.zeros(1, 1, 8))
traced.save(out / "convolutions.traced.pt", _extra_files={"note": b"text"})
