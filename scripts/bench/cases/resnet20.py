"""ResNet-20 for images of 32 pixels (He et al. 2016, section 4.2), with their shortcuts of option A; 269,722 parameters.

`resnet20.py FILE` writes it as TorchScript, with the same random weights as `build()` gives.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from torchscript_export import write_atomically


def build(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return ResNet20().eval()


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.padding > 0:  # option A: every second pixel, and channels of zeros
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], [0, 0, 0, 0, self.padding, self.padding])
        return functional.relu(x + y)


class ResNet20(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


if __name__ == "__main__":
    import io

    archive = io.BytesIO()
    torch.jit.save(torch.jit.script(build()), archive)
    write_atomically(sys.argv[1], archive.getvalue())
