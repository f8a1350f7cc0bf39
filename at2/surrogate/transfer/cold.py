"""A start without any source: the unit of the metric is learnt from the readings themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.settling import SettlingBelief
from at2.surrogate.transfer.view import View, is_time_to_settle
from at2.surrogate.warp import AffineWarp, IdentityWarp, LogitWarp, LogWarp, ShiftedLogWarp, Warp, choose_warp

_LARGEST_SHARE = -1.0  # the poorest that an error rate can be
_STRAIGHT = 4.0  # medians of a loss, up to which it is seen on a line that is about straight
_FURTHEST = 3.0  # mean distances of good readings from the median, beyond which a poor one counts no more


def cold_belief(warp: Warp, *, values: Callable[[], Posterior], readings: Callable[[], Posterior]) -> SettlingBelief:
    """Return what is believed without sources; its unit is settled again as readings come in.

    Args:
        warp: Warp to use until there are readings.
        values: Makes the hypotheses about the best reading so far, before the first of them.
        readings: Makes those about readings.
    """
    return SettlingBelief(
        View(warp, surprising=True),  # there is nothing that curves could be unlike
        make=lambda view: WeightedBelief(values(), view.warp, readings=readings),
        see=lambda values, _, now: View(_unit_of(values)) if is_time_to_settle(len(values)) else now,
    )


def _unit_of(values: Tensor) -> Warp:
    """Log odds for shares; for any other metric, what makes the readings of order 1.

    A loss above 1 has no upper end: trainings that diverge must not set the unit of those that do not, nor must a score
    that stands for one that crashed.
    """
    warp = choose_warp(values)
    if isinstance(warp, LogitWarp):
        return warp
    centre = values.median()
    if isinstance(warp, LogWarp) and float(values.min()) < _LARGEST_SHARE and float(centre) < 0.0:
        shifted = ShiftedLogWarp(float(centre), shift=-_STRAIGHT * float(centre))
        return replace(shifted, unit=float(_spread(shifted.forward(values))) or 1.0)
    unit = _spread(values) if isinstance(warp, IdentityWarp) else (values - centre).abs().mean()
    return AffineWarp(float(centre), float(unit) or abs(float(centre)) or 1.0)


def _spread(latent: Tensor) -> Tensor:
    """Mean distance from the median, in which poor readings count for no more than three times what good ones do."""
    distance = latent - latent.median()
    good = distance[distance > 0.0]
    return distance.abs().clamp_max(_FURTHEST * good.mean() if len(good) else torch.inf).mean()
