"""The references' images: torchvision's transforms for its classifiers, as its users write them."""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, Subset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "export"))
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


def images(prepared: dict, resize: int = 256) -> Subset:
    """Spread evenly over the folder, as `limit` of evaluate does."""
    dataset = torchvision.datasets.ImageFolder(prepared["images"], preprocessing(resize))
    order = Path(prepared["images"]).parent / "classes.txt"
    if order.exists():  # there are more classes than folders
        places = {name: place for place, name in enumerate(order.read_text().splitlines())}
        dataset.target_transform = lambda folder: places[dataset.classes[folder]]
    count = prepared["count"]
    return Subset(dataset, [i * len(dataset) // count for i in range(count)])


def loader(dataset: Dataset) -> DataLoader:
    """As many workers as cores."""
    return DataLoader(dataset, batch_size=BATCH_SIZE, num_workers=torch.get_num_threads())
