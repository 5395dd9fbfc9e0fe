"""ResNet-20 for images of 32 pixels as scripts/export/export_cifar.py writes it, without its record.

`resnet20.py FILE` writes it as TorchScript, with the same random weights as `build()` gives.
"""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "export"))
import cifar_networks
from torchscript_export import write_atomically


def build(seed: int = 0) -> nn.Module:
    return cifar_networks.build("resnet20", 10, seed)


if __name__ == "__main__":
    import io

    archive = io.BytesIO()
    torch.jit.save(torch.jit.script(build()), archive)
    write_atomically(sys.argv[1], archive.getvalue())
