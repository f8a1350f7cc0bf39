"""ResNet34 and ResNet50 with torchvision's parameter names, so that its published checkpoints load.

References:
    He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385. As in torchvision, the
    bottleneck block strides in its 3 x 3 convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def _convolution(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, size, stride=stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut.

    Args:
        n_in: Channels that come in.
        width: Channels of the convolutions and of the output.
        stride: Step of the first convolution, and of the shortcut.
    """

    expansion = 1

    def __init__(self, n_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(n_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(n_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, height, width) to (n, width, height / stride, width / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return out


class Bottleneck(nn.Module):
    """A 1 x 1, a 3 x 3 and a widening 1 x 1 convolution beside a shortcut; arguments as in `BasicBlock`."""

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        n_out = width * self.expansion
        self.conv1, self.bn1 = _convolution(n_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, n_out, 1), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(n_in, n_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, height, width) to (n, 4 * width, height / stride, width / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return out


def _shortcut(n_in: int, n_out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and n_in == n_out:
        return None
    return nn.Sequential(_convolution(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))


class ResNet(nn.Module):
    """A residual network of four stages.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: Blocks in each stage.
        channels: Channels of the images.
        n_classes: Outputs.
        small_images: Use a stem for images of some 32 pixels, one 3 x 3 convolution that keeps their size, in place of
            the published one, a 7 x 7 convolution of stride 2 and a pooling of stride 2.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        channels: int = 3,
        n_classes: int = 1000,
        small_images: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, 64, 3) if small_images else _convolution(channels, 64, 7, 2)
        self.bn1, self.relu = nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, 64, 64, depths[0], stride=1)
        self.layer2 = _stage(block, 64 * block.expansion, 128, depths[1], stride=2)
        self.layer3 = _stage(block, 128 * block.expansion, 256, depths[2], stride=2)
        self.layer4 = _stage(block, 256 * block.expansion, 512, depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, channels, height, width) to logits (n, n_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _stage(
    block: type[BasicBlock] | type[Bottleneck], n_in: int, width: int, depth: int, *, stride: int
) -> nn.Sequential:
    rest = (block(width * block.expansion, width) for _ in range(depth - 1))
    return nn.Sequential(block(n_in, width, stride), *rest)


def resnet34(*, channels: int = 3, n_classes: int = 1000, small_images: bool = False) -> ResNet:
    """Return ResNet34: 21,797,672 parameters for 1,000 classes of colour images; see `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), channels=channels, n_classes=n_classes, small_images=small_images)


def resnet50(*, channels: int = 3, n_classes: int = 1000, small_images: bool = False) -> ResNet:
    """Return ResNet50: 25,557,032 parameters for 1,000 classes of colour images; see `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), channels=channels, n_classes=n_classes, small_images=small_images)
