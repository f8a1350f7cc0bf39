"""The target's prior given the sources, fitted once per history (the amortization)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from at2.surrogate.kernels import embed
from at2.surrogate.transfer.fitted.agreement import consensus, shares, trust
from at2.surrogate.transfer.fitted.deviation import (
    common_covariance,
    epoch_covariance,
    fit_config_kernel,
    generic_config_kernel,
    less_of_readings,
    noise_of_readings,
    of_unlogged,
    spread_by_rank,
)
from at2.surrogate.transfer.fitted.failures import Failures, unseen_failures
from at2.surrogate.transfer.fitted.residuals import (
    leave_one_out_residuals,
    rank_share,
    rank_weights,
    ranks_on_others,
    split_common,
    usual_part,
)
from at2.surrogate.transfer.fitted.rises import learn_rises
from at2.surrogate.transfer.fitted.sources import Sources
from at2.surrogate.transfer.fitted.together import Together
from at2.surrogate.transfer.fitted.untold import untold_of
from at2.surrogate.transfer.fitted.ways import Way, beside_plateaus, generic_ways, learnt_ways

_LEAST_SCALE_SPREAD = 0.5  # tasks differ in scale by at least this log standard deviation, however alike the sources
_OWN_UNITS = 2.0  # where they differ by more than this, each task is measured in a unit of its own
_OWN_UNIT_SPREAD = 2.5  # at least, where the target is known to be
_ELSEWHERE_SPREAD = 10.0  # standard deviation, in scales, of the location of a target that lies elsewhere
_OWN_ZEROS = 10.0  # where locations differ by more than this many scales, each task has a zero of its own
_LARGEST_LOCATION_VARIANCE = 1e6  # in units of s^2; numbers stay exact enough
_UNKNOWN_SCALE_SPREAD = 1.0  # the same without sources
_UNKNOWN_LOCATION_SPREAD = 2.0  # prior standard deviation of the location without sources, in scales
_TREND_SPREAD = 2.0  # the same of the size of each trend that all curves share
_KEPT = 1.5  # how far above the others a training lies that somebody kept: the best of ten or so,
_KEPT_VARIANCE = 0.5  # by another task, and perhaps of another order
_SINGLE = 0.5  # of how configurations go together is as without sources where there is a single one
_MUCH_BROKEN_OFF = 0.25  # where this share of the curves lies after their last readings, all is completion's
_MANY = 20  # configurations; of fewer it is not known which deviate as is usual, nor how that goes with their rank


@dataclass(frozen=True)
class TargetPrior:
    """What is believed about a target before its first reading, up to the grid of hypotheses.

    Args:
        mean: ``mu``, shape ``(n_config, n_column)``.
        sources: ``Z / sqrt(n_source)``, shape ``(n_source, n_config, n_column)``; weights have variance ``tau^2``.
        shares: Prior means of their weights, ``(n_source,)``, see `at2.surrogate.transfer.fitted.agreement.shares`.
        common_covariance: Covariance between columns of what all configurations have in common beyond the location,
            ``(n_column, n_column)``.
        rise: ``g``, further rises of the mean curves, ``(n_config, n_column)``; see `rises`.
        rise_covariance: ``B``, covariance between columns of how much of them the target repeats,
            ``(n_column, n_column)``.
        together: ``Kc``, of configurations that deviate less than the leading ones smaller; what completion left open
            of each in the mean of the sources is part of their variances.
        epoch_covariances: ``Ke``, one for each way in which curves may go, ``(n_way, n_column, n_column)``; each makes
            hypotheses of its own.
        epoch_noise: What of their diagonals is noise of a reading, not a matter of the curve, ``(n_way, n_column)``.
        spread: How much further each configuration deviates than that, as a factor of the standard deviation,
            ``(n_config,)``; see `widened`.
        left_open: Variance of each column that completion left open, ``(n_column,)``; see `widened`.
        location: Prior mean of ``m``, in latent units.
        location_variance: Prior variance of ``m``, in units of ``s^2``.
        log_scale: Prior mean of ``log s``.
        log_scale_spread: Its prior standard deviation.
        way_probabilities: How likely each way is before the first reading, ``n_way`` numbers that sum to 1.
        way_silent: In how many first epochs readings say nothing by each way, ``n_way`` numbers.
        failures: How configurations fail that learn elsewhere; None where none does on the sources.
        doubt: How little the sources agree, in [0, 1]; 1 without any, 0 for a single one, which nothing speaks against.
    """

    mean: Tensor
    sources: Tensor
    shares: Tensor
    common_covariance: Tensor
    rise: Tensor
    rise_covariance: Tensor
    together: Together
    epoch_covariances: Tensor
    epoch_noise: Tensor
    spread: Tensor
    left_open: Tensor
    location: float
    location_variance: float
    log_scale: float
    log_scale_spread: float
    failures: Failures | None = None
    way_probabilities: tuple[float, ...] = (1.0,)
    way_silent: tuple[int, ...] = (0,)
    doubt: float = 0.0

    @property
    def n_config(self) -> int:
        """Number of configurations."""
        return self.mean.shape[0]

    @property
    def n_epoch(self) -> int:
        """Length of a full training; the column after the last epoch is the best of the curve."""
        return self.mean.shape[1] - 1

    @property
    def ways(self) -> list[Way]:
        """In which ways curves may go."""
        told = (self.epoch_covariances, self.epoch_noise, self.way_probabilities, self.way_silent)
        return [Way(*way) for way in zip(*told, strict=True)]

    def with_ways(self, ways: list[Way]) -> TargetPrior:
        """Return the prior of curves that may go in other ways."""
        return replace(self, **_of_ways(ways))

    @property
    def has_own_unit(self) -> bool:
        """Whether tasks differ in scale by so much that the target's is a matter of its own readings."""
        return self.log_scale_spread > _OWN_UNITS

    def failures_to_watch(self) -> Failures | None:
        """Return how configurations may fail on the target.

        None without sources, which say how sound ones go, or where none failed on them and the target's unit is a
        matter of its readings: what is far below them is not known then.
        """
        if self.failures is not None or not len(self.sources) or self.has_own_unit:
            return self.failures
        return unseen_failures(self.sources * math.sqrt(len(self.sources)))

    def moved(self, location: float) -> TargetPrior:
        """Return the prior of a target that does not lie where sources do, but about there, in latent units."""
        variance = max(self.location_variance, _ELSEWHERE_SPREAD**2)
        return replace(self, location=location, location_variance=variance)

    def on_plateau(self) -> TargetPrior:
        """Return the prior of a target whose curves may stay on a plateau for a while, though those of sources rise."""
        return self.with_ways(beside_plateaus(self.ways))

    def widened(self) -> TargetPrior:
        """Return the prior in which every configuration deviates as far as those of its rank do, at every epoch.

        Configurations of low rank deviate further than the leading ones, mostly downwards. A Gaussian cannot say so
        without making them look promising as well, and budgets would go to them: this is for intervals, not for
        decisions.

        Completed curves are expectations and lie closer to one another than true ones do. What completion left open of
        a source is therefore missing from ``Ke``, at the epochs where it did. What it left open of the other sources
        counts for each configuration, twice: in what they leave of a source, and in what they say of the target. Of a
        single source, which leaves nothing, it counts once.
        """
        between = self.epoch_covariances
        size = (1.0 + self.left_open / between.diagonal(dim1=1, dim2=2)).sqrt()
        widened = between * size[:, :, None] * size[:, None, :]
        twice = min(2.0, float(max(self.sources.shape[0], 1))) * between[0].trace() / widened[0].trace()
        kept = self.together
        return replace(
            self,
            together=replace(kept, unsure=twice * kept.unsure, size=self.spread * kept.size),
            epoch_covariances=widened,
            spread=torch.ones_like(self.spread),
            left_open=torch.zeros_like(self.left_open),
        )


