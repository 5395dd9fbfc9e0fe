#!/usr/bin/env python3
"""Makes the data and the network of the demo.

Writes into `assets/`:

    fashion-mnist/      the first 10,000 training and 2,000 test images of Fashion-MNIST, in its own format
    fashion-resnet.pt   a small residual network trained on exactly those 10,000 images, as TorchScript

Both are reproducible: the data byte for byte, the network for a given seed, number of threads and CPU. The test
images are used once, after the last epoch, to decide whether the network is good enough to be written. The
schedule was chosen with other training images.
"""

import argparse
import gzip
import io
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent / "export"))
from torchscript_export import make_record, save_with_record, write_atomically

TRAIN_IMAGES, TEST_IMAGES = 10_000, 2_000
TRAIN_ACCURACY, TEST_ACCURACY = 0.99, 0.90
MEAN, STD = 0.2860, 0.3530  # of the 60,000 training images scaled to [0, 1]
BATCH, PEAK_RATE, MOMENTUM, WEIGHT_DECAY, MARGIN = 128, 0.1, 0.9, 5e-4, 2
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
           "Ankle boot"]
PREPROCESS = {
    "channels": 1,
    "resize": None,
    "interpolation": "bilinear",
    "crop": None,
    "mean": [MEAN],
    "std": [STD],
}


def main() -> int:
    options = parse_options()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    try:
        train_set, test_set = write_data(options.source, options.out / "fashion-mnist")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        print(f"cannot make the data: {error}", file=sys.stderr)
        print("install Debian's package dataset-fashion-mnist or give --source DIR", file=sys.stderr)
        return 1

    start = time.perf_counter()
    network = FashionResNet().to(memory_format=torch.channels_last)
    train(network, *train_set, epochs=options.epochs)
    network.eval().to(memory_format=torch.contiguous_format)

    train_accuracy, test_accuracy = accuracy(network, *train_set), accuracy(network, *test_set)
    print(
        f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters, train accuracy "
        f"{train_accuracy:.2%}, test accuracy {test_accuracy:.2%}, {time.perf_counter() - start:.0f} s"
    )
    if train_accuracy < TRAIN_ACCURACY or test_accuracy < TEST_ACCURACY:
        wanted = f"the demo needs {TRAIN_ACCURACY:.0%} and {TEST_ACCURACY:.0%}"
        print(f"not written: {wanted}; train with more --epochs or another --seed", file=sys.stderr)
        return 1
    path = options.out / "fashion-resnet.pt"
    save_with_record(torch.jit.script(network), path, make_record("fashion-resnet", PREPROCESS, CLASSES))
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
    return 0


class FashionResNet(nn.Module):
    """torchvision's ResNet layout with one block per stage: [N, 1, 28, 28] to [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = Block(32, 32)
        self.layer2 = Block(32, 64)
        self.layer3 = Block(64, 128)
        self.layer4 = Block(128, 256)
        self.fc = nn.Linear(256, len(CLASSES))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return self.fc(maps.mean((2, 3)))


class Block(nn.Module):
    """Two 3×3 convolutions beside a 1×1 shortcut, halving the side of the maps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, maps: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(residual + self.downsample(maps))


