"""Files of weights as Python writes and reads them.

{ write: FOLDER } writes files of both formats → { FILE: { NAME: { dtype, shape, bytes } } }, what Python reads from each
{ read: FILE[] }  → { tensors, shared }[], the same and the names that share memory
{ untrusted: FOLDER } writes base.pt, base.pth and base.safetensors, and pickles that call functions → their names
{ weights: FILE, shape, seed } → { output, names } of eager ResNet-18 with random weights, which go to FILE
"""

import argparse
import base64
import datetime
import functools
import io
import os
import pickle
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy
import torch
from _common import answer, argument, randn
from safetensors.torch import load_file, save_file
from torch import nn

FLOAT8 = [torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz]


def main() -> None:
    given = argument()
    if "write" in given:
        answer(write(given["write"]))
    elif "read" in given:
        files = [load(path) for path in given["read"]]
        answer([{"tensors": describe(tensors), "shared": shared(tensors)} for tensors in files])
    elif "untrusted" in given:
        answer(write_untrusted(given["untrusted"]))
    else:
        answer(save_resnet(given))


def load(path: str) -> dict[str, torch.Tensor]:
    return load_file(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True)


def describe(tensors: dict[str, torch.Tensor]) -> dict:
    return {name: describe_tensor(tensor) for name, tensor in tensors.items()}


def describe_tensor(tensor: torch.Tensor) -> dict:
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "bytes": base64.b64encode(flat.numpy().tobytes()).decode(),
    }


def shared(tensors: dict[str, torch.Tensor]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        groups.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    return sorted(sorted(names) for names in groups.values() if len(names) > 1)


def all_kinds() -> OrderedDict:
    base = randn([4, 6], 1)
    tensors = OrderedDict(
        float32=base,
        float64=randn([3], 2, torch.float64),
        float16=base.half(),
        bfloat16=base.bfloat16(),
        int64=torch.tensor([-(2**62), 5]),
        int32=torch.arange(5, dtype=torch.int32),
        int16=torch.arange(-5, 0, dtype=torch.int16),
        int8=torch.tensor([-128, 127], dtype=torch.int8),
        uint8=torch.arange(7, dtype=torch.uint8),
        bool=torch.tensor([[True, False, True]]),
        complex64=torch.complex(base, 2 * base),
        empty=torch.zeros(0),
        empty_matrix=torch.zeros(3, 0, 2),
        scalar=torch.tensor(2.5),
        transposed=randn([3, 5], 3).t(),
        fortran=torch.from_numpy(numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4))),
        channels_last=randn([2, 3, 4, 5], 4).contiguous(memory_format=torch.channels_last),
        **{"grüße.☃": torch.ones(1)},
    )
    for i, dtype in enumerate([torch.uint16, torch.uint32, torch.uint64]):
        tensors[str(dtype)] = torch.tensor([1, 2, 60000 + i]).to(dtype)
    for dtype in FLOAT8:
        tensors[str(dtype)] = base.to(dtype)
    return tensors


def only_torch() -> OrderedDict:
    """What safetensors does not hold, beside all kinds."""
    base = randn([4, 6], 5)
    tensors = all_kinds()
    tensors.update(
        parameter=nn.Parameter(randn([2, 2], 6)),
        tied=base,
        tied_again=base,
        view=base[1:3, ::2],
        row=base[2],
        expanded=torch.arange(3.0).expand(5, 3),
        complex128=torch.complex(base.double(), base.double()),
        conjugate=torch.complex(base, base).conj(),
        negated=torch.complex(base, base).conj().imag,
    )
    return tensors


def write(folder: str) -> dict:
    """FILE → its tensors; of a checkpoint those under `state_dict`, without their prefix."""
    files = {}

    def add(name, tensors):
        files[name] = describe(tensors)

    everything = only_torch()
    for protocol in [2, 3, 4, 5]:
        torch.save(everything, f"{folder}/zip{protocol}.pt", pickle_protocol=protocol)
        add(f"zip{protocol}.pt", everything)
        legacy = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": False}
        torch.save(everything, f"{folder}/legacy{protocol}.pth", **legacy)
        add(f"legacy{protocol}.pth", everything)
    kinds = {name: value.contiguous() for name, value in all_kinds().items()}
    save_file(kinds, f"{folder}/kinds.safetensors", {"note": "grüße"})
    add("kinds.safetensors", all_kinds())

    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    weights = network.state_dict()  # with the attribute _metadata
    torch.save(weights, f"{folder}/metadata.pt")
    add("metadata.pt", weights)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    for legacy in [False, True]:
        name = f"checkpoint{'-legacy' if legacy else ''}.pt"
        checkpoint = {
            "epoch": 3,
            "loss": numpy.float64(0.25),
            "milestones": Counter({30: 1}),
            "size": torch.Size([2, 3]),
            "device": torch.device("cpu"),
            "dtype": torch.float16,
            "huge": 2**80,
            "rest": [None, True, -1.5, "text", b"bytes", bytearray(b"array"), {1, 2}, 1j, (), (1, 2, 3, 4)],
            "optimizer": optimizer.state_dict(),
            "state_dict": OrderedDict(("module." + name, value) for name, value in weights.items()),
        }
        torch.save(checkpoint, f"{folder}/{name}", _use_new_zipfile_serialization=not legacy)
        add(name, weights)
    for legacy in [False, True]:
        name = f"training{'-legacy' if legacy else ''}.pt"
        checkpoint = {
            **script_state(network),
            "model": {"state_dict": weights, "epoch.last": dict(weights)},
            "averaged": {"decay": 0.99, "module": dict(weights)},
        }
        torch.save(checkpoint, f"{folder}/{name}", _use_new_zipfile_serialization=not legacy)
        add(name, weights)
        torch.save({"net": network, "epoch": 3}, f"{folder}/module{name}", _use_new_zipfile_serialization=not legacy)
        torch.save(network, f"{folder}/whole{name}", _use_new_zipfile_serialization=not legacy)
    program = torch.export.export(nn.Linear(3, 2), (torch.ones(1, 3),))
    torch.export.save(program, f"{folder}/program.pt2")
    write_big_endian(folder, add)
    write_legacy_view(folder, add)
    return files


