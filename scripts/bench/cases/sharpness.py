"""The reference of sharpness.mjs: what Python's users would run, in eager mode."""

import sys
from pathlib import Path

import torch
from resnet20 import build
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def cases(prepared: dict) -> dict:
    sys.path.insert(0, prepared["packages"])
    from make_demo_assets import FashionResNet

    place = Path(prepared["place"])
    inputs = load_file(place / "inputs.safetensors")
    cifar = inputs["cifar.images"], inputs["cifar.labels"]
    fashion = inputs["fashion.images"], inputs["fashion.labels"]

    resnet = build()
    resnet.load_state_dict(torch.jit.load(place / "resnet20.pt").state_dict())
    resnet.eval()
    demo, shifted = FashionResNet(), FashionResNet()
    for network, file in ((demo, prepared["demo"]), (shifted, prepared["shifted"])):
        network.load_state_dict(torch.jit.load(file).state_dict())
        network.eval()

    generator = torch.Generator().manual_seed(0)  # each round takes other probes

    def kept(work):
        last = []

        def run(n: int) -> None:
            for _ in range(n):
                last[:] = work()

        return run, lambda: torch.tensor(last, dtype=torch.float64)

    return {
        "top 5 eigenvalues, PyHessian": kept(lambda: pyhessian_top(resnet, cifar, 5)),
        "top 100 eigenvalues, PyHessian": kept(lambda: pyhessian_top(resnet, cifar, 100)),
        "top 100 eigenvalues, scipy eigsh": kept(lambda: eigsh_top(resnet, cifar, 100, "LM", 1e-3)),
        "difference of two heads, paired Hutchinson": kept(lambda: paired_hutchinson(demo, shifted, fashion, 16, generator)),
        "trace, 48 products of Hutch++": kept(lambda: hutch_plus_plus(demo, fashion, 48)),
        "point of a landscape": kept(lambda: grid([resnet], cifar)),
        "point before and after": kept(lambda: grid([resnet, smaller_head(resnet)], cifar)),
        "top 5 in float64": kept(lambda: truth(resnet, cifar, 5)),
        "top 100 in float64": kept(lambda: truth(resnet, cifar, 100)),
    }


def pyhessian_top(network: nn.Module, data, count: int) -> list[float]:
    """The products are counted where PyHessian makes them."""
    import pyhessian
    from pyhessian import utils

    products = 0

    def counted(*args):
        nonlocal products
        products += 1
        return utils.hessian_vector_product(*args)

    module = sys.modules["pyhessian.hessian"]
    original, module.hessian_vector_product = module.hessian_vector_product, counted
    try:
        torch.manual_seed(0)
        found, _ = pyhessian.hessian(network, nn.CrossEntropyLoss(), data=data, cuda=False).eigenvalues(top_n=count)
    finally:
        module.hessian_vector_product = original
        network.zero_grad(set_to_none=True)
    return [products, *found]


class Products:
    """Products with the Hessian of the mean cross-entropy, whose first-order graph is kept."""

    def __init__(self, network: nn.Module, data) -> None:
        self.parameters = list(network.parameters())
        loss = cross_entropy(network(data[0]), data[1])
        self.gradients = torch.autograd.grad(loss, self.parameters, create_graph=True)
        self.sizes = [p.numel() for p in self.parameters]
        self.size = sum(self.sizes)
        self.count = 0

    def __call__(self, vector):
        self.count += 1
        flat = torch.as_tensor(vector, dtype=self.parameters[0].dtype).flatten()
        parts = [part.view_as(p) for part, p in zip(flat.split(self.sizes), self.parameters)]
        product = torch.autograd.grad(self.gradients, self.parameters, parts, retain_graph=True)
        return torch.cat([part.flatten() for part in product]).numpy()


def eigsh_top(network: nn.Module, data, count: int, which: str, tolerance: float) -> list[float]:
    import numpy
    from scipy.sparse.linalg import LinearOperator, eigsh

    product = Products(network, data)
    kind = numpy.float64 if product.parameters[0].dtype == torch.float64 else numpy.float32
    operator = LinearOperator((product.size, product.size), matvec=product, dtype=kind)
    start = numpy.random.default_rng(0).standard_normal(product.size).astype(kind)
    values = eigsh(operator, k=count, which=which, tol=tolerance, return_eigenvectors=False, v0=start)
    return [product.count, *sorted(values.tolist(), key=abs, reverse=True)]


def truth(network: nn.Module, data, count: int) -> list[float]:
    double = build()
    double.load_state_dict(network.state_dict())
    double.double().eval()
    return eigsh_top(double, (data[0].double(), data[1]), count, "LM", 1e-6)[1:]


def paired_hutchinson(first: nn.Module, second: nn.Module, data, probes: int, generator) -> list[float]:
    """The difference of the traces, and its variance, with the same vectors for both."""
    products = [Products(network, data) for network in (first, second)]
    values = []
    for _ in range(probes):
        signs = torch.randint(0, 2, (products[0].size,), generator=generator).float() * 2 - 1
        one, other = (torch.dot(signs, torch.from_numpy(product(signs))).item() for product in products)
        values.append(other - one)
    spread = torch.tensor(values, dtype=torch.float64)
    return [spread.mean().item(), spread.var().item() / probes]


def hutch_plus_plus(network: nn.Module, data, products: int) -> list[float]:
    from curvlinops import HessianLinearOperator, hutchpp_trace

    torch.manual_seed(0)
    parameters = list(network.parameters())
    operator = HessianLinearOperator(network, nn.CrossEntropyLoss(), parameters, [data], check_deterministic=False)
    return [hutchpp_trace(operator, products).item()]


def smaller_head(network: nn.Module) -> nn.Module:
    copy = build()
    copy.load_state_dict(network.state_dict())
    with torch.no_grad():
        copy.fc.weight.mul_(0.9)
    return copy.eval()


def grid(networks: list[nn.Module], data, points: int = 7) -> list[float]:
    """The losses as github.com/tomgoldstein/loss-landscape makes them: for each point new weights, then a loop over a loader."""
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(*data), batch_size=len(data[0]))
    start = [p.detach().clone() for p in networks[0].parameters()]
    generator = torch.Generator().manual_seed(0)
    first, second = directions(start, generator), directions(start, generator)
    axis = torch.linspace(-1, 1, points, dtype=torch.float64).tolist()
    losses = []
    for network in networks:
        own = [p.detach().clone() for p in network.parameters()]
        for y in axis:
            for x in axis:
                for p, w, d, e in zip(network.parameters(), own, first, second):
                    p.data = w + (d * x + e * y)
                losses.append(mean_loss(network, loader))
        for p, w in zip(network.parameters(), own):
            p.data = w
    return losses


def mean_loss(network: nn.Module, loader) -> float:
    network.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for images, labels in loader:
            total += cross_entropy(network(images), labels).item() * len(images)
            count += len(images)
    return total / count


def directions(start: list[torch.Tensor], generator: torch.Generator) -> list[torch.Tensor]:
    drawn = []
    for p in start:
        d = torch.randn(p.shape, generator=generator)
        if p.ndim < 2:
            d.zero_()
        else:
            for d_f, p_f in zip(d, p):
                d_f *= p_f.norm() / d_f.norm()
        drawn.append(d)
    return drawn
