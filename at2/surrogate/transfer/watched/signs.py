"""What speaks for it that a training of the target failed, by its readings and by those of the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from scipy.special import betaln, logsumexp
from torch import Tensor

from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.failures import STUCK_STEP, Failures

_LEAST_PROBABILITY = 1e-6
_FLATNESS = (1.0, 0.3, 0.1)  # steps of a training that failed, in units of `STUCK_STEP`
_AS_MANY = 2.0  # trainings, as which the probability to fail counts that is expected before the first reading


@dataclass(frozen=True)
class Signs:
    """Log odds that each configuration failed.

    Args:
        failures: How configurations fail.
        first: Log odds by the first reading, ``(n_config,)``.
        alone: The same by what was expected of it before any reading, ``(n_config,)``.
        since: What later readings add by how near they are to one another, ``(n_config,)``.
        most: What they may add at most, by how far the curve has moved since the first, ``(n_config,)``.
        readings: Columns and latent values of each configuration that was read.
    """

    failures: Failures
    first: Tensor
    alone: Tensor
    since: Tensor
    most: Tensor
    readings: Mapping[int, tuple[tuple[int, float], ...]] = field(default_factory=dict)

    @classmethod
    def none(cls, failures: Failures) -> Signs:
        """Return those before the first reading."""
        odds = _log_odds(failures.probability)
        return cls(failures, odds, odds, since=torch.zeros_like(odds), most=torch.zeros_like(odds))

    @property
    def read(self) -> Tensor:
        """Which configurations were read, ``(n_config,)``."""
        read = torch.zeros_like(self.first, dtype=torch.bool)
        read[list(self.readings)] = True
        return read

    @property
    def odds(self) -> Tensor:
        """Log odds that each configuration failed, ``(n_config,)``, by its own readings."""
        return self.first + torch.minimum(self.since, self.most)

    @property
    def failed_by_their_own(self) -> frozenset[int]:
        """Those that rather failed than not by what was expected when they were read.

        None where nobody has seen failures: what is expected is no measure of them before the others are heard.
        """
        return _those(self.read & (self.odds > 0.0)) if self.failures.are_known else frozenset()

    @property
    def suspected(self) -> frozenset[int]:
        """Those whose readings in all, or those after the first, look rather like a failure's."""
        later = torch.minimum(self.since, self.most)
        in_all = torch.maximum(self.first, self.alone) - _log_odds(self.failures.probability) + later
        return _those(self.read & ((in_all > 0.0) | (later > 0.0) | (self.odds > 0.0)))

    @property
    def failed_one_by_one(self) -> frozenset[int]:
        """Those that rather failed than not, where each one that did makes it likelier of the next."""
        return _settled(self._failed_beside, frozenset())

    def failed_together(self, suspected: frozenset[int]) -> frozenset[int]:
        """Return those of the suspects that rather failed than not if the others of them did."""
        return _settled(lambda others: suspected & self._failed_beside(others), suspected)

    def _failed_beside(self, others: frozenset[int]) -> frozenset[int]:
        """Those that rather failed than not if others did."""
        return _those(self.read & (self.odds + self._likelier(others) > 0.0))

    def _likelier(self, failed: frozenset[int]) -> Tensor:
        """What it adds to the log odds of each configuration that others failed, ``(n_config,)``, not negative."""
        has_failed = torch.zeros_like(self.first)
        has_failed[list(failed)] = 1.0
        usual, read = self.failures.probability.mean(), self.read.to(self.first)
        share = (_AS_MANY * usual + has_failed.sum() - has_failed) / (_AS_MANY + read.sum() - read)
        return (_log_odds(share) - _log_odds(usual)).clamp_min(0.0)

    def after(self, start: Posterior, posterior: Posterior, config: int, column: int, latent: float) -> Signs:
        """Return those after one more reading, given what was believed before any, and before it."""
        before = self.readings.get(config, ())
        readings = {**self.readings, config: (*before, (column, latent))}
        if not before:
            first, alone = (
                self._first_odds(by, config, column, latent, by.expected(config, column)) for by in (posterior, start)
            )
            told = _with(self.first, config, first), _with(self.alone, config, alone)
            return replace(self, first=told[0], alone=told[1], readings=readings)
        began, value = before[0]
        moved, of = (latent - value) / posterior.scale, self.failures
        less = of.share_that_moved_less(moved, began, column)
        far = of.share_of_stuck_that_moved_as_far(moved, began, column)
        since = _with(self.since, config, float(self.since[config]) + self._going_on(posterior, config, column, latent))
        most = _with(self.most, config, math.log(far / less))
        return replace(self, since=since, most=most, readings=readings)

    def judged_anew(self, posterior: Posterior, suspected: frozenset[int]) -> Signs:
        """Return those by which first readings of suspects are weighed by what all others let expect.

        Args:
            posterior: What is believed by the readings of all but the suspects.
            suspected: Their configurations.
        """
        first = self.first.clone()
        for config, learns in self._beginnings(posterior, suspected).items():
            first[config] = self._first_odds(posterior, config, *self.readings[config][0], learns)
        return replace(self, first=first)

    def _beginnings(self, posterior: Posterior, configs: frozenset[int]) -> dict[int, tuple[float, float]]:
        """Mean and variance of the first reading of each of some configurations, as of one that learns."""
        if not (rows := sorted(configs)):
            return {}
        return dict(zip(rows, posterior.expected_of(rows, [self.readings[row][0][0] for row in rows]), strict=True))

    def _first_odds(
        self, posterior: Posterior, config: int, column: int, latent: float, learns: tuple[float, float]
    ) -> float:
        """Log odds by a first reading."""
        evidence = _evidence(latent, self._begins_stuck(posterior, config, column, learns), learns)
        return float(_log_odds(self.failures.probability[config])) + self._or_as_one_that_learns(evidence, 0.0)

    def _going_on(self, posterior: Posterior, config: int, column: int, latent: float) -> float:
        """Log density of a later reading of a training that failed, less that of one that learns."""
        stuck = self._goes_on_stuck(posterior.scale, self.readings[config][-1], column)
        return _evidence(latent, stuck, posterior.expected(config, column))

    def _begins_stuck(
        self, posterior: Posterior, config: int, column: int, learns: tuple[float, float]
    ) -> tuple[float, float]:
        """Mean and variance of a first reading of a failure: below what is expected as it is on sources."""
        of, scale, prior = self.failures, posterior.scale, posterior.hypotheses.prior
        mean, variance = learns
        stuck = mean - scale * float(prior.mean[config, column] - of.mean[column])
        return stuck, variance + scale**2 * float(of.variance[column])

    def _or_as_one_that_learns(self, stuck: float, learns: float) -> float:
        """Log density of a first reading of a failure, by that of one far below the others and of one that learns.

        Where nobody has seen failures they may begin as the others do as well: at chance, say.
        """
        return stuck if self.failures.are_known else float(np.logaddexp(stuck, learns)) - math.log(2.0)

    def _goes_on_stuck(
        self, scale: float, last: tuple[int, float], column: int, *, step: float = STUCK_STEP
    ) -> tuple[float, float]:
        """Mean and variance of a later reading of a training that failed: it goes on as it began."""
        of, (before, latent) = self.failures, last
        stuck = latent + scale * float(of.mean[column] - of.mean[before])
        return stuck, scale**2 * (float(of.step_variance[column]) + step**2)

    def log_evidence(self, posterior: Posterior, failed: frozenset[int]) -> float:
        """Return the log density of the readings of some configurations if just these failed.

        With it goes how likely it is that so many did, relative to that none did.

        Args:
            posterior: What is believed by the readings of all others.
            failed: The configurations.
        """
        total = _log_probability_of(len(failed), len(self.readings), float(self.failures.probability.mean()))
        for config, learns in self._beginnings(posterior, failed).items():
            readings = self.readings[config]
            column, latent = readings[0]
            below = _log_density(latent, *self._begins_stuck(posterior, config, column, learns))
            total += self._or_as_one_that_learns(below, _log_density(latent, *learns))
            total += self._log_density_going_on(posterior.scale, readings)
        return total

    def _log_density_going_on(self, scale: float, readings: tuple[tuple[int, float], ...]) -> float:
        """Log density of the readings of a training that failed, after the first; nobody knows how flat it is."""
        by_flatness = [
            sum(
                _log_density(latent, *self._goes_on_stuck(scale, last, column, step=STUCK_STEP * flat))
                for last, (column, latent) in pairwise(readings)
            )
            for flat in _FLATNESS
        ]
        return float(logsumexp(by_flatness)) - math.log(len(_FLATNESS))


