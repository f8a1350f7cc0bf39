"""The standard normal distribution, exact far out in its lower tail."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normal_density(u: Tensor) -> Tensor:
    """Return the density of a standard normal, elementwise."""
    return torch.exp(-0.5 * u.square()) / math.sqrt(2.0 * math.pi)


def normal_share(u: Tensor) -> Tensor:
    """Return the probability that a standard normal lies below each u, to 12 digits down to u = -37.

    `torch.special.ndtr` is 0 from -8.3 on, so that whatever is divided by it is no number there.

    Example:
        >>> import torch
        >>> round(float(normal_share(torch.tensor(-20.0, dtype=torch.float64))) / 2.753624118606234e-89, 9)
        1.0
    """
    share: Tensor = 0.5 * torch.special.erfc(-u / math.sqrt(2.0))
    return share
