"""The dense matrices of a thumbnail network (test/fixtures/networks.py) on images of Fashion-MNIST, and the block of some parameters:
{ model, activation, folder, indices, parameters, probes, seed } → for each matrix { all, block, trace }, the eigenvalues descending, and for
the traces of single images { perImage: { LAYER: […] } }. `parameters` is how names begin. `rest` are quadratic forms of H - G with the probes
of `hutchinsonTrace`."""

import torch
from _common import answer, argument, fashion_mnist
from torch.func import functional_call, hessian, jacrev, vmap

given = argument()
script = torch.jit.load(given["model"]).eval()
names, values = zip(*script.named_parameters())
images, labels = fashion_mnist(given["folder"], "train", given["indices"])
pooled = torch.nn.functional.avg_pool2d(images.double(), 7).flatten(1)
network = torch.nn.Sequential(torch.nn.Linear(16, 10), getattr(torch.nn, given["activation"])(), torch.nn.Linear(10, 10)).double()
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
gradients = vmap(lambda x, y: jacrev(loss)(flat, x, y))(pooled, labels)
gauss_newton = jacobians.mT @ covariances @ jacobians
of_images = {
    "hessian": vmap(lambda x, y: hessian(loss)(flat, x, y))(pooled, labels),
    "ggn": gauss_newton,
    "fisher": gauss_newton,
    "empirical-fisher": gradients[:, :, None] * gradients[:, None, :],
}
layers = {
    layer: torch.cat([torch.full((value.numel(),), name.startswith(layer)) for name, value in zip(names, values)])
    for layer in ("first", "fc")
}


def eigenvalues(matrix):
    return torch.linalg.eigvalsh((matrix + matrix.T) / 2).flip(0).tolist()


def described(matrices):
    matrix = matrices.mean(0)
    diagonals = matrices.diagonal(dim1=1, dim2=2)
    return {
        "all": eigenvalues(matrix),
        "block": eigenvalues(matrix[belongs][:, belongs]),
        "trace": matrix.trace().item(),
        "perImage": {layer: diagonals[:, which].sum(1).tolist() for layer, which in layers.items()},
    }


rest = (of_images["hessian"] - gauss_newton).mean(0)
generator = torch.Generator().manual_seed(given.get("seed", 0))
forms = []
for _ in range(given.get("probes", 0)):
    probe = torch.randint(0, 2, (len(flat),), generator=generator, dtype=torch.float64) * 2 - 1
    forms.append((probe @ rest @ probe).item())
answer({**{name: described(matrices) for name, matrices in of_images.items()}, "rest": forms})
