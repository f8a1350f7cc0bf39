"""Trainings that never learn: configurations that fail on some tasks and are as good as any other where they do not.

A training may stay at the level of chance though the same configuration learns on other tasks: it diverged in its first
epoch, or its worker broke. That says how likely the configuration is to fail again, but nothing about how good it is
where it learns. Taken for a deviation like others it makes all deviations look large, and the configuration poor.

Curves of sources that failed are therefore replaced by what the other sources say; `at2.surrogate.transfer.watched`
looks after the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.numerics.outliers import at_share

STUCK_STEP = 0.1  # standard deviation of a failed curve from one epoch to the next, at least, in units of s
_MANY = 20  # configurations; of fewer it cannot be said what stands apart
_AT_FLOOR = 0.1  # of the way from the poorest value of a task to its 95 % quantile: up to there nothing was learnt
_GOOD = 0.4  # the same, on the mean of the sources on which it learns: from there a configuration is no poor one
_HALFWAY = 0.5  # of what the others say
_MOST = 0.75  # of what is good elsewhere may fail on a task; where more does, it is the task that is unlike the others
_CURVES = 1000  # that learnt, and that failed, which say how far curves move
_UNSEEN = 0.01  # probability that a configuration fails on the target though none did on the sources
_LARGEST_SHARE = 0.7  # of those that were read may fail, or more by as
_FAR = 5.0  # many standard deviations of how many are expected to
_UNSEEN_DEPTH, _UNSEEN_SPREAD = 2.0, 3.0  # how far below all of theirs, and give or take how much: standard deviations
_CLEAR = 0.75  # of the number of values at the floor: those stand apart if fewer lie between it and halfway


@dataclass(frozen=True)
class Failures:
    """How configurations fail.

    Args:
        probability: That a configuration fails on the target, shape ``(n_config,)``.
        mean: Mean of the curves that failed, in standardized units, ``(n_column,)``.
        variance: Their variance around it, ``(n_column,)``.
        step_variance: Variance of their steps from the column before, ``(n_column,)``.
        learnt: Some of the curves that learnt something, in standardized units, ``(n_curve, n_column)``.
        stuck: Some of those that failed, likewise; none where they are only reckoned with.
    """

    probability: Tensor
    mean: Tensor
    variance: Tensor
    step_variance: Tensor
    learnt: Tensor
    stuck: Tensor

    @property
    def are_known(self) -> bool:
        """Whether there were any on the sources; else they are only reckoned with."""
        return len(self.stuck) > 0

    def most_of(self, read: Tensor) -> float:
        """Return how many of those that were read may have failed; where more seem to, it is the target that differs.

        Args:
            read: Which configurations were read, ``(n_config,)``.
        """
        likely = self.probability[read]
        by_chance = likely.sum() + _FAR * (likely * (1.0 - likely)).sum().sqrt()
        return max(1.0, math.ceil(_LARGEST_SHARE * len(likely)), float(by_chance))

    def share_that_moved_less(self, moved: float, start: int, column: int) -> float:
        """Return which share of the curves that learnt had moved no further, in (0, 1]; the one in question counts.

        Args:
            moved: How far a curve has moved, in standardized units.
            start: Column from which on.
            column: Column up to which.
        """
        less = self.learnt[:, column] - self.learnt[:, start] <= moved
        return (int(less.sum()) + 1) / (len(less) + 1)

    def share_of_stuck_that_moved_as_far(self, moved: float, start: int, column: int) -> float:
        """Return which share of the curves that failed had moved about as far, or further; as `share_that_moved_less`.

        One that moves by no more than such curves may from one epoch to the next has moved as far as any.
        """
        far = self.stuck[:, column] - self.stuck[:, start] >= moved - STUCK_STEP
        return (int(far.sum()) + 1) / (len(far) + 1)


def find_failures(values: Tensor) -> Tensor:
    """Find the trainings that never learnt anything, though others of the same configuration did.

    A task that is harder for a configuration than others are leaves it anywhere below what they say: as many end
    between the floor of the task and half of that as at the floor itself. Only where those at the floor are more, each
    task's poorest one not counted, are they taken for failures, all of them or none.

    Args:
        values: Best of each curve, larger is better, shape ``(n_source, n_config)``.

    Returns:
        Which failed, of the same shape.

    Example:
        >>> import torch
        >>> values = torch.linspace(1.0, 2.0, 40).double().repeat(3, 1)
        >>> values[:, :2] = 0.0                    # poor everywhere: no failure
        >>> values[1, 30:36] = 0.0
        >>> find_failures(values).sum(1).tolist()
        [0, 6, 0]
    """
    if values.shape[0] < 2 or values.shape[1] < _MANY:
        return torch.zeros_like(values, dtype=torch.bool)
    height = _height(values)
    learns = height > _AT_FLOOR
    learnt = torch.where(learns, height, 0.0)
    others = (learns.sum(0) - learns.long()).clamp_min(1)
    elsewhere = (learnt.sum(0) - learnt) / others
    good = elsewhere >= _GOOD
    failed = good & ~learns
    failed = failed & (failed.sum(1) <= _MOST * good.sum(1))[:, None]
    between = good & learns & (height <= _HALFWAY * elsewhere)
    return failed & (between.sum() < _CLEAR * (failed.sum() - len(values)))


def _height(values: Tensor) -> Tensor:
    """How far values lie from the poorest of their task, 0, to its 95 % quantile, 1; ``(n_source, n_config)`` both."""
    ordered = values.sort(1).values
    low, high = at_share(ordered, 0.0), at_share(ordered, 0.95)
    return (values - low[:, None]) / (high - low).clamp_min(1e-12)[:, None]


def replace_failures(curves: Tensor, failed: Tensor) -> tuple[Tensor, Failures | None]:
    """Put what the other sources say in the place of curves that failed.

    Args:
        curves: Standardized curves, shape ``(n_source, n_config, n_column)``.
        failed: Which of them failed, ``(n_source, n_config)``; on no configuration all.

    Returns:
        The curves, and how they failed; None where none did.
    """
    if not bool(failed.any()):
        return curves, None
    learns, stuck = (~failed).to(curves)[:, :, None], curves[failed]
    steps = stuck.diff(dim=1, prepend=stuck[:, :1])
    share = (failed.sum(0) + failed.to(curves).mean()) / (len(curves) + 1.0)
    poor = _height(curves[:, :, -1]) <= _AT_FLOOR  # what is poor everywhere never learnt either
    sound = torch.nonzero(~failed & ~(poor & ~poor.all(1, keepdim=True)))
    learnt = curves[tuple(sound[:: -(-len(sound) // _CURVES)].T)]
    some = stuck[:: -(-len(stuck) // _CURVES)]
    told = Failures(share, stuck.mean(0), stuck.var(0, correction=0), steps.var(0, correction=0), learnt, some)
    others = (curves * learns).sum(0) / learns.sum(0)
    return torch.where(failed[:, :, None], others, curves), told


def unseen_failures(curves: Tensor) -> Failures:
    """Return how trainings may fail where none did on the sources: seldom, far below all of theirs, and from the start.

    Or they begin where the others do, and stay there; `at2.surrogate.transfer.watched.signs` leaves both open.

    Args:
        curves: Standardized curves of the sources, shape ``(n_source, n_config, n_column)``.
    """
    every, column = curves.flatten(0, 1), torch.ones_like(curves[0, 0])
    return Failures(
        probability=torch.full_like(curves[0, :, 0], _UNSEEN),
        mean=(curves.min() - _UNSEEN_DEPTH) * column,
        variance=_UNSEEN_SPREAD**2 * column,
        step_variance=torch.zeros_like(column),
        learnt=every[:: -(-len(every) // _CURVES)],
        stuck=every[:0],
    )
