"""The reference of study.mjs: each network by itself through the validation images, as torchvision's reference script does."""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from torchscript_export import import_torchvision

torchvision = import_torchvision()


def cases(prepared: dict) -> dict:
    transforms = torchvision.transforms
    transform = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    losses = []

    def evaluate(path: str) -> float:
        model = torchvision.models.resnet18()
        model.load_state_dict(torch.jit.load(path).state_dict())
        model.eval()
        dataset = torchvision.datasets.ImageFolder(prepared["val"], transform)
        loader = DataLoader(dataset, batch_size=64, num_workers=torch.get_num_threads())
        total, correct = 0.0, 0
        with torch.inference_mode():
            for images, labels in loader:
                logits = model(images)
                total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
                correct += (logits.argmax(1) == labels).sum().item()
        return total / len(dataset)

    def run(n: int) -> None:
        for _ in range(n):
            losses[:] = [evaluate(path) for path in prepared["networks"]]

    return {"ResNet-18, 3 batch sizes × 5 draws": (run, lambda: torch.tensor(losses, dtype=torch.float64))}
