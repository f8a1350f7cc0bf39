"""Which readings of a long run go on counting.

Each reading of a posterior costs time and memory in proportion to all before it, though neighbouring readings of one
curve say nearly the same. From some number on a curve is known by its last readings and by those whose epochs grow by a
factor.
"""

from __future__ import annotations

import torch
from torch import Tensor

_WAYS = ((8, 1.5), (4, 2.0), (2, 2.0), (1, 4.0))  # last readings of each curve that stay, and that factor


def thinned(configs: Tensor, columns: Tensor, *, most: int) -> Tensor:
    """Return which readings stay: as many as may, or as few as can.

    Args:
        configs: Configuration of each reading, ``(n,)``.
        columns: Its epoch, counted from 0, ``(n,)``.
        most: How many may.

    Returns:
        A mask of shape ``(n,)``.

    Example:
        >>> import torch
        >>> configs, columns = torch.zeros(40, dtype=torch.long), torch.arange(40)
        >>> (torch.nonzero(thinned(configs, columns, most=20))[:, 0] + 1).tolist()
        [1, 2, 3, 5, 8, 12, 18, 27, 33, 34, 35, 36, 37, 38, 39, 40]
        >>> (torch.nonzero(thinned(configs, columns, most=10))[:, 0] + 1).tolist()
        [1, 2, 4, 8, 16, 32, 37, 38, 39, 40]
    """
    stays = torch.ones_like(configs, dtype=torch.bool)
    for last, factor in _WAYS:
        if int(stays.sum()) <= most:
            break
        stays = _thinned(configs, columns, last, factor)
    return stays


def _thinned(configs: Tensor, columns: Tensor, last: int, factor: float) -> Tensor:
    stays = torch.zeros_like(configs, dtype=torch.bool)
    for config in sorted(set(configs.tolist())):
        own = torch.nonzero(configs == config)[:, 0]
        own = own[columns[own].argsort()]
        stays[own[-last:]] = True
        least = 0.0
        for reading, epoch in zip(own.tolist(), (columns[own] + 1).tolist(), strict=True):
            if epoch >= least:
                stays[reading], least = True, factor * epoch
    return stays
