#!/usr/bin/env python3
"""Writes a torchvision classifier as TorchScript that `sos` loads, with the preprocessing for which it was made.

    export_torchvision.py resnet50 --weights resnet50-0676ba61.pth --out resnet50.pt
    export_torchvision.py resnet50 --weights resnet50-11ad3fa6.pth --recipe IMAGENET1K_V2 --out resnet50-v2.pt
    export_torchvision.py resnet18 --weights checkpoint.pth.tar --key state_dict --out resnet18.pt
    export_torchvision.py resnet18 --classes 10 --seed 7 --out untrained.pt
    export_torchvision.py resnet18 --calibrate photographs/ --out untrained.pt

Nothing is downloaded: without --weights the network starts from random weights. Size, crop, interpolation,
mean and deviation of the inputs come from torchvision's metadata of its published weights.

A checkpoint of a training script holds the state dict under a key. If the file has only one state dict, it is found
without --key. Prefixes that DataParallel (`module.`), torch.compile (`_orig_mod.`) and trainers (`model.`) put before
all names are removed, and so is the counter `n_averaged` of PyTorch's AveragedModel. If a trainer keeps other tensors
beside those of the network, such as `criterion.weight`, --prefix model. takes only the names that begin with `model.`.

Deep inside an untrained network, all images look nearly alike. --calibrate takes the statistics of the batch norms from
some images (their cumulative average in training mode), so that the logits differ as those of a trained network do.

The network is saved in eval mode. googlenet and inception_v3 lose their auxiliary heads. As their published weights
require, they rescale their inputs from ImageNet's mean and deviation to 0.5 and 0.5.
"""

import argparse
import datetime
import difflib
import pathlib
import re
import sys
import warnings
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from torchscript_export import import_torchvision, make_record, save_with_record

warnings.filterwarnings("ignore", message="The TorchScript type system")  # a warning about inception_v3's source
models = import_torchvision().models
CALIBRATION = 12
REMEDY = "save one with torch.save(model.state_dict(), FILE)"
PREFIXES = ("module.", "_orig_mod.", "model.")  # in no network of torchvision do all names begin with one of these
# Classes of Python that training scripts store beside the weights. None of them can run a program.
BESIDE = [
    argparse.Namespace,
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    datetime.timezone,
    pathlib.PosixPath,
    pathlib.PurePosixPath,
]


def main() -> int:
    options = parse_options()
    try:
        recipe = find_recipe(options.name, options.recipe)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        torch.manual_seed(options.seed)
        weights = None if options.weights is None else load_weights(options.weights, options.key, options.prefix)
        network = build(options.name, options.classes, recipe, weights)
        if options.calibrate is not None:
            calibrate(network, recipe, options.calibrate)
        categories = recipe.meta["categories"] or ()  # the weights of VGG-16's features have none
        classes = categories if options.classes == len(categories) else None
        record = make_record(options.name, preprocess_of(recipe), classes)
        save_with_record(torch.jit.script(network), options.out, record)
    except (OSError, ValueError) as error:
        print(f"{options.out} was not written: {error}", file=sys.stderr)
        return 1
    if weights is None:
        print(f"{options.out} has RANDOM weights of seed {options.seed}: no --weights given", file=sys.stderr)
    return 0


def find_recipe(name: str, entry: str | None = None):
    """torchvision's metadata of one entry of published weights. Default: IMAGENET1K_V1."""
    names = models.list_models(module=models)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"expected one of {', '.join(names)}"
        raise LookupError(f"torchvision has no classifier {name!r}; {hint}")
    recipes = models.get_model_weights(name)
    if entry is None:
        return recipes.__members__.get("IMAGENET1K_V1", recipes.DEFAULT)
    if entry not in recipes.__members__:
        raise LookupError(f"{name} has no recipe {entry!r}; expected one of {', '.join(recipes.__members__)}")
    return recipes[entry]


