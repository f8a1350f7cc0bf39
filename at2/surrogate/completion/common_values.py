"""What curves of one source say about those of another: the level of a configuration has a part common to all sources.

| symbol | meaning                                                                          | shape     |
|--------|----------------------------------------------------------------------------------|-----------|
| w_s    | a configuration's latent coefficients on source s, less their average; the       | ``(q,)``  |
|        | first belongs to the leading direction in which curves move, their level         |           |
| g      | what its level has in common on all sources, ``g ~ N(0, 1)``                     | scalar    |
| a_s    | how much of it source s shows, in [0, 1)                                         | scalar    |
| v      | variance of each coefficient                                                     | scalar    |

``w_s[0] = sqrt(v) (a_s g + sqrt(1 - a_s^2) d_s)`` with ``d_s ~ N(0, 1)``; the other coefficients, how curves get there,
are each source's own, and configurations stand apart from each other. What a source's own curves say of w_s, smoothness
over hyperparameters included, is a Gaussian, which counts as a reading here. The loadings a_s follow by expectation
maximization and are drawn towards 0, so that sources that have nothing to do with each other keep their curves. The
work is proportional to the number of sources and of configurations.

References:
    Bonilla, Chai, Williams, Multi-task Gaussian process prediction, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_STEPS = 12  # of expectation maximization
_FIRST = 0.7  # loadings to begin with
_LARGEST = 0.98
_NOTHING = 5.0  # configurations on which sources have nothing in common, beside those of the history
_ROWS = 1000  # configurations that loadings are learnt from, and that are worked on together
_SMOOTH = 15.0  # configurations that all count for at most of which smoothness alone says what two sources share


@dataclass(frozen=True)
class Coefficients:
    """What is known of the latent coefficients of every source's curves.

    Args:
        mean: Shape ``(n_source, n_config, q)``.
        covariance: Shape ``(n_source, n_config, q, q)``.
    """

    mean: Tensor
    covariance: Tensor

    def of(self, rows: Tensor) -> Coefficients:
        """Those of some configurations."""
        return Coefficients(self.mean[:, rows], self.covariance[:, rows])

    def put_levels(self, source: Tensor, config: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Replace what is known of some levels, which then go together with no other coefficient; all ``(n,)``."""
        self.mean[source, config, 0] = mean
        self.covariance[source, config, 0, :] = 0.0
        self.covariance[source, config, :, 0] = 0.0
        self.covariance[source, config, 0, 0] = variance

    def known(self, prior: Tensor) -> Tensor:
        """Share of the prior variance of each configuration's level that is gone, ``(n_source, n_config)``."""
        return (1.0 - self.covariance[..., 0, 0] / prior).clamp(0.0, 1.0)


