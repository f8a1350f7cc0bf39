"""Mean and covariance of learning curves over their epochs, estimated from curves that may break off.

| symbol  | meaning                                              | shape        |
|---------|------------------------------------------------------|--------------|
| z       | standardized curves, NaN where nothing was run       | ``(n, T)``   |
| mu      | mean curve                                           | ``(T,)``     |
| K       | covariance of a curve without its noise              | ``(T, T)``   |
| K_0     | the same from a kernel of six numbers                | ``(T, T)``   |

Each curve is taken as a draw of ``N(mu, K + noise I)``. K_0 is found first, by maximum likelihood. Then mu and K follow
by expectation maximization under an inverse-Wishart prior around K_0, in which every cell that was never run is an
unknown like any other: curves that were stopped because of what they had shown do no harm, and where no curve reaches,
K stays with K_0.

References:
    Dempster, Laird, Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from at2.surrogate.kernels import EpochKernel

_FIT_CURVES = 60  # curves that the six numbers of K_0 are fitted to
_WORK = 3e8  # multiplications of one evaluation; long curves are fitted on fewer of them
_KNOTS = 96  # longer curves are estimated at that many epochs at most, and interpolated
_SMALLEST_NOISE = 1e-4


@dataclass(frozen=True)
class EpochModel:
    """What a curve looks like before any of it is seen, in standardized units.

    Args:
        mean: mu, shape ``(n_epoch,)``.
        covariance: K, shape ``(n_epoch, n_epoch)``.
        noise: Variance of a reading's noise.
    """

    mean: Tensor
    covariance: Tensor
    noise: float

    def factor(self, max_rank: int, *, keep: float = 0.5) -> tuple[Tensor, Tensor]:
        """Return the leading part of the covariance as a product, and the variances of the rest.

        Args:
            max_rank: Most columns of the factor.
            keep: The rest may be as large as this share of the noise, on average over epochs.

        Returns:
            Factor E, shape ``(n_epoch, q)``, and the diagonal of ``K - E E'``, shape ``(n_epoch,)``.
        """
        values, vectors = torch.linalg.eigh(self.covariance)
        values, vectors = values.flip(0).clamp_min(0.0), vectors.flip(1)
        left = values.sum() - values.cumsum(0)
        enough = int((left > keep * self.noise * values.numel()).sum()) + 1
        q = max(min(enough, max_rank, values.numel()), 1)
        factor = vectors[:, :q] * values[:q].sqrt()
        return factor, (self.covariance.diagonal() - factor.square().sum(1)).clamp_min(0.0)


def fit_epochs(curves: Tensor, *, n_step: int = 12, max_iter: int = 30) -> EpochModel:
    """Estimate mean and covariance over epochs.

    Args:
        curves: Standardized curves z, shape ``(n, n_epoch)``, NaN where nothing was run; at least one with a reading.
        n_step: Steps of expectation maximization.
        max_iter: Iterations of L-BFGS for the kernel K_0.

    Returns:
        The model, finite whatever the curves hold.
    """
    knots = _knots(curves.shape[1]).to(curves.device)
    between = _interpolation(knots, curves.shape[1]).to(curves)
    curves = _gather(curves, between)
    seen = torch.isfinite(curves)
    filled = torch.where(seen, curves, torch.zeros_like(curves))
    mean = _mean_curve(filled, seen)
    few = max(min(_FIT_CURVES, curves.shape[0], int(_WORK / curves.shape[1] ** 3)), 1)
    start, noise = _fit_kernel(filled[:few] - mean * seen[:few], seen[:few], knots, max_iter=max_iter)
    covariance = start
    for _ in range(n_step):
        mean, covariance = _improve(filled, seen, mean, covariance, start, noise)
    return EpochModel(between @ mean, between @ covariance @ between.T, noise)


def _knots(n_epoch: int) -> Tensor:
    """Epochs, counted from 0, that the estimate is made at: all of short curves, else denser where curves move fast."""
    if n_epoch <= _KNOTS:
        return torch.arange(n_epoch)
    even = torch.linspace(0, n_epoch - 1, _KNOTS // 2)
    early = torch.logspace(0, np.log10(n_epoch), _KNOTS // 2) - 1
    chosen: Tensor = torch.unique(torch.cat([even, early]).round().long().clamp(0, n_epoch - 1))
    return chosen


def _interpolation(knots: Tensor, n_epoch: int) -> Tensor:
    """Weights that interpolate between the knots linearly, ``(n_epoch, n_knot)``."""
    epochs = torch.arange(n_epoch, device=knots.device)
    right = torch.searchsorted(knots, epochs).clamp(max=knots.numel() - 1)
    left = (right - 1).clamp_min(0)
    gap = (knots[right] - knots[left]).clamp_min(1)
    share = (epochs - knots[left]) / gap  # of the right knot; the same knot twice gives all to itself
    weights = torch.zeros(n_epoch, knots.numel(), dtype=torch.float64, device=knots.device)
    weights[epochs, left] += 1.0 - share
    weights[epochs, right] += share
    return weights


def _gather(curves: Tensor, between: Tensor) -> Tensor:
    """Mean of the readings around each knot, ``(n, n_knot)``, NaN where there is none."""
    nearest = torch.nn.functional.one_hot(between.argmax(1), between.shape[1]).to(curves)
    seen = torch.isfinite(curves).to(curves)
    count = seen @ nearest
    total = torch.where(seen > 0, curves, torch.zeros_like(curves)) @ nearest
    return torch.where(count > 0, total / count.clamp_min(1.0), torch.full_like(total, torch.nan))


def _mean_curve(filled: Tensor, seen: Tensor) -> Tensor:
    """Mean of each epoch where there is one; elsewhere the nearest epoch before it (or after it) that has one."""
    count = seen.sum(0)
    mean = filled.sum(0) / count.clamp_min(1)
    known = torch.nonzero(count)[:, 0]
    position = torch.searchsorted(known, torch.arange(mean.numel(), device=mean.device), right=True) - 1
    return mean[known[position.clamp_min(0)]]


def _kernel(raw: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """K_0 at the knots and the noise from log variance, two log shares, two log length scales and log noise."""
    shares = torch.softmax(torch.cat([raw.new_zeros(1), raw[1:3]]), 0)
    correlation = EpochKernel(shares, raw[3].exp(), raw[4].exp()).matrix(int(knots[-1]) + 1)[knots][:, knots]
    return (raw[0].exp() + 1e-8) * correlation, raw[5].exp() + _SMALLEST_NOISE


def _masked_cholesky(covariance: Tensor, noise: Tensor | float, seen: Tensor) -> Tensor:
    """Cholesky factors of the covariance of what was seen of each curve, ones for the rest, ``(n, T, T)``."""
    both = (seen[:, :, None] & seen[:, None, :]).to(covariance.dtype)
    diagonal = torch.where(seen, noise * torch.ones_like(covariance[0]), torch.ones_like(covariance[0]))
    lower: Tensor = torch.linalg.cholesky(both * covariance + torch.diag_embed(diagonal))
    return lower


def _fit_kernel(residual: Tensor, seen: Tensor, knots: Tensor, *, max_iter: int) -> tuple[Tensor, float]:
    """Maximize the likelihood of K_0's six numbers under wide log-normal priors."""
    start = torch.tensor([0.0, 0.0, -1.0, np.log(2.0), np.log(10.0), np.log(1e-2)], dtype=torch.float64)

    @torch.enable_grad()
    def loss(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        raw = torch.from_numpy(at).requires_grad_()
        covariance, noise = _kernel(raw.to(residual.device), knots)
        factor = _masked_cholesky(covariance, noise, seen)
        white = torch.linalg.solve_triangular(factor, residual[:, :, None], upper=False)
        density = 0.5 * white.square().sum() + factor.diagonal(dim1=1, dim2=2).log().sum()
        value = (density + 0.125 * (raw - start).square().sum()) / int(seen.sum())
        (slope,) = torch.autograd.grad(value, raw)
        return float(value.detach()), slope.numpy()

    bounds = [(float(s) - 8.0, float(s) + 8.0) for s in start]
    found = minimize(loss, start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": max_iter})
    covariance, noise = _kernel(torch.from_numpy(found.x).to(residual), knots)
    return covariance, float(noise)


def _improve(
    filled: Tensor, seen: Tensor, mean: Tensor, covariance: Tensor, start: Tensor, noise: float
) -> tuple[Tensor, Tensor]:
    """One step: expected curves given what was seen, then mean and covariance of those, shrunk towards K_0."""
    n, n_epoch = filled.shape
    factor = _masked_cholesky(covariance, noise, seen)
    half = torch.linalg.solve_triangular(factor, seen[:, :, None] * covariance, upper=False)  # (n, T, T)
    white = torch.linalg.solve_triangular(factor, ((filled - mean) * seen)[:, :, None], upper=False)
    expected = (half.mT @ white)[:, :, 0]  # (n, T)
    shift = expected.mean(0)
    flat, deviation = half.reshape(n * n_epoch, n_epoch), expected - shift
    second = deviation.T @ deviation + n * covariance - flat.T @ flat
    pseudo = float(max(n_epoch, 10))
    better = (pseudo * start + second) / (pseudo + n)
    return mean + shift, 0.5 * (better + better.T)
