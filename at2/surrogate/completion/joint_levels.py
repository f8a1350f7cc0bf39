"""Levels of all sources' curves at once: one Gaussian process over (source, configuration).

| symbol   | meaning                                                                               | shape    |
|----------|---------------------------------------------------------------------------------------|----------|
| y_i      | what a curve says of its level, with variance e_i                                     | ``(n,)`` |
| k        | kernel between configurations, ``smooth * Matern-5/2 + own * identity``               |          |
| a_s      | how much of what all sources have in common source s shows, in (0, 1)                 |          |
| c        | variance of what all configurations of a source have in common                        | scalar   |

Levels on sources s and s' have the covariance ``c + k`` where the sources are one, ``a_s a_s' k`` where they are two:
one factor, whose parts are all smooth in the hyperparameters. A source that ran five configurations says little of the
kernel and of others' levels; thirty such sources say a lot. Kernel and loadings maximize the evidence, the loadings
drawn towards one another, so that those of short histories follow the others.

The work is the cube of the number of curves; `at2.surrogate.completion.common_values` does for more.

References:
    Bonilla, Chai, Williams, Multi-task Gaussian process prediction, 2007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.completion.common_values import Coefficients
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.kernels import ConfigKernel
from at2.surrogate.kernels.matern import matern52
from at2.surrogate.kronecker.latent import log_density
from at2.surrogate.numerics.descent import minimize_near

_FIT = 400  # levels that kernel and loadings are fitted on
_LOCATION = 1.0  # variance of what all configurations of a source have in common; curves are standardized
_FIRST = (0.6, 0.2, 0.73)  # centres of the priors: smooth, own, and the share that two sources have in common
_WIDTH = 2.0  # standard deviation of the priors on log smooth, log own, and the log odds of the share
_APART = 0.5  # the same of a source's log odds around those of all
_LEAST = 1e-9  # share of the precision of a level that its curve adds at least, and of its variance that is left
_ROWS = 2000  # configurations that are asked about together
_FURTHEST = 6.0  # no parameter goes further from the centre of its prior


@dataclass(frozen=True)
class LevelReadings:
    """What curves say of their levels.

    Args:
        source: Which source each one is of, ``(n,)``, whole numbers.
        config: Which configuration it is of, ``(n,)``, whole numbers.
        value: The readings, ``(n,)``, standardized by source.
        variance: Their variances, ``(n,)``, positive.
        n_source: How many sources there are.
    """

    source: Tensor
    config: Tensor
    value: Tensor
    variance: Tensor
    n_source: int

    def some(self, n: int, generator: torch.Generator) -> LevelReadings:
        """At most `n` of them, drawn at random."""
        if len(self) <= n:
            return self
        rows = torch.randperm(len(self), generator=generator)[:n].sort().values.to(self.value.device)
        return LevelReadings(
            self.source[rows], self.config[rows], self.value[rows], self.variance[rows], n_source=self.n_source
        )

    def __len__(self) -> int:
        """Number of curves."""
        return len(self.value)


@dataclass(frozen=True)
class LevelModel:
    """Covariance between levels.

    Args:
        length_scales: One per column of the points, ``(n_column,)``.
        smooth: Variance of what hyperparameters explain, a scalar.
        own: Variance of what is a configuration's own, a scalar.
        loadings: ``a``, ``(n_source,)``.
    """

    length_scales: Tensor
    smooth: Tensor
    own: Tensor
    loadings: Tensor

    @property
    def total(self) -> Tensor:
        """Variance of a level before any curve was seen."""
        return self.smooth + self.own + _LOCATION

    @property
    def config_kernel(self) -> ConfigKernel:
        """The kernel k."""
        return ConfigKernel(self.length_scales, torch.zeros_like(self.smooth), self.smooth, self.own)

    def kernel(self, config: Tensor, configs: Tensor, points: Tensor) -> Tensor:
        """Covariance k between configurations ``(n,)`` and ``(m,)``, given as rows of the points, ``(n, m)``."""
        scaled = points / self.length_scales
        same = (config[:, None] == configs).to(points.dtype)
        return self.smooth * matern52(scaled[config], scaled[configs]) + self.own * same

    def between(self, source: Tensor, config: Tensor, sources: Tensor, configs: Tensor, points: Tensor) -> Tensor:
        """Covariance of levels ``(n,)`` with levels ``(m,)``, given by source and configuration, ``(n, m)``."""
        kernel = self.kernel(config, configs, points)
        one = (source[:, None] == sources).to(kernel.dtype)
        shared = self.loadings[source][:, None] * self.loadings[sources]
        return kernel * (shared + one * (1.0 - shared)) + _LOCATION * one


def read_levels(by_curve: Coefficients, curves: CurveList, *, prior: Tensor) -> LevelReadings:
    """Take from what each curve says by itself what it says of its level.

    Args:
        by_curve: Coefficients given their own curves, ``(n_curve, q)``, under a prior with mean 0.
        curves: Which source and configuration they are of.
        prior: Variance of that prior, a scalar.
    """
    variance = by_curve.covariance[:, 0, 0]
    precision = (1.0 / variance - 1.0 / prior).clamp_min(_LEAST / prior)
    value = by_curve.mean[:, 0] / variance / precision
    return LevelReadings(curves.source, curves.config, value, 1.0 / precision, n_source=curves.n_source)


def fit_levels(
    readings: LevelReadings, points: Tensor, *, generator: torch.Generator, max_iter: int = 30
) -> LevelModel:
    """Maximize the evidence of some levels under weak priors.

    Args:
        readings: Levels of the curves of at least two sources.
        points: Embedded configurations, ``(n_config, n_column)``.
        generator: Draws the curves that are fitted on, where there are many.
        max_iter: Iterations of L-BFGS.

    Returns:
        The model.
    """
    few, n_column = readings.some(_FIT, generator), points.shape[1]
    centre = _centre(n_column, readings.n_source)
    widths = torch.ones_like(centre)
    widths[n_column : n_column + 3] = _WIDTH
    widths[n_column + 3 :] = _APART
    noise = torch.diag(few.variance)

    def loss(raw: Tensor) -> Tensor:
        model = _model(raw.to(points.device), n_column)
        covariance = model.between(few.source, few.config, few.source, few.config, points) + noise
        return 0.5 * ((raw - centre) / widths).square().sum() - log_density(covariance, few.value).cpu()

    return _model(minimize_near(loss, centre, reach=_FURTHEST, max_iter=max_iter).to(points), n_column)


def predict_levels(model: LevelModel, readings: LevelReadings, points: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of some configurations' levels on every source.

    Args:
        model: The covariances.
        readings: What curves say of their levels.
        points: Embedded configurations, ``(n_config, n_column)``.
        asked: Rows of those in question, ``(n_asked,)``.

    Returns:
        Tensors of shape ``(n_source, n_asked)`` each.
    """
    known = (readings.source, readings.config)
    lower = torch.linalg.cholesky(model.between(*known, *known, points) + torch.diag(readings.variance))
    solution = torch.cholesky_solve(readings.value[:, None], lower)[:, 0], torch.cholesky_inverse(lower)
    parts = [_predict(model, readings, solution, points, rows) for rows in torch.split(asked, _ROWS)]
    return torch.cat([mean for mean, _ in parts], 1), torch.cat([variance for _, variance in parts], 1)


