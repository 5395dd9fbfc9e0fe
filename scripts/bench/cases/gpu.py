"""The references of gpu.mjs: PyTorch in eager mode on the same device, as one tunes it: bytes on the device, channels_last, fused
optimizers, images through pinned memory."""

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import hvp
import ops
import train
from torchvision_images import images, torchvision

BATCH = 256


def cases(prepared: dict) -> dict:
    device = prepared["device"]
    files = prepared["files"]
    made = {
        "train ResNet-18, float32": train.case(files["train ResNet-18, float32"], True, device),
        "train ResNet-18, bfloat16": train.case(files["train ResNet-18, bfloat16"], True, device, torch.bfloat16),
        "train LeNet": train.case(files["train LeNet"], True, device),
        **evaluations(prepared),
        "HVP of ResNet-20": hvp.cases(prepared)["both keep the graph"],
        "chain of 10 operators, 64×64": ops.cases(prepared)["chain of 10, 64×64"],
        **solving(device),
    }
    return {name: (run if device == "cpu" else synchronized(run), result) for name, (run, result) in made.items()}


def synchronized(run):
    def whole(n: int) -> None:
        run(n)
        torch.cuda.synchronize()

    return whole


def evaluations(prepared: dict) -> dict:
    device, count = prepared["device"], prepared["count"]
    model = torchvision.models.get_model("resnet50")
    model.load_state_dict(torch.jit.load(prepared["resnet50"]).state_dict())
    model = model.eval().to(device, memory_format=torch.channels_last)
    size = min(BATCH, count)
    pixels = torch.randn(size, 3, 224, 224, generator=torch.Generator().manual_seed(5))
    memory = [
        (pixels[: min(size, count - start)], torch.arange(start, min(start + size, count)) % 1000) for start in range(0, count, size)
    ]

    if device == "cpu":
        workers = torch.get_num_threads()
    else:  # as many as there are cores
        import os

        workers = len(os.sched_getaffinity(0))
    files = DataLoader(images(prepared), batch_size=size, num_workers=workers, pin_memory=device != "cpu")

    def case(batches, dtype: torch.dtype | None):
        def evaluate() -> torch.Tensor:
            kind = torch.device(device).type
            loss = torch.zeros([], dtype=torch.float64, device=device)
            right = torch.zeros([], dtype=torch.int64, device=device)
            with torch.inference_mode(), torch.autocast(kind, dtype or torch.bfloat16, enabled=dtype is not None):
                for inputs, labels in batches:
                    inputs = inputs.to(device, memory_format=torch.channels_last, non_blocking=True)
                    labels = labels.to(device, non_blocking=True)
                    logits = model(inputs).float()
                    loss += cross_entropy(logits, labels, reduction="sum")
                    right += (logits.topk(5).indices[:, 0] == labels).sum()
            right.item()
            return (loss / count).reshape(1).cpu()

        def run(n: int) -> None:
            for _ in range(n):
                evaluate()

        return run, evaluate

    return {
        "evaluate ResNet-50, float32": case(memory, None),
        "evaluate ResNet-50, bfloat16": case(memory, torch.bfloat16),
        "evaluate ResNet-50, JPEG files": case(files, None),
    }


def solving(device: str) -> dict:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(300, 2048, generator=generator).to(device)
    v = torch.randn(2048, 1000, generator=generator).to(device)
    host = torch.ones(64, 3, 224, 224)

    def solve() -> torch.Tensor:
        rows, weight = a.double(), v.double()
        return torch.linalg.pinv(rows) @ (rows @ weight)

    def shift(n: int) -> None:
        for _ in range(n):
            solve()

    def move(n: int) -> None:
        for _ in range(n):
            host.to(device, copy=True)

    return {
        "V* of 300 rows, 2,048 inputs": (shift, solve),
        "to the device, 38 MB": (move, lambda: host.to(device, copy=True).sum().reshape(1)),
    }
