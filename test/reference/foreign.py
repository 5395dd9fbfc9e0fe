"""Values of tch-rs's and mlverse's modules for which their descriptions have none: { folder, … } → { … }.

strings: what foo5 makes of them; generate: what foo8 makes
of the dict; linear: [shape, seed] of the inputs of mlverse_linear.
"""

import torch
from _common import answer, argument, randn

given = argument()


def load(name: str) -> torch.jit.ScriptModule:
    return torch.jit.load(f"{given['folder']}/{name}.pt")


document = {}
if "strings" in given:
    document["strings"] = load("foo5")(given["strings"])
if "generate" in given:
    table = {key: torch.tensor(values) for key, values in given["generate"].items()}
    document["generated"] = [tensor.tolist() for tensor in load("foo8").generate(table)]
if "linear" in given:
    with torch.no_grad():
        document["linear"] = load("mlverse_linear")(randn(*given["linear"])).flatten().tolist()
answer(document)