def preprocess_of(recipe) -> dict:
    """The preprocessing of an entry of torchvision's weights, in the form of sos.json."""
    transform = recipe.transforms()
    (resize,), (crop,) = transform.resize_size, transform.crop_size
    return {
        "channels": 3,
        "resize": resize,
        "interpolation": transform.interpolation.value,
        "crop": crop,
        "mean": list(transform.mean),
        "std": list(transform.std),
    }


class LogitsOnly:
    """For the two networks that return a tuple when scripted, even without their auxiliary heads."""

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self._transform_input(x))[0]


class GoogLeNet(LogitsOnly, models.GoogLeNet):
    pass


class Inception3(LogitsOnly, models.Inception3):
    pass


def build(name: str, classes: int, recipe, weights: dict[str, Tensor] | None) -> nn.Module:
    """The network in eval mode, with `weights` or random ones. Raises ValueError if they do not fit."""
    if name in ("googlenet", "inception_v3"):
        cls = GoogLeNet if name == "googlenet" else Inception3
        network = cls(num_classes=classes, aux_logits=False, transform_input=True, init_weights=False)
    elif name.startswith("vit_"):  # the position embedding needs the size of the recipe's inputs
        network = models.get_model(name, num_classes=classes, image_size=recipe.meta["min_size"][0])
    else:
        network = models.get_model(name, num_classes=classes)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(explain_misfit(name, classes, network.state_dict(), weights)) from error
    return network.eval()