def train(network: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> None:
    """SGD with Nesterov momentum under a one-cycle schedule, on flipped and shifted images."""
    batches = -(-len(images) // BATCH)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=PEAK_RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, epochs=epochs, steps_per_epoch=batches, pct_start=0.2, cycle_momentum=False
    )
    network.train()
    for epoch in range(1, epochs + 1):
        start, total, hits = time.perf_counter(), 0.0, 0
        for batch in torch.randperm(len(images)).split(BATCH):
            inputs = normalize(augment(images[batch])).contiguous(memory_format=torch.channels_last)
            outputs = network(inputs)
            loss = F.cross_entropy(outputs, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
            hits += (outputs.argmax(1) == labels[batch]).sum().item()
        print(
            f"epoch {epoch}/{epochs}: loss {total / len(images):.4f}, accuracy on augmented images "
            f"{hits / len(images):.2%}, {time.perf_counter() - start:.1f} s",
            flush=True,
        )


def augment(pixels: Tensor) -> Tensor:
    """Flips every other image on average and crops each from a black margin around it."""
    count = len(pixels)
    flipped = torch.where(torch.rand(count, 1, 1, 1) < 0.5, pixels.flip(3), pixels)
    crops = F.pad(flipped, (MARGIN,) * 4).unfold(2, 28, 1).unfold(3, 28, 1)
    rows, columns = torch.randint(2 * MARGIN + 1, (2, count))
    return crops[torch.arange(count), :, rows, columns]


def normalize(pixels: Tensor) -> Tensor:
    return (pixels - MEAN) / STD


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    outputs = torch.cat([network(normalize(batch)) for batch in images.split(500)])
    return (outputs.argmax(1) == labels).double().mean().item()


def write_data(source: Path, folder: Path) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Writes the slices of both sets, names and licence, and returns (images in [0, 1], labels) of each."""
    slices = []
    for name, count in (("train", TRAIN_IMAGES), ("t10k", TEST_IMAGES)):
        images = read_idx(source / f"{name}-images-idx3-ubyte.gz", count, 28, 28)
        labels = read_idx(source / f"{name}-labels-idx1-ubyte.gz", count)
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", labels)
        pixels = images[:, None] / np.float32(255)
        slices.append((torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64))))
    write_atomically(folder / "classes.txt", "".join(f"{name}\n" for name in CLASSES).encode())
    write_atomically(folder / "README.md", README.encode())
    write_atomically(folder / "LICENSE", LICENSE.encode())
    return slices[0], slices[1]


def read_idx(path: Path, *shape: int) -> np.ndarray:
    """The first items, as `shape` wants them, of an idx file.

    It holds two zero bytes, the type (8: unsigned byte), how many sizes, the big-endian sizes and the items.
    """
    content = gzip.decompress(path.read_bytes())
    sizes = tuple(map(int, np.frombuffer(content, ">u4", len(shape), offset=4)))
    if content[:4] != bytes((0, 0, 8, len(shape))) or sizes[0] < shape[0] or sizes[1:] != shape[1:]:
        raise ValueError(f"expected an idx file of at least {shape} bytes in {path}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(sizes)[: shape[0]]


def write_idx(path: Path, items: np.ndarray) -> None:
    content = bytes((0, 0, 8, items.ndim)) + np.array(items.shape, ">u4").tobytes() + items.tobytes()
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as file:  # without name and time, so that the bytes are always the same
        file.write(content)
    write_atomically(path, packed.getvalue())


def parse_options() -> argparse.Namespace:
    root = Path(__file__).resolve().parent.parent
    verbatim = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=verbatim)
    add = parser.add_argument
    add("--source", type=Path, metavar="DIR", default=Path("/usr/share/datasets/fashion-mnist"),
        help="Fashion-MNIST's four files, where Debian's dataset-fashion-mnist installs them (%(default)s)")
    add("--out", type=Path, metavar="DIR", default=root / "assets", help="default: the project's assets/")
    add("--epochs", type=int, default=80, help="passes over the training images (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of weights, order and augmentation (default: %(default)s)")
    add("--threads", type=int, default=2, help="number of threads; it changes how sums are rounded (default: %(default)s)")
    return parser.parse_args()


README = f"""# Fashion-MNIST, a slice

Grey images of 28 × 28 pixels of clothes in ten classes (`classes.txt`, in the order of the labels), by
Zalando Research: Han Xiao, Kashif Rasul, Roland Vollgraf, *Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms*, 2017, [arXiv:1708.07747](https://arxiv.org/abs/1708.07747),
<https://github.com/zalandoresearch/fashion-mnist>. The licence is in `LICENSE`.

| files | slice |
|---|---|
| `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz` | the first {TRAIN_IMAGES:,} of 60,000 for training |
| `t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz` | the first {TEST_IMAGES:,} of 10,000 for testing |

Pixels and labels are unchanged. `scripts/make_demo_assets.py` cut the slices from Debian's package
`dataset-fashion-mnist` and trained `../fashion-resnet.pt` on the training slice.
"""

LICENSE = """The MIT License (MIT)

Copyright © 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""

if __name__ == "__main__":
    sys.exit(main())
