"""Classifiers of images of 32 × 32 pixels in their CIFAR forms: [N, 3, 32, 32] to [N, classes], all ending in nn.Linear.

Each consists of plain modules that torch.jit.script takes, so that the file can be trained. ImageNet's stem, which
divides the side by four before the first block, is replaced by one 3×3 convolution of stride 1.

The initial weights of convolutions are normal with the deviation √(2 / fan-out) of He et al. 2015, as in torchvision's
ResNets and VGGs. Batch norms begin with 1 and 0, linear layers with PyTorch's uniform default.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchscript_export import import_torchvision


def build(name: str, classes: int, seed: int) -> nn.Module:
    """The network in eval mode, with random weights of `seed`. Raises KeyError for an unknown name."""
    torch.manual_seed(seed)
    network = NETWORKS[name](classes)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network.eval()


def convolution(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without a bias, since a batch norm comes before or after it."""
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def normed(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    return [convolution(inputs, outputs, side, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class VGG16(nn.Module):
    """Configuration D of Simonyan and Zisserman 2015 with batch norms, and one linear layer on the last 512 maps of one pixel."""

    STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, depth in self.STAGES:
            for _ in range(depth):
                layers += normed(inputs, outputs)
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


def torchvision_resnet(name: str, classes: int) -> nn.Module:
    """torchvision's ResNet with a 3×3 stem of stride 1, instead of 7×7 with stride 2 and pooling."""
    network = import_torchvision().models.get_model(name, num_classes=classes)
    network.conv1 = convolution(3, 64)
    network.maxpool = nn.Identity()
    return network


class ThinBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut without weights: option A, with every second pixel and maps of zeros."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = outputs // inputs
        self.padding = (outputs - inputs) // 2
        self.conv1 = convolution(inputs, outputs, stride=self.stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        if self.padding > 0:
            maps = maps[:, :, :: self.stride, :: self.stride]
            maps = F.pad(maps, [0, 0, 0, 0, self.padding, self.padding])
        return F.relu(maps + residual)


class ThinResNet(nn.Module):
    """He et al. 2016, section 4.2: 6n + 2 layers of 16, 32 and 64 maps, n = 3 for ResNet-20."""

    def __init__(self, classes: int, blocks: int = 3) -> None:
        super().__init__()
        self.conv1 = convolution(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[ThinBlock(16, 16) for _ in range(blocks)])
        self.layer2 = nn.Sequential(ThinBlock(16, 32), *[ThinBlock(32, 32) for _ in range(blocks - 1)])
        self.layer3 = nn.Sequential(ThinBlock(32, 64), *[ThinBlock(64, 64) for _ in range(blocks - 1)])
        self.fc = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return self.fc(maps.mean((2, 3)))


class DenseLayer(nn.Module):
    """Adds `growth` maps to its input, through a bottleneck of 4 · growth maps (DenseNet-B)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = convolution(inputs, 4 * growth, side=1)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = convolution(4 * growth, growth)

    def forward(self, maps: Tensor) -> Tensor:
        new = self.conv1(F.relu(self.norm1(maps)))
        new = self.conv2(F.relu(self.norm2(new)))
        return torch.cat((maps, new), 1)


class DenseNet(nn.Module):
    """DenseNet-BC of Huang et al. 2017, growth 32 and compression 0.5, from 64 maps; the layers of each block in `depths`."""

    def __init__(self, classes: int, depths: tuple[int, ...], growth: int = 32) -> None:
        super().__init__()
        maps = 2 * growth
        layers: list[nn.Module] = [convolution(3, maps)]
        for i, depth in enumerate(depths):
            if i > 0:
                layers += [nn.BatchNorm2d(maps), nn.ReLU(inplace=True), convolution(maps, maps // 2, side=1)]
                layers.append(nn.AvgPool2d(2))
                maps //= 2
            layers.append(nn.Sequential(*[DenseLayer(maps + j * growth, growth) for j in range(depth)]))
            maps += depth * growth
        layers += [nn.BatchNorm2d(maps), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(maps, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean((2, 3)))


class LeNet(nn.Module):
    """LeNet-5 of LeCun et al. 1998 for three channels, with ReLU and max-pooling; without batch norms."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(F.relu(self.conv1(images)), 2)
        maps = F.max_pool2d(F.relu(self.conv2(maps)), 2)
        units = F.relu(self.fc1(maps.flatten(1)))
        return self.fc3(F.relu(self.fc2(units)))


class WideSmall(nn.Module):
    """A network that a CPU trains in minutes. Its last layer has 512 inputs, so a smaller batch leaves some directions free.

    It is the backbone of DAWNBench's ResNet-9 (Page 2018) shrunk: convolutions that are pooled by their maximum, a 5×5 stem
    that halves the side, and the width from a 1×1 convolution, 8.8 million multiplications in all. Fastest in channels_last.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers = normed(3, 24, side=5, stride=2)
        for inputs, outputs in ((24, 48), (48, 96), (96, 192)):
            layers += [*normed(inputs, outputs), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, *normed(192, 512, side=1))
        self.fc = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).amax((2, 3)))


NETWORKS = {
    "densenet121": lambda classes: DenseNet(classes, (6, 12, 24, 16)),
    "densenet201": lambda classes: DenseNet(classes, (6, 12, 48, 32)),
    "lenet": LeNet,
    "resnet18": lambda classes: torchvision_resnet("resnet18", classes),
    "resnet20": ThinResNet,
    "resnet50": lambda classes: torchvision_resnet("resnet50", classes),
    "vgg16": VGG16,
    "wide_small": WideSmall,
}
