"""The references of train.mjs: PyTorch's training loop in eager mode, with torchvision's transforms and a DataLoader as people run it
(stock); with the images on the device as bytes, augmented in batches, in channels_last, with the fused optimizer (tuned)."""

import sys
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "export"))
from cifar_networks import build
from torchscript_export import import_torchvision

torchvision = import_torchvision()
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
OPTIONS = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
ROWS = {
    "ResNet-20 stock": ("ResNet-20", "stock"),
    "ResNet-20 tuned": ("ResNet-20", "tuned"),
    "wide small stock": ("wide small", "stock"),
    "wide small tuned": ("wide small", "tuned"),
    "DenseNet-121 tuned": ("DenseNet-121", "tuned"),
    "LeNet small": ("LeNet", "tuned"),
}


def read(path: str):
    """Bytes [N, 3, 32, 32] and labels [N]."""
    records = numpy.fromfile(path, numpy.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype("int64")


class Cifar(Dataset):
    """As torchvision.datasets.CIFAR10 holds it: [N, 32, 32, 3], each image a PIL one before its transforms."""

    def __init__(self, path: str) -> None:
        images, self.labels = read(path)
        self.images = numpy.ascontiguousarray(images.transpose(0, 2, 3, 1))
        transforms = torchvision.transforms
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int):
        return self.transform(Image.fromarray(self.images[i])), int(self.labels[i])


class Resident:
    """All images as bytes in memory; a batch is augmented and scaled at once."""

    def __init__(self, path: str, batch_size: int, device: str = "cpu") -> None:
        images, labels = read(path)
        self.device = device
        self.images, self.labels = torch.from_numpy(images.copy()).to(device), torch.from_numpy(labels).to(device)
        self.batch_size = batch_size
        self.scale = (1 / (255 * torch.tensor(STD, device=device))).view(1, 3, 1, 1)
        self.offset = (torch.tensor(MEAN) / torch.tensor(STD)).view(1, 3, 1, 1).to(device)

    def __iter__(self):
        for places in torch.randperm(len(self.labels), device=self.device).split(self.batch_size):
            yield self.augmented(self.images[places]), self.labels[places]

    def augmented(self, images: torch.Tensor) -> torch.Tensor:
        n, device = len(images), self.device
        padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
        rows = torch.randint(0, 9, (n, 1), device=device) + torch.arange(32, device=device)
        columns = torch.randint(0, 9, (n, 1), device=device) + torch.arange(32, device=device)
        places = (rows[:, :, None] * 40 + columns[:, None, :]).view(n, 1, 1024).expand(n, 3, 1024)
        cut = padded.view(n, 3, 1600).gather(2, places).view(n, 3, 32, 32)
        flipped = (torch.rand(n, device=device) < 0.5).view(n, 1, 1, 1)
        cut = torch.where(flipped, cut.flip(3), cut)
        return cut.to(torch.float32, memory_format=torch.channels_last).mul_(self.scale).sub_(self.offset)


def cases(prepared: dict) -> dict:
    return {title: case(prepared["files"][name], kind == "tuned") for title, (name, kind) in ROWS.items()}


def case(files: dict, tuned: bool, device: str = "cpu", dtype: torch.dtype | None = None) -> tuple:
    mixed = torch.autocast(torch.device(device).type, dtype or torch.bfloat16, enabled=dtype is not None)
    network = build(files["network"], 10, 0)
    network.load_state_dict(torch.jit.load(files["model"]).state_dict())
    network.train().to(device)
    batch_size = files["batchSize"]
    if tuned:
        network = network.to(memory_format=torch.channels_last)
        data = Resident(files["data"], batch_size, device)
    else:
        workers = torch.get_num_threads()
        data = DataLoader(Cifar(files["data"]), batch_size=batch_size, shuffle=True, num_workers=workers)
    optimizer = torch.optim.SGD(network.parameters(), **OPTIONS, fused=tuned)

    def run(n: int) -> None:
        for _ in range(n):
            loss_sum = 0.0
            for images, labels in data:
                optimizer.zero_grad()
                with mixed:
                    loss = torch.nn.functional.cross_entropy(network(images), labels)
                loss.backward()
                optimizer.step()
                loss_sum += loss.detach()

    def result() -> torch.Tensor:
        fresh = build(files["network"], 10, 0).train().to(device)
        fresh.load_state_dict(torch.jit.load(files["model"]).state_dict())
        images, labels = read(files["data"])
        first = (torch.from_numpy(images[:batch_size].copy()).float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(
            STD
        ).view(3, 1, 1)
        with torch.no_grad(), mixed:
            logits = fresh(first.to(device)).float()
        return torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels[:batch_size]).to(device)).view(1)

    return run, result
