"""How far the process and the committee are to be trusted: weights and scales, learned from answers given unseen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Verdict", "fit_verdict"]

_N_PARAMETER = 6
_GAP = 1e-3  # disagreements below this say nothing


@dataclass(frozen=True)
class Verdict:
    """A Student distribution around a weighted mean of the two.

    Args:
        parameters: Level and slope of the weight's log odds; level, and slopes by the process's deviation and by the
            disagreement, of the log scale; log of the degrees of freedom above 2.
        widening: Factor on the scale with which 90 % of the unseen answers fell into their intervals.
    """

    parameters: Tensor
    widening: float = 1.0

    def judge(self, mean: Tensor, std: Tensor, other: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return locations ``(n,)``, scales ``(n,)`` and degrees of freedom.

        Args:
            mean: The process's answers.
            std: Its standard deviations.
            other: The committee's answers.
        """
        location, log_scale, freedom = _judge(self.parameters, mean, std, other)
        return location, self.widening * log_scale.exp(), float(freedom)


def fit_verdict(mean: Tensor, std: Tensor, other: Tensor, targets: Tensor, *, n_step: int = 60) -> Verdict:
    """Choose the parameters by the density of answers that neither had seen.

    Args:
        mean: The process's answers without the curve in question, ``(n,)``.
        std: Their standard deviations.
        other: The committee's answers without it.
        targets: What came.
        n_step: Steps of L-BFGS at most.
    """
    middle = torch.tensor([1.0, 0.0, 0.0, 0.8, 0.2, math.log(3.0)], dtype=torch.float64)
    parameters = middle.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([parameters], max_iter=n_step, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        location, log_scale, freedom = _judge(parameters, mean, std, other)
        z = (targets - location) / log_scale.exp()
        density = torch.distributions.StudentT(freedom).log_prob(z) - log_scale  # type: ignore[no-untyped-call]
        loss: Tensor = -density.sum() + 2.0 * (parameters - middle).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = parameters.detach()
    if not bool(torch.isfinite(found).all()):
        found = middle
    return Verdict(found, _widening(found, mean, std, other, targets))


def _judge(parameters: Tensor, mean: Tensor, std: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    level, slope, base, by_std, by_gap, tail = parameters
    weight = torch.sigmoid(level + slope * (std.log() + 1.0))
    gap = ((mean - other).abs() + _GAP).log()
    log_scale = (base + by_std * std.log() + by_gap * (gap + 2.0)).clamp(-12.0, 6.0)
    return weight * mean + (1 - weight) * other, log_scale, 2.0 + tail.clamp(-3.0, 4.0).exp()


def _widening(parameters: Tensor, mean: Tensor, std: Tensor, other: Tensor, targets: Tensor) -> float:
    """Return the factor with which 90 % of the answers lie in their intervals, with the small-sample correction."""
    from scipy.special import stdtrit

    location, log_scale, freedom = _judge(parameters, mean, std, other)
    z = ((targets - location) / log_scale.exp()).abs()
    level = min(1.0, 0.9 * (len(z) + 1) / len(z))
    reached = float(torch.quantile(z, level))
    return min(max(reached / float(stdtrit(float(freedom), 0.95)), 0.3), 10.0)
