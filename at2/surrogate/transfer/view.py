"""How a target is seen: as its sources let expect, or, where its readings do not fit them, by its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from at2.surrogate.transfer.fitted.prior import TargetPrior
from at2.surrogate.warp import IdentityWarp, LogitWarp, Warp

_FAR = 6.0  # standard deviations of what sources let expect, beyond which the target lies elsewhere
_OUTLIER = 1e6  # a reading this many times larger than all of the history is an outlier, whatever its unit
_SHARES, _PERCENT = LogitWarp(0.0, 1.0), LogitWarp(0.0, 100.0)
_FIRST = 4  # up to this many readings, a unit is settled anew with each one; after that, whenever they have doubled


@dataclass(frozen=True)
class View:
    """Which map the target's readings go through, and what of the sources' unit holds for it.

    Args:
        warp: Map from oriented user units to latent units.
        own_unit: Whether the target is measured in another unit than the sources.
        location: Where its readings lie, in latent units; None where sources say so.
        surprising: Whether its curves are unlike those of its sources, and may go as without any.
        on_plateau: Whether they may stay on a plateau from which those of its sources had risen by then.
    """

    warp: Warp
    own_unit: bool = False
    location: float | None = None
    surprising: bool = False
    on_plateau: bool = False


def is_time_to_settle(n: int) -> bool:
    """Whether a unit is settled anew after n readings: the first few, then whenever they have doubled.

    Example:
        >>> [n for n in range(1, 40) if is_time_to_settle(n)]
        [1, 2, 3, 4, 8, 16, 32]
    """
    return n <= _FIRST or n & (n - 1) == 0


def view_of(values: Tensor, best: Tensor, now: View, *, plain: View, prior: TargetPrior, largest: float) -> View:
    """Choose the view by what has been read so far.

    Args:
        values: Readings of the target in oriented user units, ``(n,)``, at least one.
        best: The best reading of each one's curve until then, ``(n,)``; where the target lies is said by these, since
            a training that diverged says nothing of that.
        now: The view in use.
        plain: The view that the sources suggest.
        prior: What they let expect under it.
        largest: Size of the largest reading of the history.

    Returns:
        The plain view, unless readings are none that its warp was made for, or on the whole too far away. Shares after
        percentages, or the other way round, are read as such where they then lie about where sources do; any others
        have a unit of their own, and so may those that are too far away on a linear scale. A single outlier decides
        nothing.
    """
    settled = is_time_to_settle(len(values))
    sound = sorted(set(values[values.abs() <= _OUTLIER * largest].tolist()))
    if _is_foreign(sound, plain.warp):
        if not settled and now.warp != plain.warp and now.warp.admits(sound[-1]):
            return now
        return _foreign_view(sound, _middle(best), plain=plain, prior=prior)
    if now.warp != plain.warp:
        now = plain
    if not settled or prior.has_own_unit:
        return now
    middle = float(plain.warp.forward(best.new_tensor(_middle(best))))
    if _is_near(middle, prior):
        return plain
    return View(plain.warp, own_unit=isinstance(plain.warp, IdentityWarp), location=middle)


def _is_near(location: float, prior: TargetPrior) -> bool:
    """Whether sources let expect a target there, in latent units."""
    unit = math.exp(prior.log_scale) * math.sqrt(1.0 + prior.location_variance)
    return abs(location - prior.location) <= _FAR * unit


def _foreign_view(sound: list[float], middle: float, *, plain: View, prior: TargetPrior) -> View:
    """The same shares written in the other way, per cent or not, where that is what they look like; else by itself."""
    other = _PERCENT if sound[len(sound) // 2] > 1.0 else _SHARES
    are_shares = plain.warp in (_SHARES, _PERCENT) and not _is_foreign(sound, other)
    if are_shares and _is_near(float(other.forward(prior.mean.new_tensor(middle))), prior):
        return View(other)
    return View(IdentityWarp(), own_unit=True, location=middle)


def _is_foreign(sound: list[float], warp: Warp) -> bool:
    """Whether the readings, in ascending order, are none of the sources' metric: another unit, or another range.

    Poor ones alone do not say so: a score such as -1 stands for a training that crashed, however often it comes.
    """
    outside = [value for value in sound if not warp.admits(value)]
    if outside and (sound[-1] in outside or 2 * len(outside) > len(sound)):
        return True
    return warp == _PERCENT and len(sound) >= _FIRST and sound[-1] <= 1.0


def _middle(values: Tensor) -> float:
    """The median; of two in the middle the upper one, the other may be of a training that diverged."""
    return float(values.sort().values[len(values) // 2])
