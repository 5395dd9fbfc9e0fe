"""Traces of small float64 classifiers by dense matrices, and single probes of the Gauss-Newton trace:
{ shape, seed, classes, cases: [{ model, last?, draws?: [{ indices, chunk, probes, seed }] }] }
→ [{ hessian, gaussNewton, enumerated, lastLayer, perProbe: [of each draws] }].

`hessian` is that of the mean cross-entropy by automatic differentiation twice, `gaussNewton` from the Jacobian of each
sample, `enumerated` ‖Jᵀ(diag √p − p√pᵀ)ε‖² averaged over all signs ε in place of draws; `lastLayer` is the part of
`hessian` of the parameters of the submodule `last`.
"""

import itertools

import torch
from _common import answer, argument, randn

torch.set_num_threads(1)  # the matrices are small
given = argument()
x = randn(given["shape"], given["seed"], torch.float64)
labels = torch.arange(len(x)) % given["classes"]


def flat_gradient(output, parameters, **options):
    gradients = torch.autograd.grad(output, parameters, allow_unused=True, **options)
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zip(gradients, parameters)])


def flat_gradients(outputs, parameters):
    """Of each output, in rows."""
    unit = torch.eye(len(outputs), dtype=outputs.dtype)
    options = {"retain_graph": True, "allow_unused": True, "is_grads_batched": True}
    gradients = torch.autograd.grad(outputs, parameters, unit, **options)
    zeros = torch.zeros(len(outputs), 1, dtype=outputs.dtype)
    return torch.cat(
        [zeros.expand(-1, p.numel()) if g is None else g.flatten(1) for g, p in zip(gradients, parameters)], 1
    )


def traces(model: str, last: str | None = None, draws: list = ()) -> dict:
    network = torch.jit.load(model).eval()
    parameters = list(network.parameters())
    loss = torch.nn.functional.cross_entropy(network(x), labels)
    gradient = flat_gradient(loss, parameters, create_graph=True)
    diagonal = flat_gradients(gradient, parameters).diagonal()
    owners = [name.rpartition(".")[0] for name, p in network.named_parameters() for _ in range(p.numel())]

    logits = network(x)
    p = logits.detach().softmax(1)
    patterns = torch.tensor(list(itertools.product((1, -1), repeat=p.shape[1])), dtype=p.dtype)
    gauss_newton = enumerated = 0.0
    for i in range(len(x)):
        jacobian = flat_gradients(logits[i], parameters)
        middle = torch.diag(p[i]) - torch.outer(p[i], p[i])
        gauss_newton += (jacobian.T @ middle @ jacobian).trace().item() / len(x)
        squares = (jacobian.T @ root(p[i]) @ patterns.T).square().sum(0)
        enumerated += squares.mean().item() / len(x)
    return {
        "hessian": diagonal.sum().item(),
        "gaussNewton": gauss_newton,
        "enumerated": enumerated,
        "lastLayer": diagonal[torch.tensor([owner == last for owner in owners])].sum().item(),
        "perProbe": [probes_of(network, parameters, p, **one) for one in draws],
    }


def probes_of(network, parameters, p, indices: list, chunk: int, probes: int, seed: int) -> list:
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (len(indices), probes, p.shape[1]), generator=generator, dtype=p.dtype) * 2 - 1
    values = []
    for probe in range(probes):
        total = 0.0
        for start in range(0, len(indices), chunk):
            part = indices[start : start + chunk]
            vectors = [root(p[index]) @ signs[start + i, probe] for i, index in enumerate(part)]
            output = (network(x[part]) * torch.stack(vectors)).sum()
            total += flat_gradient(output, parameters).square().sum().item()
        values.append(total / len(indices))
    return values


def root(p):
    return torch.diag(p.sqrt()) - torch.outer(p, p.sqrt())


with torch.jit.optimized_execution(False):
    answer([traces(**case) for case in given["cases"]])
