"""The default surrogate, from a history to a belief."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from torch import Tensor

from at2.surrogate.belief import Belief
from at2.surrogate.completion.complete import complete
from at2.surrogate.history import History
from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.cold import cold_belief
from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior, prior_without_sources
from at2.surrogate.transfer.fitted.sources import Sources, standardize
from at2.surrogate.transfer.settling import SettlingBelief
from at2.surrogate.transfer.view import View, view_of
from at2.surrogate.warp import IdentityWarp, LogitWarp, Warp, choose_warp

_LOG = logging.getLogger(__name__)


class _Priors(Protocol):
    """What sources let expect of a target, each made when it is first asked for."""

    def __call__(self, *, best_so_far: bool, doubted: bool) -> TargetPrior:
        """Return the prior of curves of the best reading so far, or of readings; doubted as in `fit_prior`."""


@dataclass(frozen=True)
class WeightedSources:
    """A target's curves are a weighted sum of the sources' curves plus a deviation of their own.

    Args:
        grid: Hypotheses over which the belief averages.
        temper: Power of the likelihood in their weights, in (0, 1].
        temper_alone: The same without sources, where the readings themselves must say how curves go.
        count: As how many independent readings all of them count in the weights of hypotheses about readings, which
            make intervals and densities, however many they are: they come from a few curves, chosen because they look
            good. After n readings the power is ``count / (count + n)``.
        reach: For decisions, readings further than this many standard deviations below what is expected of them are
            drawn in to there.

    Raises:
        ValueError: If a power lies outside (0, 1], or count or reach are not positive.

    Example:
        >>> import torch
        >>> from at2.surrogate import History
        >>> curves = torch.rand(3, 1, 8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> belief = WeightedSources().fit(History(curves, torch.linspace(0, 1, 8, dtype=torch.float64)[:, None]))
        >>> belief.observe(0, 0, 0.5)
        >>> belief.values().mean.shape
        torch.Size([8])
    """

    grid: Grid = field(default_factory=Grid)
    temper: float = 0.15
    temper_alone: float = 0.5
    count: float = 3.0
    reach: float = 4.0

    def __post_init__(self) -> None:
        """Check the powers and the count."""
        for name, power in (("temper", self.temper), ("temper_alone", self.temper_alone)):
            if not 0.0 < power <= 1.0:
                raise ValueError(f"{name} must lie in (0, 1], got {power}")
        for name, number in (("count", self.count), ("reach", self.reach)):
            if not number > 0.0:
                raise ValueError(f"{name} must be positive, got {number}")

    def fit(self, history: History, *, seed: int = 0) -> Belief:
        """Fit to the sources and return the belief about a target of which nothing has been seen yet.

        Sources that do not compare configurations (`History.compares`) say no more than which ones somebody kept.

        Args:
            history: Curves of the sources over the candidates.
            seed: Seed of the choice of configurations on which the kernel is fitted, where there are many.
        """
        readings = history.readings()
        warp = choose_warp(*readings)
        learnt = self._learn(history, warp, seed=seed) if history.compares else None
        if learnt is None:
            if history.n_source:
                _LOG.warning(
                    "what the sources have run does not say how configurations differ: this starts as without them"
                )
            return self._alone(history, warp)
        expected = learnt(best_so_far=True, doubted=False)
        plain, largest = View(warp), max(float(source.abs().max()) for source in readings)

        @cache
        def of_another_unit() -> _Priors:
            return self._learn(history, IdentityWarp(), seed=seed, own_unit=True) or learnt

        def make(view: View) -> WeightedBelief:
            return self._related(of_another_unit() if view.own_unit else learnt, view)

        def see(values: Tensor, best: Tensor, now: View) -> View:
            view = view_of(values, best, now, plain=plain, prior=expected, largest=largest)
            if view.own_unit and not now.own_unit:
                _LOG.warning(
                    "the readings of the target do not look like those of its sources: is the metric in another unit "
                    "there? From here on the target is measured in a unit of its own"
                )
            elif not view.own_unit and view.warp not in (warp, now.warp):
                _LOG.warning(
                    "the readings of the target and of its sources look like the same metric, one in per cent and one "
                    "in shares of 1: is that so? From here on they are read as such"
                )
            return view

        return SettlingBelief(plain, make=make, see=see)

    def _related(self, learnt: _Priors, view: View) -> WeightedBelief:
        """What sources let expect under a view."""

        def over(*, best_so_far: bool) -> TargetPrior:
            prior = learnt(best_so_far=best_so_far, doubted=view.surprising)
            prior = prior if view.location is None else prior.moved(view.location)
            return prior.on_plateau() if view.on_plateau else prior

        @cache
        def readings() -> Posterior:
            wide = Hypotheses(over(best_so_far=False).widened(), self.grid)
            return Posterior(wide, temper=1.0, count=self.count)

        values = Hypotheses(over(best_so_far=True), self.grid)
        return WeightedBelief(Posterior(values, temper=self.temper, reach=self.reach), view.warp, readings=readings)

    @staticmethod
    def _learn(history: History, warp: Warp, *, seed: int, own_unit: bool = False) -> _Priors | None:
        """Learn from the sources, or None where they say nothing: all curves of a task are alike."""
        unlimited = not isinstance(warp, LogitWarp)  # a loss may diverge, a share cannot

        @cache
        def sources(*, best_so_far: bool) -> Sources:
            drawn_in = best_so_far and unlimited  # intervals of poor readings need them as they are
            completed = complete(history, warp=warp, best_so_far=best_so_far, poor_drawn_in=drawn_in, seed=seed)
            # before the first epoch that was logged curves go as without sources: intervals need not be wider for it
            variance = completed.variance if best_so_far else completed.variance_where_logged
            return standardize(
                completed.mean,
                None if completed.exact else variance,
                broken_off=completed.broken_off if best_so_far else None,
                never_run=completed.never_run,
                n_unlogged=completed.n_unlogged,
                poor_drawn_in=drawn_in,
                leads_levelled=best_so_far,
                failures_replaced=best_so_far,
            )

        @cache
        def prior(*, best_so_far: bool, doubted: bool) -> TargetPrior:
            told = sources(best_so_far=best_so_far)
            if not told.n_source:
                told = sources(best_so_far=True)
            features = history.features.to(told.curves)
            return fit_prior(told, features, seed=seed, own_unit=own_unit, doubted=doubted)

        return prior if sources(best_so_far=True).n_source else None

    def _alone(self, history: History, warp: Warp) -> Belief:
        """What is believed without sources."""
        prior = prior_without_sources(history.features, history.n_epoch, kept=history.run_alone())
        hypotheses = Hypotheses(prior, self.grid)
        return cold_belief(
            warp,
            values=lambda: Posterior(hypotheses, temper=self.temper_alone, reach=self.reach),
            readings=lambda: Posterior(hypotheses, temper=1.0, count=self.count),
        )
