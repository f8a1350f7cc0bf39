"""Whether configurations of the target fail, as they do on its sources, or as nobody has seen there.

A training that failed is no evidence about how far others deviate. Its readings are left out, and what it has reached
is all that it is worth. If it learns after all, they are told after all. A training that has settled is as flat as one
that failed: readings that lie near to each other say no more than it says of a curve to have moved by so little, or by
so much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.surrogate.transfer.failures import STUCK_STEP, Failures
from at2.surrogate.transfer.posterior import Posterior

_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Watch:
    """Which configurations of the target have failed, by the readings so far.

    Args:
        start: What is believed before the first reading.
        failures: How configurations fail.
        first: Log odds that each configuration failed, by its first reading, ``(n_config,)``.
        since: What later readings add by how near they are to one another, ``(n_config,)``.
        most: What they may add at most, by how far the curve has moved since the first, ``(n_config,)``.
        told: Configuration, column and latent value of each reading so far; None where it is still out.
    """

    start: Posterior
    failures: Failures
    first: Tensor
    since: Tensor
    most: Tensor
    told: tuple[tuple[int, int, float | None], ...] = ()

    @classmethod
    def begin(cls, start: Posterior, failures: Failures) -> Watch:
        """Return the watch before the first reading."""
        odds = _log_odds(failures.probability)
        nothing = torch.zeros_like(odds)
        return cls(start.fork(), failures, odds, since=nothing, most=nothing)

    @property
    def odds(self) -> Tensor:
        """Log odds that each configuration failed, ``(n_config,)``."""
        return self.first + torch.minimum(self.since, self.most)

    @property
    def failed(self) -> Tensor:
        """Which configurations rather failed than not, ``(n_config,)``; of those never read none is said to have."""
        read = torch.zeros_like(self.odds, dtype=torch.bool)
        read[[config for config, _, latent in self.told if latent is not None]] = True
        failed = read & (self.odds > 0.0)
        return failed if float(failed.sum()) <= self.failures.most_of(read) else torch.zeros_like(failed)

    def observe(self, posterior: Posterior, config: int, column: int, latent: float) -> tuple[Watch, Posterior]:
        """Take one reading into account; return the watch and what is believed after it.

        Where a configuration turns out to have failed after some readings, or not to have, all is told once more.
        """
        after = self._weighed(posterior, config, column, latent)
        changed = after.failed != self.failed
        if not self._readings(config):
            changed[config] = False
        if bool(changed.any()):
            return after, after._tell_anew()
        if not bool(after.failed[config]):
            posterior.observe(config, column, latent)
        return after, posterior

    def fantasize(self, posterior: Posterior, config: int, column: int) -> Watch:
        """Take a reading into account that is still out."""
        posterior.fantasize(config, column)
        return replace(self, told=(*self.told, (config, column, None)))

    def _readings(self, config: int) -> list[tuple[int, float]]:
        """Columns and values of the readings of a configuration so far."""
        return [(column, latent) for c, column, latent in self.told if c == config and latent is not None]

    def _weighed(self, posterior: Posterior, config: int, column: int, latent: float) -> Watch:
        """The watch after one more reading, given what was believed before it."""
        evidence, before = self._evidence(posterior, config, column, latent), self._readings(config)
        told = (*self.told, (config, column, latent))
        if not before:
            return replace(self, first=_with(self.first, config, float(self.first[config]) + evidence), told=told)
        start, value = before[0]
        moved, of = (latent - value) / posterior.scale, self.failures
        less = of.share_that_moved_less(moved, start, column)
        far = of.share_of_stuck_that_moved_as_far(moved, start, column)
        since = _with(self.since, config, float(self.since[config]) + evidence)
        by_first = float(self.first[config] - _log_odds(of.probability[config]))
        most = math.log(far / less) if by_first >= of.least_evidence else 0.0
        return replace(self, since=since, most=_with(self.most, config, most), told=told)

    def _evidence(self, posterior: Posterior, config: int, column: int, latent: float) -> float:
        """Log density of a reading of a training that failed, less that of one that learns.

        A curve that failed goes on as it began; its first reading lies below what is expected as it does on sources.
        """
        mean, variance = posterior.expected(config, column)
        scale, of = posterior.scale, self.failures
        before = self._readings(config)
        if before:
            t, value = before[-1]
            stuck = value + scale * float(of.mean[column] - of.mean[t])
            spread = scale**2 * (float(of.step_variance[column]) + STUCK_STEP**2)
        else:
            stuck = mean - scale * float(posterior.hypotheses.prior.mean[config, column] - of.mean[column])
            spread = variance + scale**2 * float(of.variance[column])
        evidence = _log_density(latent - stuck, spread) - _log_density(latent - mean, variance)
        return evidence if latent < mean else min(evidence, 0.0)  # above what is expected of one that learns

    def _tell_anew(self) -> Posterior:
        posterior, failed = self.start.fork(), self.failed
        for config, column, latent in self.told:
            if latent is None:
                posterior.fantasize(config, column)
            elif not bool(failed[config]):
                posterior.observe(config, column, latent)
        return posterior


def _log_odds(probability: Tensor) -> Tensor:
    """Log odds of probabilities, finite ones, elementwise."""
    return torch.logit(probability.clamp(_LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY))


def _with(numbers: Tensor, row: int, number: float) -> Tensor:
    """A copy with one number replaced."""
    changed = numbers.clone()
    changed[row] = number
    return changed


def _log_density(distance: float, variance: float) -> float:
    """Log density of a Gaussian, up to a constant."""
    return -0.5 * (math.log(variance) + distance**2 / variance)
