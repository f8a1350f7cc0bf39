"""The default surrogate, from a history to a belief."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from torch import Tensor

from at2.surrogate.belief import Belief
from at2.surrogate.completion import complete
from at2.surrogate.history import History
from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.cold import ColdBelief
from at2.surrogate.transfer.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.posterior import Posterior
from at2.surrogate.transfer.prior import fit_prior, prior_without_sources
from at2.surrogate.transfer.sources import Sources, standardize
from at2.surrogate.warp import LogitWarp, choose_warp


@dataclass(frozen=True)
class WeightedSources:
    """A target's curves are a weighted sum of the sources' curves plus a deviation of their own.

    Args:
        grid: Hypotheses over which the belief averages.
        temper: Power of the likelihood in their weights, in (0, 1].
        temper_readings: The same for the hypotheses about readings, which make intervals and densities.
        temper_alone: The same without sources, where the readings themselves must say how curves go.

    Raises:
        ValueError: If a power lies outside (0, 1].

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
    temper_readings: float = 0.1
    temper_alone: float = 0.5

    def __post_init__(self) -> None:
        """Check the powers."""
        for name, power in self._powers():
            if not 0.0 < power <= 1.0:
                raise ValueError(f"{name} must lie in (0, 1], got {power}")

    def fit(self, history: History, *, seed: int = 0) -> Belief:
        """Fit to the sources and return the belief about a target of which nothing has been seen yet.

        Args:
            history: Curves of the sources over the candidates.
            seed: Seed of the choice of configurations on which the kernel is fitted, where there are many.
        """
        warp = choose_warp(history.readings())
        if history.n_source:
            completed = complete(history, warp=warp, seed=seed)
            variance = None if completed.exact else completed.variance
            unlimited = not isinstance(warp, LogitWarp)  # a loss may diverge, a share cannot
            rising = completed.mean.cummax(-1).values
            best = standardize(rising, variance, poor_drawn_in=unlimited, leads_levelled=True)
            read = standardize(completed.mean, variance)  # intervals of poor readings need them as they are
            if best.n_source and read.n_source:
                features = history.features.to(completed.mean)
                prior = fit_prior(best, features, history.n_epoch, seed=seed)
                readings = cache(lambda: self._of_readings(read, features, history.n_epoch, seed))
                start = Posterior(Hypotheses(prior, self.grid), temper=self.temper)
                return WeightedBelief(start, warp, readings=readings)
        return ColdBelief(lambda: self._alone(history), warp)

    def _of_readings(self, sources: Sources, features: Tensor, n_epoch: int, seed: int) -> Posterior:
        prior = fit_prior(sources, features, n_epoch, seed=seed)
        return Posterior(Hypotheses(prior.widened(), self.grid), temper=self.temper_readings)

    def _alone(self, history: History) -> Posterior:
        prior = prior_without_sources(history.features, history.n_epoch)
        return Posterior(Hypotheses(prior, self.grid), temper=self.temper_alone)

    def _powers(self) -> tuple[tuple[str, float], ...]:
        return tuple((name, getattr(self, name)) for name in ("temper", "temper_readings", "temper_alone"))
