"""Ways in which the curves of a target may go: epoch covariances side by side, each with hypotheses of its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from at2.surrogate.transfer.fitted.deviation import generic_epoch_covariance, generic_noise

_DOUBT = 0.5  # probability that curves go as without sources, where sources do not agree at all
_APART = (0.25, 0.5)  # of the variance of a value, in what is usual: from there down to there it is told apart
_ALL_ALIKE = 0.01  # the same, below which most configurations are alike on all sources, and that is no covariance
_USUALLY = 0.5  # probability that a target deviates as is usual, where that is told apart altogether
_SILENT = 0.25  # probability that the first reading of a curve says nothing of the others, where no source tells
_FIRST_VARIANCES = (0.03, 0.5, 8.0)  # of the first readings then, beside 1.3 or so where they say something
_PLATEAU = 0.25  # probability that readings say nothing for longer; without any source it is the first one's, too
_PLATEAU_POWERS = (1 / 3, 2 / 3)  # of the length of a training: for how many epochs
_PLATEAU_VARIANCES = (0.001, 0.03)  # of readings until then: curves that have not left a plateau are about alike
_LATE = 0.5  # probability that readings say nothing for a while, where they look like it
_LATE_VARIANCES = (0.03, 0.5)  # of where curves stay until then, each on a level of its own, but for
FLAT_VARIANCE = 0.001  # of its readings
_JITTER = 1e-6  # relative: without sources the last epoch and the best of a curve are all but the same


class Way(NamedTuple):
    """One way in which curves may go.

    Args:
        covariance: ``Ke``, shape ``(n_column, n_column)``.
        noise: What of its diagonal is noise of a reading, ``(n_column,)``.
        probability: How likely it is before the first reading.
        n_silent: How many first readings of a curve say nothing of those after them, nor of what sources say.
    """

    covariance: Tensor
    noise: Tensor
    probability: float = 1.0
    n_silent: int = 0


def generic_ways(n_epoch: int, like: Tensor) -> list[Way]:
    """Return the ways in which curves may go where no source says how.

    Whether the first reading says anything is left open. In some tables it is taken before any training, and then it
    says nothing of those after it: first readings may differ by far, or be alike but for a trifle, which must not be
    taken for a sign that all configurations are about as good.

    Args:
        n_epoch: Length of a full training.
        like: A tensor whose dtype and device to take.

    Returns:
        Ways whose probabilities sum to 1.

    Example:
        >>> import torch
        >>> ways = generic_ways(20, torch.zeros(1).double())
        >>> [round(float(way.covariance[0, 0]), 2) for way in ways], [way.n_silent for way in ways]
        ([1.3, 0.03, 0.5, 8.0], [0, 1, 1, 1])
    """
    ways = [Way(*_plain(n_epoch, like))]
    return ways if n_epoch == 1 else _first_in_doubt(ways)


def _plain(n_epoch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The epoch covariance of a start without any source, and what of its diagonal is noise."""
    return generic_epoch_covariance(n_epoch, like), generic_noise(n_epoch + 1, like)


def _first_in_doubt(ways: list[Way], n_unlogged: int = 1) -> list[Way]:
    """The same, and beside them the first of them where first readings say nothing.

    Args:
        ways: Where they say something.
        n_unlogged: How many first epochs no source has logged; what sources say of values must not be doubted for the
            sake of curves that are alike there, on a plateau.
    """
    silent = [(1, variance) for variance in _FIRST_VARIANCES]
    plateaus = _plateaus(ways[0], _PLATEAU, longest=n_unlogged)
    of_silent = _SILENT + (0.0 if plateaus else _PLATEAU)
    return [
        *(way._replace(probability=(1.0 - _SILENT - _PLATEAU) * way.probability) for way in ways),
        *(_without_the_first(ways[0], length, variance, of_silent / len(silent)) for length, variance in silent),
        *plateaus,
    ]


def _plateaus(way: Way, probability: float, *, longest: int) -> list[Way]:
    """The same where readings say nothing for longer, and are about alike until then; none where it may not be."""
    kinds = [(length, variance) for length in _lengths(way, longest) for variance in _PLATEAU_VARIANCES]
    return [_without_the_first(way, *kind, probability / len(kinds)) for kind in kinds]


def _lengths(way: Way, longest: int) -> list[int]:
    n_epoch = len(way.covariance) - 1
    return sorted({min(round(n_epoch**power), longest) for power in _PLATEAU_POWERS} - {0, 1})


def longest_plateau(ways: list[Way]) -> int:
    """Return for how many epochs `beside_plateaus` lets readings say nothing; 0 where it has nothing to add."""
    doubted = any(way.n_silent for way in ways)
    return 0 if doubted else max(_lengths(ways[0], len(ways[0].covariance) - 2), default=0)


