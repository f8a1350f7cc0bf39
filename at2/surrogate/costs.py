"""What an epoch costs: one per epoch until seconds are known, then a small Gaussian model of their logarithm.

| symbol | meaning                                                                       | shape           |
|--------|-------------------------------------------------------------------------------|-----------------|
| t      | effect of a task: the machine and the size of the data                        | ``(n_task,)``   |
| X, w   | standardized columns of the configurations and what they do to the log seconds | ``(n_config, p)`` |
| c      | what is left of the effect of a configuration, the same on every task         | ``(n_config,)`` |
| u      | what is special about a configuration on one task                             | ``(n_config,)`` |

``log seconds[s, i] = t[s] + X[i] w + c[i] + u[s, i] + noise``. The sources give the mean and the variance of each part;
the target's own timings then say how fast this machine and task are (t), correct the slopes (w), and tell what is
special about the configurations that ran (u), all by exact Gaussian conditioning. Effects of configurations are
partially pooled: few timings are drawn towards what the columns predict, many are believed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.errors import ShapeError
from at2.surrogate.belief import Prediction

_NOISE = 0.1  # standard deviation of the log of one timing against the configuration's own mean
_INTERACTION = 0.2  # standard deviation of u until at least two sources show it
_LEAST = 0.02  # no standard deviation is believed to be smaller
_SLOPE = 0.1  # standard deviation of what all columns together do on the target other than on the sources
_RIDGES = (0.01, 0.1, 1.0, 10.0, 100.0, math.inf)  # infinity leaves the columns out


@dataclass(frozen=True)
class CostPrior:
    """Log seconds of an epoch on the target before its first timing: mean and independent sources of doubt.

    Args:
        mean: Expected log seconds of every configuration, ``(n_config,)``.
        own: Variance of what is a configuration's own, ``(n_config,)``.
        columns: The intercept and the columns of X, ``(n_config, 1 + p)``.
        weights: Covariance of their weights around what `mean` holds already, ``(1 + p, 1 + p)``.
    """

    mean: Tensor
    own: Tensor
    columns: Tensor
    weights: Tensor


class EpochCosts:
    """Predicted cost of one epoch of every configuration; grows by one timing at a time.

    Args:
        n_config: Number of configurations.
        source_seconds: Seconds per epoch on each source, shape ``(n_source, n_config)``, NaN where unknown; None if
            no source was timed.
        features: Encoded configurations, shape ``(n_config, n_column)``, NaN where inactive; None goes without. They
            are used where they lower the leave-one-out error on the sources.

    Raises:
        ShapeError: If `source_seconds` or `features` does not fit `n_config`.

    Example:
        >>> costs = EpochCosts(2)
        >>> costs.predict()
        tensor([1., 1.], dtype=torch.float64)
        >>> costs.observe(0, 30.0)
        >>> costs.predict().round()
        tensor([30., 30.], dtype=torch.float64)

    References:
        Partial pooling: Gelman and Hill, Data Analysis Using Regression and Multilevel/Hierarchical Models, 2007,
        chapter 12.
    """

    def __init__(self, n_config: int, source_seconds: Tensor | None = None, features: Tensor | None = None) -> None:
        if source_seconds is not None and source_seconds.shape[-1] != n_config:
            raise ShapeError(f"wanted seconds of {n_config} configurations, got {tuple(source_seconds.shape)}")
        if features is not None and features.shape[0] != n_config:
            raise ShapeError(f"wanted features of {n_config} configurations, got {tuple(features.shape)}")
        columns = torch.zeros((n_config, 0)) if features is None else features.detach()
        x = standard_columns(columns.to("cpu", torch.float64))
        seconds = torch.full((0, n_config), torch.nan) if source_seconds is None else source_seconds.detach()
        logs = torch.where(seconds > 0, seconds, torch.nan).to("cpu", torch.float64).log()
        logs = torch.where(torch.isfinite(logs), logs, torch.nan)
        logs = logs[torch.isfinite(logs).any(1)]
        self._timed = logs.shape[0] > 0
        self._prior = learn_prior(logs, x) if self._timed else _vague_prior(x)
        self._timings: defaultdict[int, list[float]] = defaultdict(list)

    @property
    def known(self) -> bool:
        """Whether predictions are in seconds; without any timing they count epochs."""
        return self._timed or bool(self._timings)

    def observe(self, config: int, seconds: float) -> None:
        """Learn from one timed epoch of the target; a time of zero counts as a microsecond."""
        self._timings[config].append(math.log(max(seconds, 1e-6)))

    def predict(self) -> Tensor:
        """Return the cost of one further epoch, ``(n_config,)``: the median in seconds once any are known, else 1."""
        return self.log_seconds().mean.exp()

    def log_seconds(self) -> Prediction:
        """Return mean and standard deviation of every configuration's log seconds per epoch, each ``(n_config,)``.

        Of a configuration's timings the median counts, so that a stalled epoch does not.
        """
        prior = self._prior
        if not self._timings:
            return Prediction(prior.mean.clone(), (prior.own + _quadratic(prior.columns, prior.weights)).sqrt())
        rows = torch.tensor(list(self._timings))
        logs = [torch.tensor(timings, dtype=torch.float64) for timings in self._timings.values()]
        surprise = torch.stack([own.quantile(0.5) for own in logs]) - prior.mean[rows]
        noise = torch.tensor([_NOISE**2 / len(own) for own in logs], dtype=torch.float64)
        seen = prior.columns[rows]
        precision = 1.0 / (prior.own[rows] + noise)
        weights = torch.linalg.inv(torch.linalg.inv(prior.weights) + seen.T @ (precision[:, None] * seen))
        shift = weights @ (seen.T @ (precision * surprise))
        mean = prior.mean + prior.columns @ shift
        trust = prior.own[rows] * precision
        mean[rows] += trust * (surprise - seen @ shift)
        own, columns = prior.own.clone(), prior.columns.clone()
        own[rows] *= 1.0 - trust
        columns[rows] *= (1.0 - trust)[:, None]
        return Prediction(mean, (own + _quadratic(columns, weights)).sqrt())


def learn_prior(logs: Tensor, x: Tensor) -> CostPrior:
    """Learn from the sources what an epoch of each configuration takes.

    Args:
        logs: Log seconds, shape ``(n_source, n_config)``, NaN where unknown, at least one number in each row.
        x: Standardized columns, shape ``(n_config, p)``.

    Returns:
        The prior of a further task.
    """
    task, config, interaction = additive_effects(logs)
    count = torch.isfinite(logs).sum(0)
    timed = count > 0
    fitted, weights, left = _regress(config[timed], x[timed], x)
    sampling = interaction**2 / count.clamp_min(1)
    lasting = max(left**2 - float(sampling[timed].mean()), 0.0)  # variance of c, without what the sampling adds
    trust = torch.where(timed, lasting / (lasting + sampling).clamp_min(1e-12), 0.0)
    mean = task.mean() + fitted + trust * torch.where(timed, config - fitted, 0.0)
    doubt = lasting * (1.0 - trust)
    spread = float(task.std()) if task.numel() > 1 else 1.0
    return CostPrior(mean, interaction**2 + doubt, _with_intercept(x), _block(max(spread, 1.0) ** 2, weights))


def additive_effects(logs: Tensor, *, n_sweep: int = 20) -> tuple[Tensor, Tensor, float]:
    """Split a table with holes into effects of rows and columns by alternating least squares.

    Args:
        logs: Table, shape ``(n_source, n_config)``, NaN where unknown, at least one number in each row.
        n_sweep: Number of sweeps.

    Returns:
        Effects of the rows ``(n_source,)``, of the columns ``(n_config,)`` (mean zero over those that were seen, zero
        for the others), and the standard deviation of what is left of a cell.

    Example:
        >>> logs = torch.tensor([[1.0, 3.0], [2.0, torch.nan]], dtype=torch.float64)
        >>> rows, columns, _ = additive_effects(logs)
        >>> rows.round(), columns.round()
        (tensor([2., 3.], dtype=torch.float64), tensor([-1.,  1.], dtype=torch.float64))
    """
    seen = torch.isfinite(logs).any(0)
    column = torch.zeros(logs.shape[1], dtype=logs.dtype)
    row = torch.nanmean(logs, 1)
    for _ in range(n_sweep):
        column = torch.where(seen, torch.nanmean(logs - row[:, None], 0), 0.0)
        column = torch.where(seen, column - column[seen].mean(), 0.0)
        row = torch.nanmean(logs - column, 1)
    left = logs - row[:, None] - column
    n_free = int(torch.isfinite(logs).sum()) - int(seen.sum()) - logs.shape[0] + 1
    spread = math.sqrt(float(torch.nansum(left.square())) / n_free) if n_free > 0 else _INTERACTION
    return row, column, max(spread, _LEAST)


def standard_columns(features: Tensor) -> Tensor:
    """Return columns, their squares and marks of inactivity, each standardized; constant ones are left out.

    Args:
        features: Encoded configurations, shape ``(n_config, n_column)``, NaN where inactive.

    Returns:
        Tensor of shape ``(n_config, p)``.
    """
    active = torch.isfinite(features)
    filled = torch.where(active, features, 0.5)
    columns = torch.cat([filled, (filled - 0.5).square(), active.to(filled.dtype)], 1)
    centred = columns - columns.mean(0)
    spread = centred.square().mean(0).sqrt()
    kept = spread > 1e-9
    return centred[:, kept] / spread[kept]


def _regress(effect: Tensor, x: Tensor, everywhere: Tensor) -> tuple[Tensor, Tensor, float]:
    """Ridge regression with the strength of the least leave-one-out error (which may be: no columns at all).

    Returns the prediction at all rows ``(n_config,)``, the covariance of the target's weights ``(p, p)``, and the
    standard deviation of the leave-one-out errors. Leave-one-out: Allen, Technometrics 16, 1974.
    """
    n, p = x.shape
    center = x.mean(0)
    left, values, right = torch.linalg.svd(x - center, full_matrices=False)
    aligned = left.T @ effect
    best, choice = math.inf, (torch.zeros(p, dtype=x.dtype), math.inf)
    for ridge in _RIDGES:
        kept = values.square() / (values.square() + ridge)
        leverage = (1.0 / n + left.square() @ kept).clamp_max(1.0 - 1e-6)
        error = float(((effect - left @ (kept * aligned)) / (1.0 - leverage)).square().mean())
        if error < best * (1.0 - 1e-9):
            slopes = right.T @ (kept / values.clamp_min(1e-12) * aligned)
            best, choice = error, (slopes, ridge)
    slopes, ridge = choice
    doubt = best / (values.square() + ridge) if math.isfinite(ridge) else torch.zeros_like(values)
    own_slopes = (_SLOPE if math.isfinite(ridge) else _LEAST) ** 2 / max(p, 1)
    weights = right.T @ (doubt[:, None] * right) + own_slopes * torch.eye(p, dtype=x.dtype)
    return (everywhere - center) @ slopes, weights, math.sqrt(best) if n > 1 else _INTERACTION


def _vague_prior(x: Tensor) -> CostPrior:
    """What is believed without any timed source: an epoch takes anything, and columns may matter a little."""
    n, p = x.shape
    weights = _block(1e4, (_INTERACTION**2 / max(p, 1)) * torch.eye(p, dtype=x.dtype))
    return CostPrior(x.new_zeros(n), x.new_full((n,), _INTERACTION**2), _with_intercept(x), weights)


def _with_intercept(x: Tensor) -> Tensor:
    return torch.cat([x.new_ones((x.shape[0], 1)), x], 1)


def _block(first: float, rest: Tensor) -> Tensor:
    """A block-diagonal covariance of the intercept and the slopes."""
    block = torch.zeros((1 + rest.shape[0],) * 2, dtype=rest.dtype)
    block[0, 0], block[1:, 1:] = first, rest
    return block


def _quadratic(columns: Tensor, weights: Tensor) -> Tensor:
    """Variance of ``columns @ w``, row by row."""
    return ((columns @ weights) * columns).sum(1)
