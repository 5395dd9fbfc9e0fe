"""The reference of study.mjs: each network by itself through the validation images, as torchvision's reference script does."""

import torch

from torchvision_images import loader, preprocessing, torchvision


def cases(prepared: dict) -> dict:
    transform = preprocessing()
    losses = []

    def evaluate(path: str) -> float:
        model = torchvision.models.resnet18()
        model.load_state_dict(torch.jit.load(path).state_dict())
        model.eval()
        dataset = torchvision.datasets.ImageFolder(prepared["val"], transform)
        total, correct = 0.0, 0
        with torch.inference_mode():
            for images, labels in loader(dataset):
                logits = model(images)
                total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
                correct += (logits.argmax(1) == labels).sum().item()
        return total / len(dataset)

    def run(n: int) -> None:
        for _ in range(n):
            losses[:] = [evaluate(path) for path in prepared["networks"]]

    return {"ResNet-18, 3 batch sizes × 5 draws": (run, lambda: torch.tensor(losses, dtype=torch.float64))}
