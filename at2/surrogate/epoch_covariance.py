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

_FIT_CURVES = 150  # curves that the six numbers of K_0 are fitted to
_WORK = 3e8  # multiplications of one evaluation; long curves are fitted on fewer of them
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


def fit_epochs(curves: Tensor, *, n_step: int = 20, max_iter: int = 30) -> EpochModel:
    """Estimate mean and covariance over epochs.

    Args:
        curves: Standardized curves z, shape ``(n, n_epoch)``, NaN where nothing was run; at least one with a reading.
        n_step: Steps of expectation maximization.
        max_iter: Iterations of L-BFGS for the kernel K_0.

    Returns:
        The model, finite whatever the curves hold.
    """
    seen = torch.isfinite(curves)
    filled = torch.where(seen, curves, torch.zeros_like(curves))
    mean = _mean_curve(filled, seen)
    few = max(min(_FIT_CURVES, curves.shape[0], int(_WORK / curves.shape[1] ** 3)), 1)
    start, noise = _fit_kernel(filled[:few] - mean * seen[:few], seen[:few], max_iter=max_iter)
    covariance = start
    for _ in range(n_step):
        mean, covariance = _improve(filled, seen, mean, covariance, start, noise)
    return EpochModel(mean, covariance, noise)


def _mean_curve(filled: Tensor, seen: Tensor) -> Tensor:
    """Mean of each epoch where there is one; elsewhere the nearest epoch before it (or after it) that has one."""
    count = seen.sum(0)
    mean = filled.sum(0) / count.clamp_min(1)
    known = torch.nonzero(count)[:, 0]
    position = torch.searchsorted(known, torch.arange(mean.numel(), device=mean.device), right=True) - 1
    return mean[known[position.clamp_min(0)]]


def _kernel(raw: Tensor, n_epoch: int) -> tuple[Tensor, Tensor]:
    """K_0 and the noise from log variance, two log shares, two log length scales and log noise."""
    shares = torch.softmax(torch.cat([raw.new_zeros(1), raw[1:3]]), 0)
    correlation = EpochKernel(shares, raw[3].exp(), raw[4].exp()).matrix(n_epoch)
    return (raw[0].exp() + 1e-8) * correlation, raw[5].exp() + _SMALLEST_NOISE


def _masked_cholesky(covariance: Tensor, noise: Tensor | float, seen: Tensor) -> Tensor:
    """Cholesky factors of the covariance of what was seen of each curve, ones for the rest, ``(n, T, T)``."""
    both = (seen[:, :, None] & seen[:, None, :]).to(covariance.dtype)
    diagonal = torch.where(seen, noise * torch.ones_like(covariance[0]), torch.ones_like(covariance[0]))
    lower: Tensor = torch.linalg.cholesky(both * covariance + torch.diag_embed(diagonal))
    return lower


def _fit_kernel(residual: Tensor, seen: Tensor, *, max_iter: int) -> tuple[Tensor, float]:
    """Maximize the likelihood of K_0's six numbers under wide log-normal priors."""
    n_epoch = residual.shape[1]
    start = torch.tensor([0.0, 0.0, -1.0, np.log(2.0), np.log(10.0), np.log(1e-2)], dtype=torch.float64)

    @torch.enable_grad()
    def loss(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        raw = torch.from_numpy(at).requires_grad_()
        covariance, noise = _kernel(raw.to(residual.device), n_epoch)
        factor = _masked_cholesky(covariance, noise, seen)
        white = torch.linalg.solve_triangular(factor, residual[:, :, None], upper=False)
        density = 0.5 * white.square().sum() + factor.diagonal(dim1=1, dim2=2).log().sum()
        value = (density + 0.125 * (raw - start).square().sum()) / int(seen.sum())
        (slope,) = torch.autograd.grad(value, raw)
        return float(value.detach()), slope.numpy()

    bounds = [(float(s) - 8.0, float(s) + 8.0) for s in start]
    found = minimize(loss, start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": max_iter})
    covariance, noise = _kernel(torch.from_numpy(found.x).to(residual), n_epoch)
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