def _predict(
    model: LevelModel, readings: LevelReadings, solution: tuple[Tensor, Tensor], points: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor]:
    """`predict_levels` of some configurations, given the solved readings and the inverse of their covariance.

    What sources have in common is worked on once; each source adds what goes together with its own curves.
    """
    pull, inverse = solution
    kernel = model.kernel(asked, readings.config, points)
    common = kernel * model.loadings[readings.source]
    solved = common @ inverse
    expected, explained = common @ pull, (solved * common).sum(1)
    means, variances = [], []
    for source, loading in enumerate(model.loadings):
        rows = torch.nonzero(readings.source == source)[:, 0]
        own = kernel[:, rows] * (1.0 - loading.square()) + _LOCATION
        inside = ((own @ inverse[rows[:, None], rows]) * own).sum(1)
        told = loading.square() * explained + 2.0 * loading * (solved[:, rows] * own).sum(1) + inside
        means.append(loading * expected + own @ pull[rows])
        variances.append((model.total - told).clamp_min(_LEAST * model.total))
    return torch.stack(means), torch.stack(variances)


def _centre(n_column: int, n_source: int) -> Tensor:
    """Centre of the priors: log length scales, log smooth, log own, log odds of the share, a source's own."""
    smooth, own, share = _FIRST
    length = 0.5 * math.log(max(n_column, 1))
    scalars = [math.log(smooth), math.log(own), math.log(share / (1.0 - share))]
    return torch.tensor([length] * n_column + scalars + [0.0] * n_source, dtype=torch.float64)


def _model(raw: Tensor, n_column: int) -> LevelModel:
    smooth, own, odds = raw[n_column : n_column + 3]
    loadings = torch.sigmoid(odds + raw[n_column + 3 :]).sqrt()
    return LevelModel(raw[:n_column].exp(), smooth.exp(), own.exp(), loadings)
