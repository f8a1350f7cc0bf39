"""Source curves in one unit: standardized task by task, outliers drawn in, the best of each curve appended."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.surrogate.completion.completed import NeverRun
from at2.surrogate.numerics.outliers import at_share, draw_in_poor, limit, sound_median
from at2.surrogate.transfer.fitted.failures import Failures, find_failures, replace_failures

_REACH = 3.0  # readings further out than this many central ranges are drawn in
_LARGEST_LEAD = 1.5  # standard deviations by which the best configuration of a source may lead its median one
_LEAST_REST = 0.1  # of the standard deviation of a task that is left, at least, once failures do not count
_SMALLEST = 1e-9  # a task whose curves spread less than this, relative to their size, says nothing about configurations


@dataclass(frozen=True)
class Sources:
    """Complete curves of the source tasks, each task with mean 0 over its cells and a unit of its own.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_epoch + 1)``; the last column is the best of the curve.
        location: Mean of each task in latent units, shape ``(n_source,)``.
        log_scale: Log of the unit of each task in latent units, shape ``(n_source,)``: its standard deviation, or more
            where leads are levelled.
        unsure: Variance of each configuration's curve that completion left open, in standardized units, averaged over
            epochs, shape ``(n_source, n_config)``; 0 where the task has run it to its end.
        left_open: The same of each column, averaged over tasks and configurations, shape ``(n_epoch + 1,)``; the best
            of a curve is as open as its end. Configurations that a task has never run count as 0 where `never_run`
            tells of them.
        broken_off: Share of each curve after its last reading, which completion put in, shape
            ``(n_source, n_config)``; 0 where the task has never run the configuration.
        kept: Which of the given tasks are among them, shape ``(n_given,)``.
        never_run: What completion left open of configurations that a task has never run, in standardized units; None
            where every task has run them all.
        failures: How configurations failed that learnt on other sources, whose say stands among the curves in the place
            of theirs; None where none did, or it was not asked.
        n_unlogged: How many first epochs no source has logged.
    """

    curves: Tensor
    location: Tensor
    log_scale: Tensor
    unsure: Tensor
    left_open: Tensor
    broken_off: Tensor
    kept: Tensor
    never_run: NeverRun | None = None
    failures: Failures | None = None
    n_unlogged: int = 0

    @property
    def n_source(self) -> int:
        """Number of tasks."""
        return self.curves.shape[0]

    @property
    def unsure_if_never_run(self) -> Tensor:
        """The part of `unsure` of configurations that a task has never run: others say what to expect of them."""
        return torch.zeros_like(self.unsure) if self.never_run is None else self.unsure * self.never_run.which


def standardize(
    curves: Tensor,
    variance: Tensor | None = None,
    *,
    broken_off: Tensor | None = None,
    never_run: NeverRun | None = None,
    n_unlogged: int = 0,
    poor_drawn_in: bool = False,
    leads_levelled: bool = False,
    failures_replaced: bool = False,
) -> Sources:
    """Standardize complete latent curves task by task.

    Tasks whose curves are all alike are left out: they say nothing about configurations.

    Args:
        curves: Latent curves, shape ``(n_source, n_config, n_epoch)``, finite.
        variance: What completion left open, same shape; None for observed curves.
        broken_off: Share of each curve after its last reading, shape ``(n_source, n_config)``; None for whole curves.
        never_run: What completion left open of configurations without any reading; None where there is none.
        n_unlogged: How many first epochs no source has logged.
        poor_drawn_in: Whether poor values are drawn in further than good ones.
        leads_levelled: Whether a task whose best configuration leads the median one by more than 1.5 standard
            deviations gets a larger unit, in which it leads by 1.5: where few configurations learn anything, they lead
            by so much that a mean over tasks would be theirs. A single task has its standard deviation in any case.
        failures_replaced: Whether curves of trainings that failed on one task and not on others do not count, see
            `at2.surrogate.transfer.fitted.failures`.

    Returns:
        The sources.

    Example:
        >>> import torch
        >>> sources = standardize(torch.tensor([[[0.0, 1.0], [2.0, 5.0]], [[1.0, 1.0], [1.0, 1.0]]]).double())
        >>> sources.kept.tolist(), bool(sources.curves.mean().abs() < 1e-12)
        ([True, False], True)
    """
    drawn = draw_in(curves, poor=poor_drawn_in)
    full = torch.cat([drawn, drawn.amax(-1, keepdim=True)], -1)
    location, scale = _unit(full)
    kept = scale > _SMALLEST * (1.0 + location.abs())
    failed = torch.zeros_like(full[:, :, 0], dtype=torch.bool)
    if failures_replaced:
        failed[kept] = find_failures(full[kept, :, -1])
    if bool(failed.any()):
        location, rest = _unit(full, ~failed)
        scale = torch.maximum(rest, _LEAST_REST * scale)
    if leads_levelled and int(kept.sum()) > 1:
        scale = torch.maximum(scale, _lead(full[:, :, -1]) / _LARGEST_LEAD)
    z = (full[kept] - location[kept, None, None]) / scale[kept, None, None]
    z, failures = replace_failures(z, failed[kept])
    left = torch.zeros_like(z) if variance is None else _left_open(variance, scale)[kept]
    told = None if never_run is None else _never_run(never_run, scale, kept)
    known = left if told is None else left * ~told.which[:, :, None]
    columns = known.sum((0, 1)) / max(left.shape[0] * left.shape[1], 1)
    cut = curves.new_zeros(curves.shape[:2]) if broken_off is None else broken_off
    unsure = left[:, :, :-1].mean(2)
    return Sources(z, location[kept], scale[kept].log(), unsure, columns, cut[kept], kept, told, failures, n_unlogged)


def _unit(curves: Tensor, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each task over the cells of its curves, or some of them, each ``(n_source,)``."""
    if counted is None:
        location = curves.mean((1, 2))
        return location, curves.flatten(1).std(1, correction=0) if curves.shape[0] else location
    share = counted.to(curves) / counted.sum(1, keepdim=True)
    location = (share * curves.mean(2)).sum(1)
    return location, (share * (curves - location[:, None, None]).square().mean(2)).sum(1).sqrt()


