"""The plain amortized surrogate: one Kronecker Gaussian process over tasks, configurations and epochs.

Hyperparameters (length scales, variances, task correlation, noise) maximize the exact log marginal likelihood of the
standardized source curves plus weak log-normal priors, by L-BFGS. The sources are then conditioned on once.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from at2.errors import TableError
from at2.surrogate.history import History
from at2.surrogate.kernels import ConfigKernel, EpochKernel, embed
from at2.surrogate.kronecker.exact import condition_on_sources, extend, log_marginal, rotate_tasks
from at2.surrogate.kronecker.grid_prior import GridPrior
from at2.surrogate.kronecker.hypothesis import Hypothesis, ScalePrior, pooled_scale_prior
from at2.surrogate.kronecker.mixture import MixtureBelief
from at2.surrogate.warp import IdentityWarp, choose_warp

_LOG = logging.getLogger(__name__)
_FIT_CONFIGS = 400  # hyperparameters are fitted on at most this many configurations; conditioning uses all
_NO_HISTORY = ScalePrior(location=0.0, location_spread=100.0, log_scale=-1.0, log_scale_spread=5.0, n_point=61)


@dataclass(frozen=True)
class Hyperparameters:
    """Everything the likelihood depends on, unconstrained, in one vector.

    Args:
        raw: Log length scales of the embedded columns, then log constant, smooth and own variance, logit of the task
            correlation, two log shares of the epoch kernel (against the constant's), its two log length scales,
            and the log noise variance; shape ``(n_embedded + 9,)``.
    """

    raw: Tensor

    @classmethod
    def start(cls, n_embedded: int, *, device: torch.device | None = None) -> Hyperparameters:
        """Return the centre of the priors: also what is used without any source."""
        length = 0.5 * math.log(max(n_embedded, 1))
        tail = [
            math.log(0.3),
            math.log(0.5),
            math.log(0.2),
            0.5,
            0.0,
            -1.0,
            math.log(2.0),
            math.log(10.0),
            math.log(1e-2),
        ]
        return cls(torch.tensor([length] * n_embedded + tail, dtype=torch.float64, device=device))

    @property
    def config(self) -> ConfigKernel:
        """The kernel between configurations."""
        n = self.raw.numel() - 9
        variances = self.raw[n : n + 3].exp()
        return ConfigKernel(self.raw[:n].exp(), variances[0], variances[1], variances[2])

    @property
    def epoch(self) -> EpochKernel:
        """The kernel between epochs."""
        shares = torch.softmax(torch.cat([self.raw.new_zeros(1), self.raw[-5:-3]]), 0)
        return EpochKernel(shares, self.raw[-3].exp(), self.raw[-2].exp())

    @property
    def rho(self) -> Tensor:
        """Correlation of two tasks."""
        return torch.sigmoid(self.raw[-6])

    @property
    def noise(self) -> Tensor:
        """Variance of the noise in standardized units, never below 1e-6."""
        return self.raw[-1].exp() + 1e-6


def log_posterior(raw: Tensor, rotated: Tensor, points: Tensor) -> Tensor:
    """Return the log marginal likelihood plus log prior (up to a constant) of raw hyperparameters.

    Args:
        raw: See `Hyperparameters`, shape ``(n_embedded + 9,)``.
        rotated: Standardized curves after `rotate_tasks`, shape ``(S, N, T)``.
        points: Embedded configurations, shape ``(N, n_embedded)``.

    Returns:
        A scalar tensor, differentiable in `raw`.
    """
    now = Hyperparameters(raw)
    start = Hyperparameters.start(points.shape[1], device=raw.device).raw
    config, epoch = now.config.matrix(points), now.epoch.matrix(rotated.shape[2])
    likelihood = log_marginal(rotated, rho=now.rho, config=config, epoch=epoch, noise=now.noise)
    widths = torch.ones_like(raw)
    widths[-9:] = 2.0
    return likelihood - 0.5 * ((raw - start) / widths).square().sum()


def fit_hyperparameters(curves: Tensor, points: Tensor, *, max_iter: int = 40) -> Hyperparameters:
    """Maximize `log_posterior` by L-BFGS.

    Args:
        curves: Standardized curves, shape ``(S, N, T)``, at least one source.
        points: Embedded configurations, shape ``(N, n_embedded)``.
        max_iter: Iterations of L-BFGS.

    Returns:
        The best hyperparameters that were met.
    """
    rotated = rotate_tasks(curves)
    start = Hyperparameters.start(points.shape[1], device=points.device).raw

    def loss(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        raw = torch.from_numpy(at).to(start).requires_grad_()
        value = -log_posterior(raw, rotated, points) / rotated.numel()
        (slope,) = torch.autograd.grad(value, raw)
        return float(value.detach()), slope.cpu().numpy()

    found = minimize(loss, start.cpu().numpy(), jac=True, method="L-BFGS-B", options={"maxiter": max_iter})
    _LOG.debug("fitted hyperparameters in %d iterations, loss per observation %.4f", found.nit, found.fun)
    return Hyperparameters(torch.from_numpy(found.x).to(start))


def standardize(curves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Standardize every source on its own, over its cells.

    Args:
        curves: Latent curves, shape ``(S, N, T)``, no NaN.

    Returns:
        Standardized curves ``(S, N, T)``, their means ``(S,)`` and standard deviations ``(S,)``; a constant task keeps
        its zeros and gets a standard deviation that is tiny against its mean.
    """
    location = curves.mean((1, 2))
    scale = (curves - location[:, None, None]).square().mean((1, 2)).sqrt()
    scale = torch.maximum(scale, 1e-9 * location.abs().clamp_min(1e-3))
    return (curves - location[:, None, None]) / scale[:, None, None], location, scale


@dataclass(frozen=True)
class KroneckerGP:
    """The exact, amortized Kronecker Gaussian process on complete histories; a `Surrogate`.

    Configurations that are complete on every source make the grid; all others (new candidates, runs that broke off)
    are reached by projection.

    Args:
        max_iter: Iterations of L-BFGS when fitting hyperparameters.
    """

    max_iter: int = 40

    def fit(self, history: History, *, seed: int = 0) -> MixtureBelief:
        """Fit to the sources and return the belief about the target.

        Args:
            history: Source curves and encoded configurations.
            seed: Draws the configurations that hyperparameters are fitted on, where there are too many.

        Returns:
            A belief with a single component, over all configurations of the history in their order.
        """
        points = embed(history.features)
        if history.n_source == 0:
            return self._without_sources(history, points)
        warp = choose_warp(*history.values)
        curves = warp.forward(history.mean_over_seeds())
        grid, others = _split(curves)
        z, location, scale = standardize(curves[:, grid])
        subset = _subset(grid.numel(), seed).to(grid.device)
        now = fit_hyperparameters(z[:, subset], points[grid][subset], max_iter=self.max_iter)
        prior = target_prior(now, z, points, grid, others)
        hypothesis = Hypothesis(prior, pooled_scale_prior(location, scale), n_epoch=history.n_epoch)
        return MixtureBelief([hypothesis], warp)

    def _without_sources(self, history: History, points: Tensor) -> MixtureBelief:
        """A plain freeze-thaw process: the centre of the priors, and readings in any unit."""
        start = Hyperparameters.start(points.shape[1], device=points.device)
        everything = torch.arange(points.shape[0], device=points.device)
        nothing = points.new_zeros((0, points.shape[0], history.n_epoch))
        prior = target_prior(start, nothing, points, everything, everything[:0])
        return MixtureBelief([Hypothesis(prior, _NO_HISTORY, n_epoch=history.n_epoch)], IdentityWarp(), doubt=1.0)


@torch.no_grad()
def target_prior(now: Hyperparameters, z: Tensor, points: Tensor, grid: Tensor, others: Tensor) -> GridPrior:
    """Condition on the sources and reach the configurations outside their grid.

    Args:
        now: Hyperparameters.
        z: Standardized curves of the grid's configurations, shape ``(S, n_grid, T)``.
        points: All embedded configurations, shape ``(N, n_embedded)``.
        grid: Rows of `points` that the curves belong to, shape ``(n_grid,)``.
        others: The remaining rows, shape ``(N - n_grid,)``.

    Returns:
        The target's prior over all N configurations, in the order of `points`.
    """
    kernel, epoch = now.config, now.epoch.matrix(z.shape[2])
    inside, outside = points[grid], points[others]
    target = condition_on_sources(
        z, rho=float(now.rho), config=kernel.matrix(inside), epoch=epoch, noise=float(now.noise)
    )
    if others.numel() == 0:
        return target.prior.select(torch.argsort(grid))
    prior = extend(target, cross=kernel.cross(outside, inside), own=kernel.matrix(outside))
    return prior.select(torch.argsort(torch.cat([grid, others])))


def _split(curves: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that are complete on every source, and the others."""
    complete = torch.isfinite(curves).all(2).all(0)
    if int(complete.sum()) < 2:
        raise TableError(
            f"{int(complete.sum())} of {complete.numel()} configurations have a complete curve on every source; the "
            "exact engine needs at least 2: leave out the sources with few complete curves, or lower n_epoch"
        )
    return torch.nonzero(complete)[:, 0], torch.nonzero(~complete)[:, 0]


def _subset(n_config: int, seed: int) -> Tensor:
    """Draw the configurations that hyperparameters are fitted on."""
    if n_config <= _FIT_CONFIGS:
        return torch.arange(n_config)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n_config, generator=generator)[:_FIT_CONFIGS].sort().values
