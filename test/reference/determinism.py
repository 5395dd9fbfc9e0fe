"""Switches and what they do: {} → { defaults, precision, errors, warnOnly, filled }."""

import torch
from _common import answer

backends = torch.backends
defaults = {
    "cuda.matmul.allowTF32": backends.cuda.matmul.allow_tf32,
    "cudnn.enabled": backends.cudnn.enabled,
    "cudnn.allowTF32": backends.cudnn.allow_tf32,
    "cudnn.benchmark": backends.cudnn.benchmark,
    "cudnn.deterministic": backends.cudnn.deterministic,
    "mkldnn.enabled": backends.mkldnn.enabled,
    "mkldnn.deterministic": backends.mkldnn.deterministic,
}
precision = torch.get_float32_matmul_precision()
torch.set_float32_matmul_precision("high")
follows = backends.cuda.matmul.allow_tf32
torch.set_float32_matmul_precision("highest")
follows = [follows, backends.cuda.matmul.allow_tf32]

errors = {}
torch.use_deterministic_algorithms(True)
for name, body in {
    "put_": lambda: torch.zeros(3).put_(torch.tensor([0]), torch.ones(1)),
    "max_unpool2d": lambda: torch.ops.aten.max_unpool2d(torch.ones(1, 1, 1), torch.tensor([[[0]]]), (2, 2)),
    "index_add": lambda: torch.zeros(3).index_add(0, torch.tensor([0]), torch.ones(1)),
}.items():
    try:
        body()
    except RuntimeError as error:
        errors[name] = str(error)
filled = torch.empty(2).isnan().all().item()
answer({"defaults": defaults, "precision": precision, "follows": follows, "errors": errors, "filled": filled})
