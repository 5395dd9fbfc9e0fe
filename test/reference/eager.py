"""Logits of torchvision's eager model with an export's weights: { model, architecture, classes, shape, seed } → { output }."""

import torch
from _common import answer, argument, randn
from torchscript_export import import_torchvision

given = argument()
torchvision = import_torchvision()
model = torchvision.models.get_model(given["architecture"], num_classes=given["classes"])
model.load_state_dict(torch.jit.load(given["model"]).state_dict())
with torch.no_grad():
    answer({"output": model.eval()(randn(given["shape"], given["seed"])).flatten().tolist()})
