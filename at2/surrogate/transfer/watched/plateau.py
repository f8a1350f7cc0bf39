"""Whether the curves of a target stay where they begin though those of its sources had risen by then.

Curves that do not rise look like a sign that values are low, or all alike: what sources say of values is then given up,
the configurations that lead on them first. A task that learns nothing for longer than they did says no such thing. Each
reading is therefore weighed: as one of a curve that stays where it began, and leaves with some probability; and as what
is expected of it. No one reading says more than so much, and a curve that has left the plateau says nothing of it any
more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from at2.surrogate.transfer.fitted.ways import FLAT_VARIANCE

_LEAVES = 0.1  # probability that a curve leaves the plateau with its next epoch
_ENOUGH = math.log(5.0)  # log evidence, from which on a plateau is reckoned with: without one nothing is at stake
_MOST = 5.0  # log evidence that one reading adds at most
_SPREADS = (1.0, 30.0)  # variances of a reading on the plateau, in units of that of a flat one


@dataclass(frozen=True)
class Plateau:
    """How much speaks for a plateau, by the readings of the target so far.

    Args:
        longest: For how many epochs a plateau may last; 0 where none is looked for.
        first: Where the curve of each configuration that was read began, in latent units.
        evidence: Log of how much likelier readings are with a plateau than as they are expected.
        left: Configurations whose curves have left it.

    Example:
        >>> plateau = Plateau(longest=3)
        >>> for config, epoch, latent in ((0, 0, 0.1), (0, 1, 0.1), (1, 0, 0.0)):
        ...     plateau = plateau.observe(config, epoch, latent, expected=(2.0, 0.1), scale=1.0)
        >>> plateau.is_seen, plateau.observe(1, 1, 2.0, expected=(2.0, 0.1), scale=1.0).left
        (True, frozenset({1}))
    """

    longest: int
    first: Mapping[int, float] = field(default_factory=dict)
    evidence: float = 0.0
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
        if config not in self.first:
            return replace(self, first={**self.first, config: latent})
        likely = _log_density(latent - expected[0], expected[1])
        leaves = math.log(_LEAVES) + likely
        stays = math.log(1.0 - _LEAVES) + _log_density_if_flat(latent - self.first[config], scale)
        evidence = self.evidence + min(_log_sum(stays, leaves) - likely, _MOST)
        left = self.left | {config} if stays < leaves else self.left
        return replace(self, evidence=evidence, left=left)


def _log_density_if_flat(moved: float, scale: float) -> float:
    """Log density of a reading by how far it lies from the first one of its curve, where that stays as it began."""
    variance = 2.0 * FLAT_VARIANCE * scale**2  # of a difference
    return _log_sum(*(_log_density(moved, spread * variance) for spread in _SPREADS)) - math.log(len(_SPREADS))


def _log_density(distance: float, variance: float) -> float:
    return -0.5 * (math.log(2.0 * math.pi * variance) + distance**2 / variance)


def _log_sum(a: float, b: float) -> float:
    """Log of the sum of two numbers whose logs these are."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
