"""Compares a shifted model with numpy's projection: { model, shifted, layer, images, channelsLast, batch, rank } →
{ difference: ‖W − V*‖/‖V*‖, normBefore, normAfter, batchLogitChange, before, after: logits of all images }.

V* is V projected on the first `rank` right singular vectors of A, in float64. A holds the layer's inputs for the first
`batch` images: the logits of the model with that layer made the identity. `images` names a safetensors file with them;
`channelsLast` tells their layout there: convolutions round differently by layout, by 3e-6 of σ₁, which a projection on rows
that are nearly parallel amplifies by σ₁/σ_r."""

import functools

import numpy
import torch
from _common import answer, argument
from safetensors.torch import load_file

given = argument()
layout = torch.channels_last if given["channelsLast"] else torch.contiguous_format
images = load_file(given["images"])["images"].contiguous(memory_format=layout)


def layer_of(module):
    return functools.reduce(getattr, given["layer"].split("."), module)


model = torch.jit.load(given["model"]).eval()
shifted = torch.jit.load(given["shifted"]).eval()
with torch.no_grad():
    before = torch.cat([model(part) for part in images.split(16)])
    after = torch.cat([shifted(part) for part in images.split(16)])
    layer = layer_of(model)
    v = layer.weight.detach().double().numpy()
    layer.weight = torch.nn.Parameter(torch.eye(v.shape[1]))
    layer.bias = torch.nn.Parameter(torch.zeros(v.shape[1]))
    a = torch.cat([model(part) for part in images[: given["batch"]].split(16)]).double().numpy()
basis = numpy.linalg.svd(a, full_matrices=False)[2][: given["rank"]]
v_star = v @ basis.T @ basis
w = layer_of(shifted).weight.detach().double().numpy()
answer({
    "difference": float(numpy.linalg.norm(w - v_star) / numpy.linalg.norm(v_star)),
    "normBefore": float(numpy.linalg.norm(v)),
    "normAfter": float(numpy.linalg.norm(v_star)),
    "batchLogitChange": (after - before)[: given["batch"]].abs().max().item(),
    "before": before.double().flatten().tolist(),
    "after": after.double().flatten().tolist(),
})
