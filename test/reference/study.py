"""One row of a study, by numpy in float64: { model, layer, folder, indices, limit } → { top1, loss, norm, correct }.

V* = PV with the projector P on the row space of the batch's features; the test images' logits are FV* + b."""

import numpy
import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).eval()
batch, _ = fashion_mnist(given["folder"], "train", given["indices"])
images, labels = fashion_mnist(given["folder"], "test")
step = len(images) // given["limit"]  # spread evenly over the test set
images, labels = images[::step], labels[::step]
layer = getattr(model, given["layer"])
weight, bias = (t.detach().double().numpy() for t in (layer.weight, layer.bias))
with torch.no_grad():
    layer.weight = torch.nn.Parameter(torch.eye(weight.shape[1]))
    layer.bias = torch.nn.Parameter(torch.zeros(weight.shape[1]))
    a, features = (torch.cat([model(part) for part in x.split(100)]).double().numpy() for x in (batch, images))
_, _, qt = numpy.linalg.svd(a, full_matrices=False)
v_star = qt.T @ (qt @ weight.T)


def correct_and_loss(v):
    logits = torch.from_numpy(features @ v + bias)
    return logits.argmax(1).eq(labels), torch.nn.functional.cross_entropy(logits, labels).item()


before, _ = correct_and_loss(weight.T)
after, loss = correct_and_loss(v_star)
answer(
    {
        "top1": 100 * after.double().mean().item(),
        "loss": loss,
        "norm": float(numpy.linalg.norm(v_star)),
        "onlyBefore": int((before & ~after).sum()),
        "onlyAfter": int((after & ~before).sum()),
    }
)