def _left_open(variance: Tensor, scale: Tensor) -> Tensor:
    """What completion left open in standardized units, that of the last epoch once more for the best of the curve."""
    standardized = variance / scale[:, None, None].square()
    return torch.cat([standardized, standardized[:, :, -1:]], -1)


def _never_run(told: NeverRun, scale: Tensor, kept: Tensor) -> NeverRun:
    """The same of the tasks that are kept, in standardized units, the best of the curve like its end."""
    covariance = (told.covariance / scale[:, None, None].square())[kept]
    covariance = torch.cat([covariance, covariance[:, -1:]], 1)
    covariance = torch.cat([covariance, covariance[:, :, -1:]], 2)
    return replace(told, which=told.which[kept], covariance=covariance)


def _lead(values: Tensor) -> Tensor:
    """How far the best configuration of each task leads the median one, ``(n_source,)``."""
    lead: Tensor = values.amax(1) - values.median(1).values
    return lead


def draw_in(curves: Tensor, *, poor: bool = False) -> Tensor:
    """Limit outliers of each task, so that diverged trainings do not set the scale of all others.

    Where a metric has no worst value, poor ones lie far below the median. What counts is how the good ones differ, and
    that no source can make its poorest configurations look the most promising by a weight a little below 0.

    Args:
        curves: Latent curves, shape ``(n_source, n_config, n_epoch)``, larger is better.
        poor: Whether poor values are drawn in further than good ones.

    Returns:
        The curves, limited to three central 90 % ranges below the 5 % quantile of their task, drawn in ever more from
        as far above the 95 % quantile on, and, where poor values are drawn in, from three times as far below the median
        as the 95 % quantile is above it. Their order stays.
    """
    if curves.numel() == 0:
        return curves
    ordered = curves.flatten(1).sort(1).values
    low, median, high = (at_share(ordered, share) for share in (0.05, 0.5, 0.95))
    reach = _REACH * (high - low)
    reach = torch.where(reach > 0, reach, ordered[:, -1] - ordered[:, 0])
    floor, ceiling, unit = (edge[:, None, None] for edge in (low - reach, high + reach, high - low))
    limited = limit(curves, low=floor, high=ceiling, unit=unit)
    if not poor:
        return limited
    median = sound_median(ordered, median)
    return draw_in_poor(limited, median=median[:, None, None], spread=(high - median)[:, None, None])
