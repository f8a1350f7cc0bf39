"""Whether the curves of a target stay on a plateau from which those of its sources had risen by then.

First readings that are all alike look like a sign that values are: what sources say of values is then given up, the
configurations that lead on them first. A task that learns nothing for longer than they did says no such thing. Each
reading is therefore weighed: as one of a curve that is on the plateau still, that is about as high as the others there,
and leaves it with some probability; and as what is expected of it. First readings of curves only say where the plateau
lies: in many tables they are about alike on every task. No one reading says more than so much, and a curve that has
left the plateau says nothing of it any more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from at2.surrogate.transfer.ways import PLATEAU_VARIANCES

_LEAVES = 0.1  # probability that a curve leaves the plateau with its next epoch
_ENOUGH = math.log(30.0)  # log evidence, from which on a plateau is reckoned with
_MOST = 5.0  # log evidence that one reading adds at most


@dataclass(frozen=True)
class Plateau:
    """How much speaks for a plateau, by the readings of the target so far.

    Args:
        longest: For how many epochs a plateau may last; 0 where none is looked for.
        n: Readings that lie on it.
        level: Their mean, in latent units.
        evidence: Log of how much likelier readings are with a plateau than as they are expected.
        begun: Configurations that were read.
        left: Those whose curves have left it.

    Example:
        >>> plateau = Plateau(longest=3)
        >>> for config, epoch, latent in ((0, 0, 0.1), (0, 1, 0.1), (1, 1, 0.0)):
        ...     plateau = plateau.observe(config, epoch, latent, expected=(2.0, 0.1), scale=1.0)
        >>> plateau.is_seen, plateau.n, plateau.observe(1, 2, 2.0, expected=(2.0, 0.1), scale=1.0).left
        (True, 3, frozenset({1}))
    """

    longest: int
    n: int = 0
    level: float = 0.0
    evidence: float = 0.0
    begun: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset()

    @property
    def is_seen(self) -> bool:
        """Whether a plateau is to be reckoned with."""
        return self.evidence > _ENOUGH

    def looks_at(self, config: int, epoch: int) -> bool:
        """Whether a reading may tell."""
        return epoch < self.longest and config not in self.left

    def observe(
        self, config: int, epoch: int, latent: float, *, expected: tuple[float, float], scale: float
    ) -> Plateau:
        """Take one reading into account.

        Args:
            config: Which configuration it is of.
            epoch: Index of its epoch.
            latent: The best of its curve so far, in latent units.
            expected: Mean and variance of what was expected.
            scale: Scale of the sources, in latent units.
        """
        if not self.looks_at(config, epoch):
            return self
        if config not in self.begun:
            return replace(self, **self._level_with(latent), begun=self.begun | {config})
        likely = _log_density(latent - expected[0], expected[1])
        stays, leaves = math.log(1.0 - _LEAVES) + self._log_density(latent, scale), math.log(_LEAVES) + likely
        evidence = self.evidence + min(_log_sum(stays, leaves) - likely, _MOST)
        if stays < leaves:
            return replace(self, evidence=evidence, left=self.left | {config})
        return replace(self, **self._level_with(latent), evidence=evidence)

    def _log_density(self, latent: float, scale: float) -> float:
        """Log density of one more reading on the plateau, whose readings differ by one of two variances."""
        spread = scale**2 * (1.0 + 1.0 / self.n)
        return _log_sum(*(_log_density(latent - self.level, size * spread) for size in PLATEAU_VARIANCES)) - math.log(
            2.0
        )

    def _level_with(self, latent: float) -> dict[str, Any]:
        return {"n": self.n + 1, "level": self.level + (latent - self.level) / (self.n + 1)}


def _log_density(distance: float, variance: float) -> float:
    return -0.5 * (math.log(2.0 * math.pi * variance) + distance**2 / variance)


def _log_sum(a: float, b: float) -> float:
    """Log of the sum of two numbers whose logs these are."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
