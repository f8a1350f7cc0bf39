"""Ragged source curves made whole: mean and variance of every source's curve on the whole grid of configurations.

A complete history is passed through as it is. Otherwise every source gets a process of its own over (configuration,
epoch) with hyperparameters that all sources share: `fit_epochs` for the epochs, marginal likelihood for the
configurations, `LatentPosterior` for the curves. Of configurations that a source has never run the others inform it,
as far as they agree: by one process over the levels of all curves where they are few (`joint_levels`),
configuration by configuration where they are many (`common_values`). How what is left open of those goes
over the epochs is learnt apart where curves were stopped (`own_curves`). What was measured stays as it
was measured, so that a history with one cell missing is nearly a complete one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from at2.surrogate.completion.common_values import Coefficients, learn_loadings, rows_to_learn_from, share
from at2.surrogate.completion.completed import Completed, NeverRun
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.completion.epoch_covariance import EpochModel, fit_epochs
from at2.surrogate.completion.failed_curves import excess_of_failing, find_failed, lower
from at2.surrogate.completion.joint_levels import fit_levels, predict_levels, read_levels
from at2.surrogate.completion.own_curves import own_covariance
from at2.surrogate.history import History
from at2.surrogate.kernels import ConfigKernel, embed
from at2.surrogate.kronecker.latent import LatentPosterior, WhiteCurves, log_evidence, update_rows, whiten
from at2.surrogate.numerics.descent import minimize_near
from at2.surrogate.numerics.limited import at_least, at_most
from at2.surrogate.warp import Warp, choose_warp

_LOG = logging.getLogger(__name__)
_EPOCH_CURVES = 300  # curves that the epoch covariance is estimated from
_FIT_CURVES = 400  # curves that length scales and variances are fitted on, over all sources
_FIT_SIZE = 400  # coefficients of one source in that fit; the cost is its cube
_SIZE = 3600  # coefficients of one source that are conditioned on together
_TOTAL = 7800  # cube root of the sum over sources of their cubes
_FULL_EFFORT = 0.25  # share of a source's curves that are not whole, from which on nothing is saved
_FEW_CURVES = 2500  # of all sources together: their levels are worked on at once
_SHORT = 50  # curves of a source, on average, up to which that many of all curves say more than each source by itself


@dataclass(frozen=True)
class CompletionSettings:
    """How much work a completion may be.

    Args:
        max_rank: Most directions in which curves may move; the rest counts as noise.
        max_iter: Iterations of L-BFGS for each of the two fits.
        max_size: Most coefficients (curves times directions) of one source that are conditioned on together; fewer
            where less than a quarter of its curves are to be completed. Of larger sources some curves, drawn at
            random, inform all configurations, and every curve its own configuration.
    """

    max_rank: int = 6
    max_iter: int = 30
    max_size: int = _SIZE

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.max_rank, self.max_iter, self.max_size) < 1:
            raise ValueError(f"completion settings must be positive, got {self}")


@torch.no_grad()
def complete(
    history: History,
    *,
    warp: Warp | None = None,
    best_so_far: bool = False,
    poor_drawn_in: bool = False,
    seed: int = 0,
    settings: CompletionSettings | None = None,
) -> Completed:
    """Complete the curves of every source.

    Args:
        history: Curves of the sources, of any length, with any configuration missing on any source.
        warp: Map from oriented user units to latent units; None takes `choose_warp`'s.
        best_so_far: Whether the curves are of the best reading up to each epoch. They do not show how far a training
            fell when it diverged, and never end below what they have reached.
        poor_drawn_in: Whether readings far below the median one of their source are drawn in, measured ones included,
            so that diverged trainings do not set the scale on which the good ones are told apart. A complete history
            stays as it is.
        seed: Draws the curves that are fitted on, where there are too many.
        settings: How much work it may be; None takes the defaults.

    Returns:
        Finite mean and variance for every source, configuration and epoch.

    Raises:
        TableError: If a source has no reading at all, or a reading beyond 1e100.

    Example:
        >>> import torch
        >>> values = torch.tensor([0.5, 0.6, float("nan")], dtype=torch.float64).expand(1, 1, 4, 3)
        >>> done = complete(History(values, torch.linspace(0, 1, 4, dtype=torch.float64)[:, None]))
        >>> done.exact, bool(done.mean.isfinite().all()), bool((done.variance[:, :, 2] > 0).all())
        (False, True, True)
    """
    warp = warp or choose_warp(*history.readings())

    def read(curves: Tensor) -> Tensor:
        curves = warp.forward(curves)
        return torch.where(torch.isfinite(curves), _reached(curves), torch.nan) if best_so_far else curves

    grid, runs = read(history.mean_over_seeds()), history.elsewhere
    measured = torch.isfinite(grid)
    if bool(measured.all()):
        return Completed(grid, torch.zeros_like(grid), exact=True, broken_off=torch.zeros_like(grid[:, :, 0]))
    curves, features = CurveList.of(grid), history.features
    if runs is not None:  # their rows come after those of the grid
        curves = curves.joined(read(runs.mean_over_seeds()), runs.source, history.n_config + runs.config)
        features = torch.cat([features, runs.features])
    curves.check()
    if poor_drawn_in:
        curves, grid = curves.poor_drawn_in(grid)
    completion = _Completion(curves, embed(features), history.n_config, seed, settings or CompletionSettings())
    everyone, failed = completion, None
    if best_so_far:
        completion, failed = everyone.without_failed()
    mean, variance, never_run = completion.run()
    if failed is not None:
        never = ~measured.any(-1)
        fallen, excess = everyone.failing(failed, completion.kernel.length_scales)
        mean, variance = lower(mean, variance, fallen=fallen, excess=excess, where=never)
        never_run = replace(never_run, which=never) if never_run is not None and bool(never.any()) else None
    if best_so_far:
        mean, variance = at_least(_reached(grid), mean, variance)
        mean, variance = at_most(_to_be_reached(grid), mean, variance)
    mean, variance = torch.where(measured, grid, mean), torch.where(measured, 0.0, variance)
    mean = mean.cummax(-1).values if best_so_far else mean
    broken_off = _broken_off(measured).to(mean)
    if best_so_far and never_run is not None and bool(broken_off.any()):
        never_run = replace(never_run, own=completion.own())
    return Completed(
        mean, variance, exact=False, broken_off=broken_off, never_run=never_run, n_unlogged=curves.n_unlogged
    )


def _broken_off(measured: Tensor) -> Tensor:
    """Share of the epochs after the last measured one, 0 for curves without any, ``(n_source, n_config)``."""
    after = ~measured.flip(-1).cummax(-1).values.flip(-1)
    return after.double().mean(-1) * measured.any(-1)


def _reached(curves: Tensor) -> Tensor:
    """The best reading up to each epoch, minus infinity before the first, of curves ``(..., n_epoch)``."""
    return torch.where(torch.isfinite(curves), curves, -torch.inf).cummax(-1).values


def _to_be_reached(grid: Tensor) -> Tensor:
    """The next best reading so far of each cell, which its own is at most; infinity after the last one."""
    return torch.where(torch.isfinite(grid), grid, torch.inf).flip(-1).cummin(-1).values.flip(-1)


class _Completion:
    """One run of `complete` on a ragged history; rows of the grid come first, those elsewhere after them."""

    def __init__(
        self, curves: CurveList, points: Tensor, n_config: int, seed: int, settings: CompletionSettings
    ) -> None:
        self.given, self.points, self.n_config = curves, points, n_config
        self.seed, self.settings = seed, settings
        self.curves, self.shift, self.scale = curves.standardized()
        self.generator = torch.Generator().manual_seed(seed)
        length = self.curves.on_grid(self.curves.length, n_config)  # (n_source, n_config)
        self.read, self.whole = length > 0, length == curves.values.shape[1]
        self.epochs = self._fit_epochs()
        self.factor, self.rest = self.epochs.factor(settings.max_rank)
        self.noise = self.rest + self.epochs.noise
        self.rank = min(self.factor.shape[1], int(self.curves.length.max()))  # of what a curve says, at most

    def without_failed(self) -> tuple[_Completion, Tensor | None]:
        """A completion that learns from the curves that did not fail, and which did; itself and None where none did."""
        failed = find_failed(self._by_themselves()[:, -1], self.curves)
        if not bool(failed.any()):
            return self, None
        return _Completion(self.given.only(~failed), self.points, self.n_config, self.seed, self.settings), failed

    def failing(self, failed: Tensor, length_scales: Tensor) -> tuple[Tensor, Tensor]:
        """What trainings come to that fail, and how much likelier than others configurations of the grid are to."""
        seen = self.curves.values[failed].nanmean(0)
        expected = self.epochs.mean + self._by_themselves()[failed].mean(0)  # where none of them was read
        fallen = torch.where(torch.isfinite(seen), seen, expected)
        points = self.points[self.curves.config]
        excess = excess_of_failing(failed, points, self.points[: self.n_config], length_scales, seed=self.seed)
        return self.shift[:, None] + self.scale[:, None] * fallen, excess

    def _by_themselves(self) -> Tensor:
        """Where each curve runs by its own readings alone, less the mean curve, ``(n_curve, n_epoch)``."""
        return self._by_curve(torch.ones_like(self.scale[0])).mean @ self.factor.T

    def run(self) -> tuple[Tensor, Tensor, NeverRun | None]:
        """Mean and variance on the grid, ``(n_source, n_config, n_epoch)`` each, and `NeverRun`, in latent units."""
        known, kernel = self._coefficients()
        mean = self.epochs.mean + known.mean @ self.factor.T
        along = torch.einsum("tp,snpq,tq->snt", self.factor, known.covariance, self.factor)
        whole = self.whole[:, :, None]
        mean = torch.where(whole, self.curves.on_grid(self.curves.values, self.n_config), mean)
        variance = torch.where(whole, 0.0, along.clamp_min(0.0) + self.rest)
        scale, never_run = self.scale[:, None, None], None
        if not bool(self.read.all()):
            never_run = NeverRun(
                ~self.read, scale.square() * self._average(known.covariance, ~self.read), kernel.apart()
            )
        return self.shift[:, None, None] + scale * mean, scale.square() * variance, never_run

    def own(self) -> Tensor | None:
        """How what is a source's own goes together over the epochs, see `own_covariance`."""
        return own_covariance(self.curves, self.points, generator=self.generator, max_iter=self.settings.max_iter)

    def _average(self, covariance: Tensor, which: Tensor) -> Tensor:
        """Mean covariance between epochs of some configurations of each source, ``(n_source, n_epoch, n_epoch)``."""
        share = which / which.sum(1, keepdim=True).clamp_min(1)
        known = torch.einsum("sn,snpq->spq", share.to(covariance), covariance)
        left = self.factor @ known @ self.factor.T
        return left + which.any(1)[:, None, None] * torch.diag(self.rest)

    def _fit_epochs(self) -> EpochModel:
        """Half of the curves are the longest ones, half are drawn from all."""
        values, length = self.curves.values, self.curves.length
        order = torch.randperm(len(values), generator=self.generator).to(values.device)
        by_length = order[torch.argsort(length[order], descending=True, stable=True)]
        longest = by_length[: _EPOCH_CURVES // 2]
        others = order[~torch.isin(order, longest)][: _EPOCH_CURVES // 2]
        chosen = torch.cat([longest, others])
        shuffled = chosen[torch.randperm(chosen.numel(), generator=self.generator).to(values.device)]
        return fit_epochs(values[shuffled], max_iter=self.settings.max_iter)

    def _whiten(self, curves: Tensor) -> WhiteCurves:
        return whiten(self.curves.values[curves] - self.epochs.mean, self.factor, self.noise, rank=self.rank)

    def _draw(self, source: int, n: int) -> Tensor:
        """At most `n` curves of a source, in rising order."""
        curves = self.curves.by_source[source]
        if curves.numel() <= n:
            return curves
        return curves[torch.randperm(curves.numel(), generator=self.generator)[:n].to(curves.device)].sort().values

    @cached_property
    def kernel(self) -> ConfigKernel:
        """Maximize the evidence of a subset of the curves by L-BFGS, under log-normal priors."""
        n_source, q = self.curves.n_source, self.factor.shape[1]
        few = max(min(_FIT_SIZE // q, _FIT_CURVES // n_source), 2)
        sets = self._batches([self._draw(source, few) for source in range(n_source)])
        start = _start(self.points.shape[1])
        widths = torch.ones_like(start)
        widths[-3:] = 2.0

        def loss(raw: Tensor) -> Tensor:
            kernel = _kernel(raw.to(self.points.device))
            value = 0.5 * ((raw - start) / widths).square().sum()
            for points, white, gram in sets:
                value = value - log_evidence(kernel.matrix(points), white, gram).cpu()
            return value

        found = minimize_near(loss, start, reach=6.0, max_iter=self.settings.max_iter)
        return _kernel(found.to(self.points))

    def _batches(self, drawn: list[Tensor]) -> list[tuple[Tensor, WhiteCurves, Tensor]]:
        """Points, curves and Gram matrices of some curves of every source, stacked where sources have equally many."""
        batches = []
        for n in sorted({len(some) for some in drawn}):
            alike = [some for some in drawn if len(some) == n]
            white = [self._whiten(some) for some in alike]
            stacked = WhiteCurves(torch.stack([w.roots for w in white]), torch.stack([w.targets for w in white]))
            roots = stacked.flat_roots
            points = torch.stack([self.points[self.curves.config[some]] for some in alike])
            batches.append((points, stacked, roots @ roots.mT))
        return batches

    def _coefficients(self) -> tuple[Coefficients, ConfigKernel]:
        """Latent coefficients of the curves on the grid, given those of all sources, and how levels go together."""
        by_curve = self._by_curve(self.total)
        alone = self._on_grid(by_curve)
        for source in range(self.curves.n_source):
            asked = torch.nonzero(~self.whole[source])[:, 0]
            alone.mean[source, asked], alone.covariance[source, asked] = self._predict(source, asked)
        if self.curves.n_source > 1 and not bool(self.read.all()):
            return alone, self._inform(alone, by_curve)
        return alone, self.kernel

    def _inform(self, alone: Coefficients, by_curve: Coefficients) -> ConfigKernel:
        """Put in what other sources let expect of the configurations of the grid that a source has never run.

        A curve that was stopped speaks for itself: those that went on elsewhere are no measure of it.
        """
        asked = torch.nonzero(~self.read.all(0))[:, 0]
        source, row = torch.nonzero(~self.read[:, asked], as_tuple=True)
        at = (source, asked[row])
        if len(self.curves) <= max(_FEW_CURVES, _SHORT * self.curves.n_source):
            readings = read_levels(by_curve, self.curves, prior=self.total).some(_FEW_CURVES, self.generator)
            model = fit_levels(readings, self.points, generator=self.generator, max_iter=2 * self.settings.max_iter)
            level, variance = predict_levels(model, readings, self.points, asked)
            alone.put_levels(*at, level[source, row], variance[source, row])
            loadings, kernel = model.loadings, model.config_kernel
        else:
            own, kernel = self.total - self.kernel.constant, self.kernel
            average = self._average_coefficients(alone, by_curve)
            sample = self._sample(alone, by_curve)
            loadings = learn_loadings(*sample, average=average, prior=self.total, own=own)
            both = share(alone.of(asked), loadings, average=average, prior=self.total, own=own)
            alone.mean[at], alone.covariance[at] = both.mean[source, row], both.covariance[source, row]
        _LOG.debug("loadings of the sources on what their levels have in common: %s", loadings.tolist())
        return kernel

    def _by_curve(self, total: Tensor) -> Coefficients:
        """What each curve says of its coefficients by itself, ``(n_curve, q)`` and ``(n_curve, q, q)``."""
        n, q = len(self.curves), self.factor.shape[1]
        mean = self.curves.values.new_zeros(n, q)
        covariance = self._prior_covariance(n, total=total)
        return Coefficients(*update_rows(mean, covariance, self._whiten(torch.arange(n, device=mean.device))))

    def _prior_covariance(self, *shape: int, total: Tensor | None = None) -> Tensor:
        q = self.factor.shape[1]
        return ((self.total if total is None else total) * torch.eye(q).to(self.factor)).expand(*shape, q, q).clone()

    def _on_grid(self, by_curve: Coefficients) -> Coefficients:
        """The same of the grid, ``(n_source, n_config, q)``; what the prior says where there is no curve."""
        inside = self.curves.config < self.n_config
        covariance = self._prior_covariance(self.curves.n_source, self.n_config)
        covariance[self.curves.source[inside], self.curves.config[inside]] = by_curve.covariance[inside]
        return Coefficients(self.curves.on_grid(by_curve.mean, self.n_config), covariance)

    def _average_coefficients(self, alone: Coefficients, by_curve: Coefficients) -> Tensor:
        """Mean over the configurations, on the grid and elsewhere, ``(n_source, 1, q)``."""
        outside = self.curves.config >= self.n_config
        total = alone.mean.sum(1).index_add(0, self.curves.source[outside], by_curve.mean[outside])
        return (total / len(self.points))[:, None]

    def _sample(self, alone: Coefficients, by_curve: Coefficients) -> tuple[Coefficients, Coefficients]:
        """What is known of some configurations, on the grid and elsewhere: by all curves, by their own alone."""
        rows = rows_to_learn_from(len(self.points)).to(self.points.device)
        place = torch.full((len(self.points),), -1, device=rows.device)
        place[rows] = torch.arange(len(rows), device=rows.device)
        some = torch.nonzero(place[self.curves.config] >= 0)[:, 0]
        at = (self.curves.source[some], place[self.curves.config[some]])
        own = Coefficients(
            by_curve.mean.new_zeros(self.curves.n_source, len(rows), self.factor.shape[1]),
            self._prior_covariance(self.curves.n_source, len(rows)),
        )
        own.mean[at], own.covariance[at] = by_curve.mean[some], by_curve.covariance[some]
        known = Coefficients(own.mean.clone(), own.covariance.clone())
        grid = rows < self.n_config  # of those elsewhere nothing but their own curves is asked
        known.mean[:, grid], known.covariance[:, grid] = alone.mean[:, rows[grid]], alone.covariance[:, rows[grid]]
        return known, own

    @property
    def total(self) -> Tensor:
        """Variance of a coefficient before any curve was seen."""
        return self.kernel.constant + self.kernel.smooth + self.kernel.own

    def _predict(self, source: int, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Means and covariances of the coefficients of some rows on a source, given all of its own curves."""
        drawn = self._draw(source, max(self._size(asked.numel() / self.n_config) // self.factor.shape[1], 1))
        kernel, rows = self.kernel, self.curves.config[drawn]
        posterior = LatentPosterior(kernel.matrix(self.points[rows]), self._whiten(drawn))
        same = (asked[:, None] == rows).to(self.points.dtype)
        cross = kernel.cross(self.points[asked], self.points[rows]) + kernel.own * same
        mean, covariance = posterior.predict(cross, self.total.expand(asked.numel()))
        own = self.curves.by_source[source]
        left_out = own[torch.isin(self.curves.config[own], asked) & ~torch.isin(own, drawn)]
        if len(left_out):
            at = torch.searchsorted(asked, self.curves.config[left_out])
            mean[at], covariance[at] = update_rows(mean[at], covariance[at], self._whiten(left_out))
        return mean, covariance

    def _size(self, share: float) -> int:
        """Coefficients to condition one source on; the work, their cube, is as the share of curves asked for."""
        most = min(self.settings.max_size, int(_TOTAL / self.curves.n_source ** (1 / 3)))
        return int(most * min(share / _FULL_EFFORT, 1.0) ** (1 / 3))


def _start(n_embedded: int) -> Tensor:
    """Centre of the priors: log length scales, then log constant, smooth and own variance."""
    length = 0.5 * np.log(max(n_embedded, 1))
    return torch.tensor([length] * n_embedded + [np.log(0.2), np.log(0.6), np.log(0.2)], dtype=torch.float64)


def _kernel(raw: Tensor) -> ConfigKernel:
    variances = raw[-3:].exp()
    return ConfigKernel(raw[:-3].exp(), variances[0], variances[1], variances[2])
