"""What module-worker.mjs does, in Python: loads the file PATH, describes the module and runs it on ones of SHAPE (JSON)."""

import io
import json
import sys

import torch

path, from_bytes, shape = sys.argv[1], sys.argv[2] == "true", json.loads(sys.argv[3])
source = io.BytesIO(open(path, "rb").read()) if from_bytes else path
module = torch.jit.load(source).eval()


def attempt(action):
    try:
        action()
    except Exception as error:
        print(type(error).__name__, flush=True)


for _, submodule in module.named_modules():
    attempt(lambda: submodule.original_name)
for name in module._c._method_names():
    method = getattr(module, name)
    attempt(lambda: method.code)
    attempt(lambda: str(method.inlined_graph))
for tensor in module.state_dict().values():
    attempt(tensor.sum)
with torch.no_grad():
    attempt(lambda: module(torch.ones(shape)) if hasattr(module, "forward") else module.nested([(1, "one")]))
