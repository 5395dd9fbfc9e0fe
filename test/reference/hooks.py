"""What an eager model's own hook sees: { model, architecture, path, shape, seed } → { calls, input, output, logits }.

The weights come from the TorchScript file; the model is torchvision's, in Python, hooked by register_forward_hook.
"""

import torch
from _common import answer, argument, randn
from torchscript_export import import_torchvision

given = argument()
torchvision = import_torchvision()
scripted = torch.jit.load(given["model"])
model = torchvision.models.get_model(given["architecture"], num_classes=10)
model.load_state_dict(scripted.state_dict())
model.eval()
seen = []
model.get_submodule(given["path"]).register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].clone(), output.clone())))
with torch.no_grad():
    logits = model(randn(given["shape"], given["seed"]))
answer({
    "calls": len(seen),
    "input": seen[0][0].flatten().tolist(),
    "output": seen[0][1].flatten().tolist(),
    "logits": logits.flatten().tolist(),
})