def rows_to_learn_from(n_config: int) -> Tensor:
    """Which of many configurations loadings are learnt from, evenly spread."""
    return torch.arange(n_config)[:: -(-n_config // _ROWS)]


def learn_loadings(
    alone: Coefficients, by_curve: Coefficients, *, average: Tensor, prior: Tensor, own: Tensor
) -> Tensor:
    """Learn how much of what levels have in common each source shows.

    Args:
        alone: What all curves of a source say of its coefficients, of some configurations.
        by_curve: What the configuration's own curve says alone. What smoothness says beyond that counts less for how
            sources are linked: it makes few independent readings.
        average: Mean coefficients of each source, ``(n_source, 1, q)``.
        prior: Variance of a coefficient before any curve was seen, a scalar.
        own: The part of it by which configurations of a source differ, a scalar.

    Returns:
        The loadings, ``(n_source,)``.
    """
    readings = _Readings(alone, average, prior=prior, own=own)
    counts = _counts(alone.known(prior), by_curve.known(prior))
    loadings = torch.full_like(average[:, 0, 0], _FIRST)
    for _ in range(_STEPS):
        loadings = readings.better(loadings, counts)
    return loadings


def share(alone: Coefficients, loadings: Tensor, *, average: Tensor, prior: Tensor, own: Tensor) -> Coefficients:
    """Let sources inform each other about configurations.

    Args:
        alone: What all curves of a source say of its coefficients, of the configurations in question.
        loadings: What `learn_loadings` returned.
        average: As there, like the rest.
        prior: Variance of a coefficient before any curve was seen.
        own: The part of it by which configurations of a source differ.

    Returns:
        What the curves of all sources say of them.

    Example:
        >>> import torch
        >>> one, level = torch.ones(()).double(), torch.linspace(-1.5, 1.5, 80).double().repeat(2, 1)[:, :, None]
        >>> doubt = torch.full((2, 80, 1, 1), 1e-4).double()
        >>> level[1, ::4], doubt[1, ::4] = 0.0, 1.0  # a quarter is not known on source 1
        >>> told, scales = Coefficients(level, doubt), dict(average=level.mean(1, keepdim=True), prior=one, own=one)
        >>> loadings = learn_loadings(told, told, **scales)
        >>> both = share(told, loadings, **scales)
        >>> bool(loadings.min() > 0.7), bool(both.mean[1, 0] < -0.9), bool(both.covariance[1, 0] < 0.6)
        (True, True, True)
    """
    everyone = torch.arange(alone.mean.shape[1], device=average.device)
    parts = [
        _Readings(alone.of(rows), average, prior=prior, own=own).posterior(loadings)
        for rows in torch.split(everyone, _ROWS)
    ]
    return Coefficients(torch.cat([part.mean for part in parts], 1), torch.cat([part.covariance for part in parts], 1))


def _counts(known: Tensor, by_curve: Tensor) -> Tensor:
    """How many configurations each one counts for in a source's link to others, ``(n_source, n_config)``."""
    read, linked = (part * (part.sum(0) - part).clamp_max(1.0) for part in (by_curve, known))
    smooth = (linked - read).clamp_min(0.0)
    return read + smooth * (_SMOOTH / smooth.sum(1, keepdim=True).clamp_min(_SMOOTH))


@dataclass(frozen=True)
class _Part:
    """Mean and covariance of each source's part, in units of ``sqrt(v)``; the same of g; and w_s[0] with g."""

    mean: Tensor  # (n_source, n_config, q)
    covariance: Tensor  # (n_source, n_config, q, q)
    common: Tensor  # (n_config,)
    spread: Tensor  # (n_config,)
    cross: Tensor  # (n_source, n_config)


class _Readings:
    """What all curves of a source say of its coefficients, as readings of them in units of ``sqrt(v)``."""

    def __init__(self, alone: Coefficients, average: Tensor, *, prior: Tensor, own: Tensor) -> None:
        values, vectors = torch.linalg.eigh(alone.covariance)
        precision = 1.0 / values.clamp_min(1e-9 * prior)
        information = (vectors * (precision - 1.0 / prior).clamp_min(0.0)[..., None, :]) @ vectors.mT
        pull = (vectors * precision[..., None, :]) @ (vectors.mT @ alone.mean[..., None])
        self.average, self.root, self.information = average, own.sqrt(), own * information
        self.pull = self.root * (pull - information @ self.average[..., None])  # (n_source, n_config, q, 1)

    def posterior(self, loadings: Tensor) -> Coefficients:
        """The coefficients given the readings of all sources."""
        part = self._given(loadings)
        return Coefficients(self.average + self.root * part.mean, self.root.square() * part.covariance)

    def better(self, loadings: Tensor, counts: Tensor) -> Tensor:
        """One step: correlations of levels with their common part, as expected under the loadings so far."""
        part, level = self._given(loadings), 0
        own = part.mean[..., level].square() + part.covariance[..., level, level]
        common = part.common.square() + part.spread
        together = part.mean[..., level] * part.common + part.cross
        own, common, together = ((counts * expected).sum(1) for expected in (own, common, together))
        return (together / ((own + _NOTHING) * (common + _NOTHING)).sqrt()).clamp(0.0, _LARGEST)

    def _given(self, loadings: Tensor) -> _Part:
        eye = torch.eye(self.pull.shape[2], dtype=loadings.dtype, device=loadings.device)
        shown = loadings[:, None, None, None] * eye[:, :1]  # (n_source, 1, q, 1)
        rest = eye - shown @ shown.mT
        gain = torch.linalg.inv(eye + rest @ self.information)
        slope = gain @ shown  # of a source's part in g
        spread = 1.0 / (1.0 + (shown.mT @ self.information @ slope).sum(0))  # (n_config, 1, 1)
        common = spread * (slope.mT @ self.pull).sum(0)
        mean = gain @ rest @ self.pull + slope * common
        covariance = gain @ rest + spread * slope @ slope.mT
        cross = spread[..., 0] * slope[:, :, 0]
        return _Part(mean[..., 0], covariance, common[:, 0, 0], spread[:, 0, 0], cross[..., 0])
