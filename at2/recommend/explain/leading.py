"""The configurations that lead, and what readings of them are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from at2.recommend.recommender import Recommender

_HALF_WIDTH = 1.645  # standard deviations to each side that hold 90 % of a Gaussian


def leading_readings(recommender: Recommender, n: int) -> tuple[list[int], Tensor, Tensor]:
    """Return the n eligible configurations of the highest expected value, and what their readings are expected to be.

    Returns:
        Their rows, the first the best; mean readings in user units, and half the widths of 90 % intervals of them, each
        ``(n, n_epoch)``.
    """
    problem, belief = recommender.problem, recommender.belief
    eligible = recommender.state().eligible
    value = torch.where(eligible, belief.values().mean.cpu(), -torch.inf)
    rows = value.argsort(descending=True, stable=True)[: min(n, int(eligible.sum()))]
    readings = belief.predict(rows)
    return rows.tolist(), problem.sign * readings.mean.cpu(), _HALF_WIDTH * readings.std.cpu()
