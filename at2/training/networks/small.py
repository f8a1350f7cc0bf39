"""Small networks on patches: the published ones with cyclical learning rates, and two for the embedded table."""

from __future__ import annotations

import math

from torch import Tensor, nn

from at2.errors import ShapeError


def patchify(filter_size: int, n_filter: int, n_hidden: int, *, channels: int, size: int, n_classes: int) -> nn.Module:
    """Return a network of one convolution on patches, a hidden layer and a softmax (which the loss applies).

    He initialization: weights are normal with variance 2 / fan_in, biases 0.

    Args:
        filter_size: Size and stride f of the convolution, in pixels.
        n_filter: Filters nf of the convolution.
        n_hidden: Hidden units nh.
        channels: Channels of the images.
        size: Height and width of the images, a multiple of `filter_size`.
        n_classes: Outputs.

    Raises:
        ShapeError: If the images cannot be cut into whole patches.

    References:
        He, Zhang, Ren, Sun, Delving Deep into Rectifiers, 2015, arXiv:1502.01852.
    """
    n_patch = _grid(filter_size, size) ** 2
    network = nn.Sequential(
        nn.Conv2d(channels, n_filter, filter_size, stride=filter_size),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(n_patch * n_filter, n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, n_classes),
    )
    return initialize(network)


class PatchResidual(nn.Module):
    """A convolution on a 4 x 4 grid of patches, a hidden layer and a residual one, both with batch normalization.

    Args:
        n_filter: Filters of the convolution.
        n_hidden: Hidden units of each layer.
        channels: Channels of the images.
        size: Height and width of the images, a multiple of 4.
        n_classes: Outputs.

    Raises:
        ShapeError: If `size` is no multiple of 4.
    """

    def __init__(self, n_filter: int, n_hidden: int, *, channels: int, size: int, n_classes: int) -> None:
        super().__init__()
        _grid(4, size)
        self.conv = nn.Conv2d(channels, n_filter, size // 4, stride=size // 4)
        self.fc1, self.bn1 = nn.Linear(16 * n_filter, n_hidden, bias=False), nn.BatchNorm1d(n_hidden)
        self.fc2, self.bn2 = nn.Linear(n_hidden, n_hidden, bias=False), nn.BatchNorm1d(n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, channels, size, size) to logits (n, n_classes)."""
        x = self.bn1(self.fc1(self.conv(x).relu().flatten(1))).relu()
        logits: Tensor = self.fc3(x + self.bn2(self.fc2(x)).relu())
        return logits


def initialize(network: nn.Module) -> nn.Module:
    """Set every convolution and linear layer of a network by He's rule and return the network."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = math.prod(module.weight.shape[1:])
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def _grid(filter_size: int, size: int) -> int:
    """Return how many patches lie side by side."""
    n, rest = divmod(size, filter_size)
    if n < 1 or rest:
        raise ShapeError(
            f"images of {size} x {size} pixels cannot be cut into patches of {filter_size} x {filter_size}; "
            f"resize them to a multiple of {filter_size}, or choose another network"
        )
    return n