class Settings(dict):
    """A class of a training script's own, with items and attributes."""

    __slots__ = ("path",)


class Mode(Enum):
    TRAIN = 1


def script_state(network: nn.Module) -> dict:
    """What training scripts keep beside the weights, of classes that only Python knows."""
    settings = Settings(lr=0.1, tensor=torch.ones(2))
    settings.path = Path("runs")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return {
        "args": argparse.Namespace(lr=0.1, out=Path("runs"), betas=(0.9, 0.99)),
        "log": defaultdict(list, loss=[1.0]),
        "recent": deque([1.0, 2.0], maxlen=5),
        "time": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        "array": numpy.arange(6.0).reshape(2, 3),
        "structure": numpy.zeros(2, [("a", "f4"), ("b", "i2")]),
        "scalars": [numpy.float16(1.5), numpy.float32(2), numpy.complex64(1j), numpy.str_("text"), numpy.bool_(True)],
        "day": numpy.datetime64("2026-01-02"),
        "random": numpy.random.RandomState(0),
        "generator": numpy.random.default_rng(0),
        "settings": settings,
        "mode": Mode.TRAIN,
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1),
        "partial": functools.partial(max, 1),
        "function": nn.functional.relu,
        "method": torch.ones(1).add,
        "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "sparse": torch.eye(2).to_sparse(),
        "fraction": Fraction(1, 3),
    }


def write_big_endian(folder: str, add) -> None:
    values = OrderedDict(
        float32=randn([3], 1),
        int16=torch.arange(3, dtype=torch.int16),
        complex64=torch.complex(*randn([2, 3], 2)),
    )
    archive = io.BytesIO()
    torch.save(values, archive)
    archive.seek(0)
    reader = torch._C.PyTorchFileReader(archive)
    path = f"{folder}/big-endian.pt"
    writer = torch._C.PyTorchFileWriter(path)
    widths = {"data/0": 4, "data/1": 2, "data/2": 4}
    for name in reader.get_all_records():
        record = reader.get_record(name)
        if name in widths:
            record = numpy.frombuffer(record, f"u{widths[name]}").byteswap().tobytes()
        if name == "byteorder":
            record = b"big"
        if name != "version" and not name.startswith(".data/"):
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    add("big-endian.pt", torch.load(path, weights_only=True))


def write_legacy_view(folder: str, add) -> None:
    """A tensor whose storage is a view of another: PyTorch before 0.4 wrote such files."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, torch.storage.TypedStorage):
                return ("storage", torch.FloatStorage, "root", "cpu", 6, ("view", 2, 3))

    path = f"{folder}/legacy-view.pth"
    with open(path, "wb") as file:
        for head in [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}]:
            pickle.dump(head, file, protocol=2)
        Pickler(file, protocol=2).dump({"tail": torch.zeros(3)[1:]})
        pickle.dump(["root"], file, protocol=2)
        file.write(struct.pack("<q6f", 6, *range(6)))
    add("legacy-view.pth", torch.load(path, weights_only=True))


class Calls:
    def __init__(self, function, *args) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def write_untrusted(folder: str) -> list[str]:
    base = OrderedDict(weight=randn([3, 2], 1), bias=randn([3], 2).half(), count=torch.tensor(4))
    torch.save(base, f"{folder}/base.pt")
    torch.save(base, f"{folder}/base.pth", _use_new_zipfile_serialization=False)
    save_file(base, f"{folder}/base.safetensors")
    names = []
    trap = f"touch {folder}/trapped"
    for name, bomb in {
        "system": Calls(os.system, trap),
        "eval": Calls(eval, f"__import__('os').system({trap!r})"),
        "exec": Calls(exec, f"__import__('os').system({trap!r})"),
        "getattr": Calls(getattr, "text", "upper"),
        "import": Calls(__import__, "os"),
        "module": nn.Linear(2, 2),
        "function": torch.load,
        "numpy-array": numpy.zeros(3),
    }.items():
        for ending, modern in [("pt", True), ("pth", False)]:
            checkpoint = {"weight": torch.zeros(1), "x": bomb}
            names.append(f"{name}.{ending}")
            torch.save(checkpoint, f"{folder}/{name}.{ending}", _use_new_zipfile_serialization=modern)
    return names


def save_resnet(given: dict) -> dict:
    from torchscript_export import import_torchvision

    torchvision = import_torchvision()
    torch.manual_seed(7)
    model = torchvision.models.resnet18(num_classes=10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            module.num_batches_tracked.fill_(12)
    torch.save(model.state_dict(), given["weights"])
    with torch.no_grad():
        output = model.eval()(randn(given["shape"], given["seed"]))
    return {"output": output.flatten().tolist(), "names": list(model.state_dict())}


if __name__ == "__main__":
    main()