def _of_ways(ways: list[Way]) -> dict[str, Any]:
    """What a prior holds of the ways in which curves may go."""
    return {
        "epoch_covariances": torch.stack([way.covariance for way in ways]),
        "epoch_noise": torch.stack([way.noise for way in ways]),
        "way_probabilities": tuple(way.probability for way in ways),
        "way_silent": tuple(way.n_silent for way in ways),
    }


def fit_prior(
    sources: Sources, features: Tensor, *, seed: int = 0, own_unit: bool = False, doubted: bool = False
) -> TargetPrior:
    """Learn from the sources what to expect of a target.

    Args:
        sources: Standardized curves of at least one task.
        features: Encoded configurations, shape ``(n_config, n_feature)``, NaN where inactive.
        seed: Seed of the choice of configurations on which the kernel is fitted, where there are many.
        own_unit: Whether the target is known to be measured in another unit than the sources; where it lies is then
            a matter of its readings, see `TargetPrior.moved`.
        doubted: Whether how curves go on the sources is in doubt, however much they agree.

    Returns:
        The prior.
    """
    z = sources.curves
    weights, left = rank_weights(z), leave_one_out_residuals(z)
    put_in = _put_in(sources, weights)
    rises = learn_rises(z, left).doubted(put_in)
    common, residuals = split_common(left, weights)
    believed = 0.0 if doubted else trust(z, sources.unsure_if_never_run)
    untold = untold_of(sources, weights, put_in=_put_in(sources, _of_those_run(sources, weights)))

    def covariance(own: Tensor) -> Tensor:
        return less_of_readings(epoch_covariance(own, weights, trust=believed), put_in)

    shown = covariance(residuals)
    usual = covariance(usual_part(left, weights)) if sources.n_source > 1 and z.shape[1] >= _MANY else shown
    doubt = 1.0 - believed if sources.n_source > 1 or doubted else 0.0  # nothing speaks against a single source
    between = shown + untold.covariance
    noise, usual_noise = (noise_of_readings(part, sources.n_source, trust=believed) for part in (shown, usual))
    as_usual = (usual + untold.covariance, usual_noise)
    size = float(z[:, :, -1].var(1, correction=0).mean())
    ways = learnt_ways((between, noise), as_usual, doubt, n_unlogged=sources.n_unlogged, size=size)
    unconfirmed = doubt if sources.n_source > 1 else _SINGLE  # nothing confirms how they go together on one alone
    together = untold.add_to(_together(residuals, embed(features), shown, unconfirmed, seed=seed), shown)
    counted = shares(z)
    spread, near = _spread(z, residuals, shown)
    spread = untold.with_missing(spread, shown)
    unsure = counted.square() @ sources.unsure / between.diagonal().mean()  # of a mean of sources
    log_scale, scale_spread = _log_scale(sources, least=_OWN_UNIT_SPREAD if own_unit else _LEAST_SCALE_SPREAD)
    lift, location, location_variance = (0.0, 0.0, 1.0) if own_unit else _location(sources, scale_spread)
    return TargetPrior(
        mean=rises.bend(consensus(z)) + lift,
        sources=z / math.sqrt(sources.n_source),
        shares=counted,
        common_covariance=common_covariance(common) + of_unlogged(sources.n_unlogged, common),
        rise=rises.rise,
        rise_covariance=rises.covariance,
        together=replace(together, unsure=unsure, size=near),
        spread=spread / near,
        left_open=sources.left_open,
        location=location,
        location_variance=location_variance,
        log_scale=log_scale,
        log_scale_spread=scale_spread,
        failures=sources.failures,
        **_of_ways(ways),
        doubt=doubt,
    )


