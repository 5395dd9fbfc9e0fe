"""Files that training scripts write of one ResNet-18 of 4 classes, into a folder → { FILE: the keys to load it by | null }."""

import argparse
import datetime
import pathlib

import numpy
import torch
from _common import answer, argument
from torchscript_export import import_torchvision

folder = argument()["folder"]
torch.manual_seed(3)
network = import_torchvision().models.resnet18(num_classes=4)
weights = network.state_dict()
parallel = {f"module.{name}": value for name, value in weights.items()}
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
beside = {
    "epoch": 3,
    "best": numpy.float64(0.5),
    "half": numpy.float16(0.5),
    "args": argparse.Namespace(lr=0.1, out=pathlib.Path("runs")),
    "time": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
    "losses": numpy.arange(3.0),
    "optimizer": optimizer.state_dict(),
}
files = {
    "plain.pth": (weights, None),
    "parallel.pth": (parallel, None),
    "compiled.pth": ({f"_orig_mod.{name}": value for name, value in parallel.items()}, None),
    "checkpoint.pth.tar": ({**beside, "state_dict": parallel}, [None, "state_dict"]),
    "model.pth": ({**beside, "model": weights}, None),
    "nested.pth": ({"model": {"state_dict": weights, "epoch": 1}}, [None, "model.state_dict"]),
    "lightning.ckpt": ({"state_dict": {f"model.{name}": value for name, value in weights.items()}}, None),
    "averaged.pth": (torch.optim.swa_utils.AveragedModel(network).state_dict(), None),
    "criterion.ckpt": ({"state_dict": {"criterion.weight": torch.ones(4), **{f"model.{name}": value for name, value in weights.items()}}}, []),
    "several.pth": ({"state_dict": weights, "state_dict_ema": weights}, ["state_dict", "state_dict_ema"]),
}
for file, (value, _) in files.items():
    torch.save(value, f"{folder}/{file}")
torch.save(network, f"{folder}/module.pth")
answer({file: keys for file, (_, keys) in files.items()})
