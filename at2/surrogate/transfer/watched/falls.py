"""Trainings of the target that have lost what they had learnt.

A curve counts by its best reading, and what comes after a training diverged is none. Told as the best so far, it would
say that curves stay where they are, of other configurations as well. A training is taken to be lost where a reading
lies far below the first one of its curve, or no higher than that after the curve had risen: what it has reached by then
is all that it is worth, and what comes after it is not told, unless it surpasses that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_FAR = 6.0  # scales below the first reading of its curve, where no training goes that is sound
_RISEN = 1.0  # scales by which a curve had risen before it came back to where it began


@dataclass(frozen=True)
class Falls:
    """Which configurations of the target are lost, by the readings so far.

    Args:
        first: First reading of each curve in latent units, ``(n_config,)``; NaN before it.
        lost: Which of them are lost, ``(n_config,)``.

    Example:
        >>> falls = Falls.none(2, like=torch.zeros(1))
        >>> for reading, best in ((0.0, -math.inf), (2.0, 0.0), (-0.1, 2.0)):
        ...     falls = falls.observe(0, reading, best=best, scale=1.0)
        >>> falls.lost.tolist(), falls.observe(0, 2.1, best=2.0, scale=1.0).lost.tolist()
        ([True, False], [False, False])
    """

    first: Tensor
    lost: Tensor

    @classmethod
    def none(cls, n_config: int, *, like: Tensor) -> Falls:
        """Return what is known before the first reading of n configurations; type and device are those of a tensor."""
        return cls(like.new_full((n_config,), math.nan), torch.zeros(n_config, dtype=torch.bool, device=like.device))

    def observe(self, config: int, latent: float, *, best: float, scale: float) -> Falls:
        """Take one reading into account.

        Args:
            config: Which configuration it is of.
            latent: The reading, in latent units.
            best: The best one of its curve before it; minus infinity where there is none.
            scale: Scale of the target, in latent units.
        """
        first, at = float(self.first[config]), torch.tensor([config], device=self.first.device)
        if math.isnan(first):
            return replace(self, first=self.first.index_fill(0, at, latent))
        is_far = latent < first - _FAR * scale
        is_back = latent <= first and best - first > _RISEN * scale
        lost = is_far or is_back or (bool(self.lost[config]) and latent <= best)
        return self if lost == bool(self.lost[config]) else replace(self, lost=self.lost.index_fill(0, at, lost))