def _put_in(sources: Sources, weights: Tensor) -> float:
    """How far completion, not the sources, says how the curves go that deviations are learnt from; in [0, 1]."""
    share = float((weights * sources.broken_off).sum(1).mean())
    return min(share / _MUCH_BROKEN_OFF, 1.0)


def _of_those_run(sources: Sources, weights: Tensor) -> Tensor:
    """The same weights where a source has run the configuration, 0 elsewhere, rows summing to 1 again."""
    if sources.never_run is None:
        return weights
    run = weights * ~sources.never_run.which
    return run / run.sum(1, keepdim=True).clamp_min(1e-12)


def _together(residuals: Tensor, points: Tensor, between: Tensor, doubt: float, *, seed: int) -> Together:
    """How deviations of configurations go together: as learnt, drawn towards what holds without sources by doubt."""
    learnt = fit_config_kernel(residuals, points, between, seed=seed)
    if doubt == 0.0:
        return Together.plain(points, learnt)
    return Together.plain(points, learnt.scaled(1.0 - doubt), generic_config_kernel(points).scaled(doubt))


def _spread(curves: Tensor, residuals: Tensor, between: Tensor) -> tuple[Tensor, Tensor]:
    """How far configurations deviate by their rank, each ``(n_config,)``: in all, and for decisions.

    Those of low rank mostly deviate further, downwards, which decisions do not see. Where they hardly deviate, because
    they stay at chance on every source, decisions see that: they deviate less far than the leading ones.
    """
    if curves.shape[0] == 1:
        ones = torch.ones_like(curves[0, :, 0])
        return ones, ones
    asked = rank_share(consensus(curves[:, :, -1:])[:, 0])
    found = spread_by_rank(residuals, between, ranks_on_others(curves), torch.cat([asked.new_zeros(1), asked]))
    leading, spread = found[0], found[1:]
    near = (spread / leading).clamp_max(1.0) if curves.shape[1] >= _MANY else torch.ones_like(spread)
    return spread, near


