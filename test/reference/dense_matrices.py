"""The dense matrices of a thumbnail network (test/fixtures/networks.py) on images of Fashion-MNIST, and the block of some parameters:
{ model, folder, indices, parameters } → for each matrix { all, block, trace }, the eigenvalues descending. `parameters` is how names begin."""

import torch
from _common import answer, argument, fashion_mnist
from torch.func import functional_call, hessian, jacrev, vmap

given = argument()
script = torch.jit.load(given["model"]).eval()
names, values = zip(*script.named_parameters())
images, labels = fashion_mnist(given["folder"], "train", given["indices"])
pooled = torch.nn.functional.avg_pool2d(images.double(), 7).flatten(1)
network = torch.nn.Sequential(torch.nn.Linear(16, 10), torch.nn.ReLU(), torch.nn.Linear(10, 10)).double()
places = {"first.weight": "0.weight", "first.bias": "0.bias", "fc.weight": "2.weight", "fc.bias": "2.bias"}
flat = torch.cat([value.detach().reshape(-1) for value in values])
belongs = torch.cat([torch.full((value.numel(),), name.startswith(given["parameters"])) for name, value in zip(names, values)])


def logits(vector, x):
    parts = vector.split([value.numel() for value in values])
    weights = {places[name]: part.view(value.shape) for name, part, value in zip(names, parts, values)}
    return functional_call(network, weights, (x[None],))[0]


def loss(vector, x, y):
    return torch.nn.functional.cross_entropy(logits(vector, x)[None], y[None])


jacobians = vmap(lambda x: jacrev(logits)(flat, x))(pooled)
p = vmap(lambda x: torch.softmax(logits(flat, x), 0))(pooled)
covariances = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
gauss_newton = (jacobians.mT @ covariances @ jacobians).mean(0)
gradients = vmap(lambda x, y: jacrev(loss)(flat, x, y))(pooled, labels)
matrices = {
    "hessian": vmap(lambda x, y: hessian(loss)(flat, x, y))(pooled, labels).mean(0),
    "ggn": gauss_newton,
    "fisher": gauss_newton,
    "empirical-fisher": gradients.T @ gradients / len(labels),
}


def eigenvalues(matrix):
    return torch.linalg.eigvalsh((matrix + matrix.T) / 2).flip(0).tolist()


answer(
    {
        name: {"all": eigenvalues(matrix), "block": eigenvalues(matrix[belongs][:, belongs]), "trace": matrix.trace().item()}
        for name, matrix in matrices.items()
    }
)
