"""How far the process and the committee are to be trusted: weights and scales, learned from answers given unseen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Answers", "Verdict", "fit_verdict"]

_GAP = 1e-3  # disagreements below this say nothing


@dataclass(frozen=True)
class Answers:
    """What the two say of some curves, standardized, ``(n,)`` each.

    Args:
        mean: The process's answers.
        std: Its standard deviations.
        other: The committee's answers.
    """

    mean: Tensor
    std: Tensor
    other: Tensor


@dataclass(frozen=True)
class Verdict:
    """A Student distribution around a weighted mean of the two.

    Args:
        parameters: Level and slope of the weight's log odds; level, and slopes by the process's deviation and by the
            disagreement, of the log scale; log of the degrees of freedom above 2.
        widening: Factor on the scale with which 90 % of the unseen answers fell into their intervals.
        least: Least deviation of the process that this was learned on; smaller ones count as this, because the slopes
            say nothing of them.
    """

    parameters: Tensor
    widening: float = 1.0
    least: float = 0.0

    def judge(self, answers: Answers) -> tuple[Tensor, Tensor, float]:
        """Return locations ``(n,)``, scales ``(n,)`` and degrees of freedom."""
        within = replace(answers, std=answers.std.clamp_min(self.least))
        location, log_scale, freedom = _judge(self.parameters, within)
        return location, self.widening * log_scale.exp(), float(freedom)


def fit_verdict(
    answers: Answers, targets: Tensor, *, readings: Callable[[Tensor], Tensor], n_step: int = 60
) -> Verdict:
    """Choose the weights by the squared error in the metric's own units, then the scales by the density.

    Args:
        answers: What process and committee said without having seen the curve in question.
        targets: What came, ``(n,)``.
        readings: Gives the readings, in the metric's units, that answers stand for.
        n_step: Steps of L-BFGS at most.
    """
    level, slope = _choose_weights(answers, readings, readings(targets))
    middle = torch.tensor([0.0, 0.8, 0.2, math.log(3.0)], dtype=torch.float64)
    fixed = torch.tensor([level, slope], dtype=torch.float64)
    parameters = middle.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([parameters], max_iter=n_step, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        location, log_scale, freedom = _judge(torch.cat([fixed, parameters]), answers)
        z = (targets - location) / log_scale.exp()
        density = torch.distributions.StudentT(freedom).log_prob(z) - log_scale  # type: ignore[no-untyped-call]
        loss: Tensor = -density.sum() + 2.0 * (parameters - middle).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = parameters.detach()
    chosen = torch.cat([fixed, found if bool(torch.isfinite(found).all()) else middle])
    return Verdict(chosen, _widening(chosen, answers, targets), float(torch.quantile(answers.std, 0.01)))


def _choose_weights(answers: Answers, readings: Callable[[Tensor], Tensor], truth: Tensor) -> tuple[float, float]:
    """Return level and slope of the weight's log odds, from a grid; a small penalty draws them to equal weights."""
    alone = [(readings(part) - truth).square().mean() for part in (answers.mean, answers.other)]
    unit = float(torch.stack(alone).min()) + 1e-300
    best, chosen = math.inf, (0.0, -1.0)
    for level in torch.arange(-3.0, 3.01, 0.5).tolist():
        for slope in torch.arange(-3.0, 0.51, 0.5).tolist():
            error = (readings(_weighted(level, slope, answers)) - truth).square().mean()
            value = float(error) / unit + 0.02 * (level**2 + (slope + 1.0) ** 2)
            if value < best:
                best, chosen = value, (level, slope)
    return chosen


def _weighted(level: float | Tensor, slope: float | Tensor, answers: Answers) -> Tensor:
    weight = torch.sigmoid(level + slope * (answers.std.log() + 1.0))
    return weight * answers.mean + (1 - weight) * answers.other


def _judge(parameters: Tensor, answers: Answers) -> tuple[Tensor, Tensor, Tensor]:
    level, slope, base, by_std, by_gap, tail = parameters
    gap = ((answers.mean - answers.other).abs() + _GAP).log()
    log_scale = (base + by_std * answers.std.log() + by_gap * (gap + 2.0)).clamp(-12.0, 6.0)
    return _weighted(level, slope, answers), log_scale, 2.0 + tail.clamp(-3.0, 4.0).exp()


def _widening(parameters: Tensor, answers: Answers, targets: Tensor) -> float:
    """Return the factor with which 90 % of the answers lie in their intervals, with the small-sample correction."""
    from scipy.special import stdtrit

    location, log_scale, freedom = _judge(parameters, answers)
    z = ((targets - location) / log_scale.exp()).abs()
    level = min(1.0, 0.9 * (len(z) + 1) / len(z))
    reached = float(torch.quantile(z, level))
    return min(max(reached / float(stdtrit(float(freedom), 0.95)), 0.3), 10.0)