def beside_plateaus(ways: list[Way]) -> list[Way]:
    """Return the same ways, and beside them the first of them where curves stay where they begin for a while.

    For targets that look like it, though sources have risen by then. What sources say of values, and how curves go once
    they rise, stays.

    Args:
        ways: What sources let expect.

    Returns:
        Ways whose probabilities sum to 1; those given where first readings are in doubt already.
    """
    longest = longest_plateau(ways)
    if not longest:
        return ways
    kinds = [(length, variance) for length in _lengths(ways[0], longest) for variance in _LATE_VARIANCES]
    late = [_at_first_flat(ways[0], *kind, _LATE / len(kinds)) for kind in kinds]
    return [*(way._replace(probability=(1.0 - _LATE) * way.probability) for way in ways), *late]


def _at_first_flat(way: Way, length: int, variance: float, probability: float) -> Way:
    """The same where the first readings of a curve, so many of them, lie on a level that says nothing either."""
    silent = _without_the_first(way, length, FLAT_VARIANCE, probability)
    between = silent.covariance.clone()
    between[:length, :length] += variance
    return silent._replace(covariance=between)


def _without_the_first(way: Way, length: int, variance: float, probability: float) -> Way:
    """The same where the first readings, so many of them, are noise of a variance."""
    between, noise = way.covariance.clone(), way.noise.clone()
    between[:length, :], between[:, :length] = 0.0, 0.0
    between.diagonal()[:length] = variance
    noise[:length] = variance
    return Way(between, noise, probability, length)


def _begun_as_without_sources(way: Way, n_unlogged: int, size: float) -> Way:
    """The same where first readings go with those after them as without sources, which have not logged them.

    How curves get to their values is then not shared with sources: they deviate on the way by a part of how far values
    lie apart (their variance is the size), not of how far sources leave them.
    """
    between, noise = way.covariance.clone(), way.noise.clone()
    first, later = slice(0, n_unlogged), slice(n_unlogged, None)
    curves = (between - torch.diag(noise))[later, later]
    plain, plain_noise = _of_size(max(size, float(between[-1, -1])), between)
    known = plain[later, later] + _JITTER * plain[-1, -1] * torch.eye(len(curves)).to(curves)
    link = torch.linalg.solve(known, plain[later, first]).T
    between[first, later] = link @ curves
    between[later, first] = between[first, later].T
    between[first, first] = plain[first, first] - link @ (known - curves) @ link.T
    noise[first] = plain_noise[first]
    return Way(between, noise, way.probability)


def _of_size(size: float, between: Tensor) -> tuple[Tensor, Tensor]:
    """`_plain` in the place of a covariance, where the best of a curve has a variance of that size."""
    plain, noise = _plain(len(between) - 1, between)
    factor = size / plain[-1, -1]
    return factor * plain, factor * noise


def learnt_ways(
    shown: tuple[Tensor, Tensor],
    usual: tuple[Tensor, Tensor],
    doubt: float,
    *,
    n_unlogged: int = 0,
    size: float = 1.0,
) -> list[Way]:
    """Return the ways that sources let expect: as they leave one another; where that is in doubt, as without any.

    Where most of what sources leave of one another comes from a few configurations that failed on one and not on the
    others, so that no single covariance describes both, also as they usually do: unless most configurations are just
    alike on all sources, which says nothing of how others differ.

    First readings that no source has logged go with those after them as without any, which leaves it open whether they
    say anything.

    Args:
        shown: ``Ke`` as the sources leave one another, and what of its diagonal is noise.
        usual: The same without configurations that lie far out.
        doubt: How little the sources agree, in [0, 1].
        n_unlogged: How many first epochs no source has logged.
        size: Variance of values between configurations, in the units of the covariances; asked for where there are any.

    Returns:
        Ways whose probabilities sum to 1.
    """
    between, noise = shown
    ways = [Way(between, noise)]
    if doubt > 0.0:
        ways = [
            Way(between, noise, 1.0 - _DOUBT * doubt),
            Way(*_of_size(float(between[-1, -1]), between), _DOUBT * doubt),
        ]
    low, high = _APART
    left = float(usual[0][-1, -1] / between[-1, -1])
    apart = _USUALLY * min(max((high - left) / (high - low), 0.0), 1.0)
    if apart > 0.0 and left > _ALL_ALIKE:
        ways = [*(way._replace(probability=(1.0 - apart) * way.probability) for way in ways), Way(*usual, apart)]
    if n_unlogged == 0:
        return ways
    return _first_in_doubt([_begun_as_without_sources(way, n_unlogged, size) for way in ways], n_unlogged)
