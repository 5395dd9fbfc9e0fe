"""Dtypes and values under CPU autocast: { dtype, model, shape, seed } → { dtypes: { operator: dtype }, model, gradient }."""

import torch
from _common import answer, argument, randn

given = argument()
dtype = getattr(torch, given["dtype"])


def name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


a, b = randn([4, 4], 1), randn([4, 4], 2)
image, kernel = randn([1, 2, 5, 5], 3), randn([3, 2, 3, 3], 4)
with torch.autocast("cpu", dtype=dtype):
    dtypes = {
        "matmul": name(torch.matmul(a, b)),
        "linear": name(torch.nn.functional.linear(a, b)),
        "conv2d": name(torch.conv2d(image, kernel)),
        "softmax": name(torch.softmax(a, 1)),
        "cross_entropy_loss": name(torch.nn.functional.cross_entropy(torch.matmul(a, b), torch.tensor([0, 1, 2, 3]))),
        "add": name(torch.matmul(a, b) + a),
    }
    product = torch.matmul(a, b)
    with torch.autocast("cpu", enabled=False):
        dtypes["disabled"] = name(torch.matmul(a, b))

model = torch.jit.load(given["model"]).eval()
x = randn(given["shape"], given["seed"])
outputs = []
for _ in range(3):
    with torch.autocast("cpu", dtype=dtype):
        output = model(x)
    outputs.append({"dtype": name(output), "values": output.float().flatten().tolist()})
weight = next(parameter for parameter in model.parameters())
(gradient,) = torch.autograd.grad(output.float().square().sum(), weight)
answer({
    "dtypes": dtypes,
    "product": product.float().flatten().tolist(),
    "outputs": outputs,
    "gradient": {"dtype": name(gradient), "norm": gradient.norm().item()},
})
