"""Loads TorchScript in Python and runs it on seeded numbers: { model, shape, seed, dtype? } → { output, extra }."""

import torch
from _common import answer, argument, randn

given = argument()
extra = {"sos.json": ""}
model = torch.jit.load(given["model"], _extra_files=extra).eval()
x = randn(given["shape"], given["seed"], getattr(torch, given.get("dtype", "float32")))
with torch.no_grad():
    output = model(x)
graphs = [module._c._get_method("forward").graph for module in model.modules() if module._c._has_method("forward")]
answer({
    "output": output.flatten().tolist(),
    "extra": extra["sos.json"].decode() if isinstance(extra["sos.json"], bytes) else extra["sos.json"],
    "mentionsTap": any("sos::" in str(graph) for graph in [*graphs, model.inlined_graph]),
})