def _settled(step: Callable[[frozenset[int]], frozenset[int]], start: frozenset[int]) -> frozenset[int]:
    """Where steps lead that only ever add, or only ever take away."""
    while (after := step(start)) != start:
        start = after
    return start


def _those(which: Tensor) -> frozenset[int]:
    return frozenset(torch.nonzero(which)[:, 0].tolist())


def _log_odds(probability: Tensor) -> Tensor:
    """Log odds of probabilities, finite ones, elementwise."""
    return torch.logit(probability.clamp(_LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY))


def _log_probability_of(n_failed: int, n_read: int, usual: float) -> float:
    """Log probability that so many certain ones fail of those that were read, relative to none (beta-binomial)."""
    a, b = _AS_MANY * usual, _AS_MANY * (1.0 - usual)
    return float(betaln(a + n_failed, b + n_read - n_failed) - betaln(a, b + n_read))


def _with(numbers: Tensor, row: int, number: float) -> Tensor:
    """A copy with one number replaced."""
    changed = numbers.clone()
    changed[row] = number
    return changed


def _evidence(latent: float, stuck: tuple[float, float], learns: tuple[float, float]) -> float:
    """Log density of a reading by mean and variance of a failure's, less that of one that learns.

    The more a reading exceeds what is expected of one that learns, the less it is one of a failure.
    """
    expected = learns[0]
    at = [latent] if latent < expected else [latent, expected]
    return min(_log_density(value, *stuck) - _log_density(value, *learns) for value in at)


def _log_density(latent: float, mean: float, variance: float) -> float:
    """Log density of a Gaussian, up to a constant."""
    return -0.5 * (math.log(variance) + (latent - mean) ** 2 / variance)
