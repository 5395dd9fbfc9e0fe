"""Recomputes a shift from the record's indices: { model, layer, folder, indices, tolerance } → { weight, rank, sigma }.

The layer's inputs are what an eager run gives the submodule; V* = A⁺(AV), by a float64 SVD in numpy."""

import numpy
import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).eval()
images, _ = fashion_mnist(given["folder"], "train", given["indices"])
layer = getattr(model, given["layer"])
weight = layer.weight.detach().double().numpy()
# The features: the logits of the model with its last layer made the identity.
with torch.no_grad():
    layer.weight = torch.nn.Parameter(torch.eye(weight.shape[1]))
    layer.bias = torch.nn.Parameter(torch.zeros(weight.shape[1]))
    features = model(images).double().numpy()
u, sigma, qt = numpy.linalg.svd(features, full_matrices=False)
rank = int((sigma > given["tolerance"] * sigma[0]).sum())
pseudo_inverse = (qt[:rank].T / sigma[:rank]) @ u[:, :rank].T
v_star = pseudo_inverse @ (features @ weight.T)
answer({"weight": v_star.T.flatten().tolist(), "rank": rank, "sigma": sigma.tolist()})
