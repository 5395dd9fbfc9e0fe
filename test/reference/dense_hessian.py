"""The whole Hessian of the mean cross-entropy of a small float64 model, column by column:
{ model, shape, seed, classes } or { model, folder, indices } → { trace, matrix, eigenvalues }, the eigenvalues ascending.

The second form takes images of Fashion-MNIST and their labels."""

import torch
from _common import answer, argument, float64_samples
from torch.nn.attention import SDPBackend, sdpa_kernel

given = argument()
model = torch.jit.load(given["model"]).eval()
parameters = list(model.parameters())
x, labels = float64_samples(given)
with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
    loss = torch.nn.functional.cross_entropy(model(x), labels)
gradients = torch.autograd.grad(loss, parameters, create_graph=True)
flat = torch.cat([g.reshape(-1) for g in gradients])
rows = [torch.cat([h.reshape(-1) for h in torch.autograd.grad(entry, parameters, retain_graph=True)]) for entry in flat]
matrix = torch.stack(rows)
symmetric = (matrix + matrix.T) / 2
answer({"trace": matrix.trace().item(), "matrix": matrix.tolist(), "eigenvalues": torch.linalg.eigvalsh(symmetric).tolist()})
