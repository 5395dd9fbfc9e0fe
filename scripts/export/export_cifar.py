#!/usr/bin/env python3
"""Writes a classifier in its CIFAR form, untrained, as TorchScript that `sos` loads and trains.

    export_cifar.py resnet18 --classes 10 --out resnet18.pt
    export_cifar.py wide_small --classes 100 --seed 7

The weights are random and depend on --seed. The module is scripted, so that train() and eval() work. It carries its
preprocessing: images of 32 × 32 pixels are not resized, and are normalised with the mean and deviation of CIFAR-10's
training images, or of CIFAR-100's with 20 or 100 classes. The names of the classes come from the dataset.

{networks}
"""

import argparse
import difflib
import sys
from pathlib import Path

import torch

from cifar_networks import NETWORKS, build
from torchscript_export import make_record, save_with_record

# For all pixels of the 50,000 training images, scaled to [0, 1]. CIFAR-10's numbers are float64 sums over its official
# binary files; CIFAR-100's are those that are commonly published.
CIFAR10 = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
CIFAR100 = {"mean": [0.5071, 0.4865, 0.4409], "std": [0.2673, 0.2564, 0.2762]}


def main() -> int:
    options = parse_options()
    if options.name not in NETWORKS:
        near = difflib.get_close_matches(options.name, NETWORKS, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"expected one of {', '.join(NETWORKS)}"
        print(f"there is no network {options.name!r}; {hint}", file=sys.stderr)
        return 2
    out = options.out or Path(f"{options.name}.pt")
    network = build(options.name, options.classes, options.seed)
    record = make_record(options.name, preprocess_of(options.classes), classes=None)
    try:
        save_with_record(torch.jit.script(network), out, record)
    except OSError as error:
        print(f"{out} was not written: {error}", file=sys.stderr)
        return 1
    print(f"{out} has random weights of seed {options.seed}: train it before use", file=sys.stderr)
    return 0


def preprocess_of(classes: int) -> dict:
    """The preprocessing in the form of sos.json: images are neither resized nor cropped."""
    normalisation = CIFAR100 if classes in (20, 100) else CIFAR10  # 20 is the number of coarse classes
    return {"channels": 3, "resize": None, "interpolation": "bilinear", "crop": None, **normalisation}


def parse_options() -> argparse.Namespace:
    verbatim = argparse.RawDescriptionHelpFormatter
    description = __doc__.format(networks=f"Networks: {', '.join(NETWORKS)}.")
    parser = argparse.ArgumentParser(description=description, formatter_class=verbatim)
    add = parser.add_argument
    add("name", metavar="NAME", help="a network of the list above")
    add("--classes", type=int, required=True, metavar="N", help="number of outputs")
    add("--seed", type=int, default=0, help="seed of the random weights (default: %(default)s)")
    add("--out", type=Path, metavar="FILE", help="the TorchScript file to write (default: NAME.pt)")
    options = parser.parse_args()
    if options.classes < 1:
        parser.error(f"expected a positive number for --classes but received {options.classes}")
    return options


if __name__ == "__main__":
    sys.exit(main())
