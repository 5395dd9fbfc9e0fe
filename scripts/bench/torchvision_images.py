"""The references' images: torchvision's transforms for its classifiers, as its users write them."""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from torchscript_export import import_torchvision

torchvision = import_torchvision()
BATCH_SIZE = 64


def preprocessing(resize: int = 256):
    transforms = torchvision.transforms
    return transforms.Compose(
        [
            transforms.Resize(resize),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


def loader(dataset: Dataset) -> DataLoader:
    """As many workers as cores."""
    return DataLoader(dataset, batch_size=BATCH_SIZE, num_workers=torch.get_num_threads())