def calibrate(network: nn.Module, recipe, folder: Path) -> None:
    """Gives the batch norms the statistics of CALIBRATION images, spread over `folder`. Raises OSError or ValueError."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise ValueError(f"expected images below {folder} but there are none")
    chosen = [files[i * len(files) // CALIBRATION] for i in range(CALIBRATION)]
    transform = recipe.transforms()
    images = torch.stack([transform(Image.open(path).convert("RGB")) for path in chosen])
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a cumulative average
        norm.reset_running_stats()
    with torch.no_grad():
        network.train()(images)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def load_weights(path: Path, key: str | None, prefix: str | None = None) -> dict[str, Tensor]:
    """A state dict from a file, in the names of today's torchvision. Raises OSError or ValueError."""
    if path.name.endswith(".index.json"):
        raise ValueError(f"{path} is the index of a checkpoint in several files; merge their tensors into one state dict and {REMEDY}")
    try:
        with torch.serialization.safe_globals([*BESIDE, *of_numpy()]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # anything that the readers of the pickle, the zip file or the tensors raise
        named = re.search(r"GLOBAL (\S+)", str(error))
        other = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
        what = f"an object of {named[1]}" if named else other[1] if other else type(error).__name__
        raise ValueError(f"{path} is damaged or holds more than weights and data ({what}); {REMEDY}") from error
    weights = state_dict_in(path, loaded, key)
    weights.pop("n_averaged", None)  # of torch.optim.swa_utils.AveragedModel
    if prefix is not None:
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
        if not weights:
            raise ValueError(f"{path} has no tensor whose name begins with {prefix!r}")
    weights = without_prefix(weights)
    for key in list(weights):
        if key.startswith(("aux1.", "aux2.", "AuxLogits.")):
            del weights[key]
        elif dotted := re.fullmatch(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)", key):
            weights[dotted[1] + dotted[2]] = weights.pop(key)  # DenseNet's published name norm.1 is norm1 today
    return weights


def of_numpy() -> list:
    """The functions and classes with which NumPy's numbers and arrays are pickled; none if NumPy is not installed."""
    try:
        import numpy
        from numpy._core import multiarray
    except ImportError:
        return []
    kinds = {type(numpy.dtype(code)) for code in numpy.typecodes["All"]}
    return [numpy.dtype, numpy.ndarray, multiarray.scalar, multiarray._reconstruct, *kinds]


def state_dict_in(path: Path, loaded: object, key: str | None) -> dict[str, Tensor]:
    """The state dict in a file: the whole content, the value at `key`, or the only one in the file. Raises ValueError."""
    found = {"": loaded, **inner_dicts(loaded)}
    if key is not None:
        found = {name: value for name, value in found.items() if name == key}
        if not found:
            held = ", ".join(repr(name) for name in inner_dicts(loaded)) or "no dict"
            raise ValueError(f"{path} has no key {key!r}; it holds {held}")
    fitting = {name: value for name, value in found.items() if is_state_dict(value)}
    if "" in fitting:
        return dict(loaded)
    if len(fitting) > 1:
        raise ValueError(f"{path} holds several state dicts; pass --key with one of {', '.join(fitting)}")
    if not fitting:
        what = type(loaded).__name__ if key is None else f"{type(found[key]).__name__} under {key!r}"
        raise ValueError(f"expected a state dict in {path} but received {what}; {REMEDY}")
    (name, weights), = fitting.items()
    if key is None:
        print(f"the weights are those under {name!r} of {path}", file=sys.stderr)
    return dict(weights)


def inner_dicts(value: object, path: str = "", depth: int = 3) -> dict[str, dict]:
    """The dicts in a dict by their dotted paths, up to `depth` keys long."""
    found = {}
    for name, inner in value.items() if isinstance(value, dict) and depth > 0 else ():
        if isinstance(name, str) and isinstance(inner, dict):
            found[path + name] = inner
            found.update(inner_dicts(inner, f"{path}{name}.", depth - 1))
    return found


def is_state_dict(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())


def without_prefix(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights without the prefix that DataParallel, torch.compile or a trainer put before each name."""
    while prefix := next((one for one in PREFIXES if all(name.startswith(one) for name in weights)), None):
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def explain_misfit(name: str, classes: int, own: dict[str, Tensor], weights: dict[str, Tensor]) -> str:
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in own]
    resized = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    if resized and not missing and not unknown and all(own[key].shape[:1] == (classes,) for key in resized):
        given = len(weights[resized[0]])
        return f"the weights are for {given} classes, not {classes}; pass --classes {given}"
    found = {"missing": missing, "unknown": unknown, "of another shape": resized}
    differences = [f"{len(keys)} {what} ({keys[0]} …)" for what, keys in found.items() if keys]
    prefix = next((one for one in PREFIXES if missing and all(one + key in weights for key in missing)), None)
    hint = "" if prefix is None else f"; pass --prefix {prefix} to take only the names that begin with it"
    return f"the weights are not those of {name}: tensors {', '.join(differences)}{hint}"


def parse_options() -> argparse.Namespace:
    verbatim = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=verbatim)
    add = parser.add_argument
    add("name", metavar="NAME", help="a classifier of torchvision.models, such as resnet50")
    add("--weights", type=Path, metavar="FILE", help="a state dict in PyTorch's format, or a checkpoint that holds one; all names and shapes must match")
    add("--key", metavar="KEY", help="the key of the weights in the file, such as state_dict or model.state_dict (default: found "
        "if the file has only one state dict)")
    add("--prefix", metavar="PREFIX", help="take only the tensors whose names begin with this, such as model., and remove it")
    add("--classes", type=int, default=1000, metavar="N", help="number of outputs (default: %(default)s)")
    add("--recipe", metavar="ENTRY", help="published weights whose preprocessing to record, such as "
        "IMAGENET1K_V2 (default: IMAGENET1K_V1, or torchvision's default if there is no V1)")
    add("--seed", type=int, default=0, help="seed of the random weights (default: %(default)s)")
    add("--calibrate", type=Path, metavar="FOLDER", help="take the statistics of the batch norms from images in this folder")
    add("--out", type=Path, required=True, metavar="FILE", help="the TorchScript file to write")
    options = parser.parse_args()
    if options.key is not None and options.weights is None:
        parser.error("--key needs --weights")
    if options.prefix is not None and options.weights is None:
        parser.error("--prefix needs --weights")
    if options.calibrate is not None and options.weights is not None:
        parser.error("--calibrate is for random weights; the weights of --weights have their own statistics")
    if options.classes < 1:
        parser.error(f"expected a positive number for --classes but received {options.classes}")
    return options


if __name__ == "__main__":
    sys.exit(main())
