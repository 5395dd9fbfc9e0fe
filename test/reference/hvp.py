"""Hessian-vector products by PyTorch's autograd: { model, shape, seed, classes, vectorSeed, architecture?, dtype? } →
{ loss, norm, gradientNorm, products, norms }.

With `architecture` the model is torchvision's, in eager Python, with the weights of the TorchScript file. The
vector is drawn for each parameter in turn from one generator; `products` holds the first five entries of each
product, `norms` their norms.
"""

import torch
from _common import answer, argument, randn

given = argument()
model = torch.jit.load(given["model"])
if "architecture" in given:
    from torchscript_export import import_torchvision

    state = model.state_dict()
    model = import_torchvision().models.get_model(given["architecture"], num_classes=given["classes"])
    model.load_state_dict(state)
model = model.eval().to(getattr(torch, given["dtype"])) if "dtype" in given else model.eval()
parameters = [p for p in model.parameters() if p.requires_grad]
dtype = parameters[0].dtype
x = randn(given["shape"], given["seed"], dtype)
labels = torch.arange(given["shape"][0]) % given["classes"]
generator = torch.Generator().manual_seed(given["vectorSeed"])
vector = [torch.randn(p.shape, generator=generator, dtype=dtype) for p in parameters]
with torch.jit.optimized_execution(False):
    loss = torch.nn.functional.cross_entropy(model(x), labels)
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    products = torch.autograd.grad(gradients, parameters, vector)
answer({
    "loss": loss.item(),
    "norm": sum((p.double() ** 2).sum().item() for p in products) ** 0.5,
    "gradientNorm": sum((g.double() ** 2).sum().item() for g in gradients) ** 0.5,
    "products": [p.flatten()[:5].tolist() for p in products],
    "norms": [p.double().norm().item() for p in products],
})
