"""Python's brackets: { cases: [{ shape, index: [spec, …] }, …] } → { cases: [{ read, written, filled, gradient } or { error }, …] }.

x counts up from 0. `read` is x[index]; `written` is x after x[index] = -1, -2, …; `filled` is x after x[index] = -9;
`gradient` is that of Σ x[index]·(1, 2, …). A spec is a number, null, true, false, "...", { slice }, { positions, shape } or
{ mask, shape }."""

import torch
from _common import answer, argument


def index_of(spec):
    if not isinstance(spec, dict):
        return Ellipsis if spec == "..." else spec
    if "slice" in spec:
        return slice(*spec["slice"])
    if "positions" in spec:
        return torch.tensor(spec["positions"], dtype=torch.int64).reshape(spec["shape"])
    return torch.tensor(spec["mask"], dtype=torch.bool).reshape(spec["shape"])


def document(tensor):
    return {"shape": list(tensor.shape), "values": tensor.flatten().tolist()}


def run(case):
    index = tuple(index_of(spec) for spec in case["index"])
    # One index alone takes other ways than one among several.
    index = index[0] if len(index) == 1 else index

    def fresh():
        return torch.arange(torch.Size(case["shape"]).numel(), dtype=torch.float32).reshape(case["shape"])

    try:
        read = fresh()[index]
        weights = torch.arange(1, read.numel() + 1, dtype=torch.float32).reshape(read.shape)
        written, filled, leaf = fresh(), fresh(), fresh().requires_grad_()
        written[index] = -weights
        filled[index] = -9
        (leaf[index] * weights).sum().backward()
    except (IndexError, ValueError) as error:
        return {"error": str(error)}
    return {
        "read": document(read),
        "written": document(written),
        "filled": document(filled),
        "gradient": document(leaf.grad),
    }


answer({"cases": [run(case) for case in argument()["cases"]]})
