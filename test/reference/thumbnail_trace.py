"""The trace of the Hessian of a thumbnail network with ReLU (test/fixtures/networks.py), by its Gauss-Newton matrix, on images of Fashion-MNIST:
{ model, folder, indices? } → { trace }. Without indices it is that of all training images."""

import torch
from _common import answer, argument, fashion_mnist

given = argument()
state = dict(torch.jit.load(given["model"]).named_parameters())
images, _ = fashion_mnist(given["folder"], "train", given.get("indices"))
x = torch.nn.functional.avg_pool2d(images.double(), 7).flatten(1)
with torch.no_grad():
    before = x @ state["first.weight"].T + state["first.bias"]
    hidden, slope = before.relu(), (before > 0).double()
    p = torch.softmax(hidden @ state["fc.weight"].T + state["fc.bias"], 1)
    covariances = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    # dz/d(first) is the head's columns of the active units times the input; dz/d(fc) is the hidden vector.
    through = slope[:, None, :] * state["fc.weight"]
    first = (covariances @ through * through).sum((1, 2)) * (x.square().sum(1) + 1)
    head = covariances.diagonal(dim1=1, dim2=2).sum(1) * (hidden.square().sum(1) + 1)
answer({"trace": (first + head).mean().item()})
