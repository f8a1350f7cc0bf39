"""A start without any source: the unit of the metric is learnt from the readings themselves."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.posterior import Posterior
from at2.surrogate.transfer.settling import SettlingBelief
from at2.surrogate.transfer.view import View, is_time_to_settle
from at2.surrogate.warp import AffineWarp, LogitWarp, Warp, choose_warp


def cold_belief(warp: Warp, *, values: Callable[[], Posterior], readings: Callable[[], Posterior]) -> SettlingBelief:
    """Return what is believed without sources; its unit is settled again as readings come in.

    Args:
        warp: Warp to use until there are readings.
        values: Makes the hypotheses about the best reading so far, before the first of them.
        readings: Makes those about readings.
    """
    return SettlingBelief(
        View(warp),
        make=lambda view: WeightedBelief(values(), view.warp, readings=readings),
        see=lambda values, now: View(_unit_of(values)) if is_time_to_settle(len(values)) else now,
    )


def _unit_of(values: Tensor) -> Warp:
    """Log odds for shares; for any other metric, what makes the readings of order 1."""
    warp = choose_warp(values)
    if isinstance(warp, LogitWarp):
        return warp
    centre = values.median()
    spread = (values - centre).abs().mean()
    unit = spread if float(spread) > 0.0 else centre.abs()
    return AffineWarp(float(centre), float(unit) or 1.0)