def _location(sources: Sources, log_scale_spread: float) -> tuple[float, float, float]:
    """Where the target lies: some scales above 0, a location in latent units, and its variance in units of s^2."""
    if log_scale_spread > _OWN_UNITS:  # what tasks have in common is then their location in units of their own
        above = sources.location / sources.log_scale.exp()
        spread = float(above.std()) if sources.n_source > 1 else abs(float(above.mean()))
        return float(above.mean()), 0.0, min(max(1.0, spread**2), _LARGEST_LOCATION_VARIANCE)
    spread = float(sources.location.std()) if sources.n_source > 1 else 0.0
    spread = spread / math.exp(float(sources.log_scale.mean()))
    if spread > _OWN_ZEROS:  # under small scales as well
        spread = spread * math.exp(2.0 * log_scale_spread)
    return 0.0, float(sources.location.mean()), min(max(1.0, spread**2), _LARGEST_LOCATION_VARIANCE)


def _log_scale(sources: Sources, *, least: float) -> tuple[float, float]:
    spread = float(sources.log_scale.std()) if sources.n_source > 1 else 0.0
    return float(sources.log_scale.mean()), max(least, spread)


def prior_without_sources(features: Tensor, n_epoch: int, kept: Tensor | None = None) -> TargetPrior:
    """Return a plain freeze-thaw prior: curves rise at an unknown rate common to all, and settle.

    Whether the first reading says anything is left open: in some tables it is taken before any training.

    Args:
        features: Encoded configurations, shape ``(n_config, n_feature)``, NaN where inactive.
        n_epoch: Length of a full training.
        kept: Of which configurations somebody kept a training, though nothing else is known of them, ``(n_config,)``;
            None where of none.

    Returns:
        A prior for readings whose unit is about their spread.
    """
    points = embed(features)
    n_config = features.shape[0]
    t = torch.arange(1, n_epoch + 1, dtype=points.dtype, device=points.device)
    t = torch.cat([t, t[-1:]])
    ways, together = generic_ways(n_epoch, points), Together.plain(points, generic_config_kernel(points))
    trends = torch.stack([t.rsqrt() - t[-1].rsqrt(), (t / t[-1]).log() / max(1.0, math.log(n_epoch))])
    return TargetPrior(
        mean=_expected_of(kept, together)[:, None] * ways[0].covariance[-1] / ways[0].covariance[-1, -1],
        sources=points.new_zeros(0, n_config, n_epoch + 1),
        shares=points.new_zeros(0),
        common_covariance=_TREND_SPREAD**2 * trends.T @ trends,
        rise=points.new_zeros(n_config, n_epoch + 1),
        rise_covariance=points.new_zeros(n_epoch + 1, n_epoch + 1),
        together=together,
        spread=points.new_ones(n_config),
        left_open=points.new_zeros(n_epoch + 1),
        location=0.0,
        location_variance=_UNKNOWN_LOCATION_SPREAD**2,
        log_scale=0.0,
        log_scale_spread=_UNKNOWN_SCALE_SPREAD,
        **_of_ways(ways),
        doubt=1.0,
    )


def _expected_of(kept: Tensor | None, together: Together) -> Tensor:
    """What values are expected where somebody kept the trainings of some configurations, in scales, ``(n_config,)``."""
    if kept is None or not bool(kept.any()):
        return together.points.new_zeros(len(together.points))
    rows = torch.nonzero(kept)[:, 0]
    between = together.between(rows, rows)
    noise = _KEPT_VARIANCE * torch.eye(len(rows)).to(between)
    told = torch.linalg.solve(between + noise, torch.full_like(between[:, 0], _KEPT))
    expected: Tensor = told @ together.with_all(rows)
    return expected
