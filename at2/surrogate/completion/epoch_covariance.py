"""Mean and covariance of learning curves over their epochs, estimated from curves that may break off.

| symbol  | meaning                                              | shape        |
|---------|------------------------------------------------------|--------------|
| z       | standardized curves, NaN where nothing was run       | ``(n, T)``   |
| mu      | mean curve                                           | ``(T,)``     |
| K       | covariance of a curve without its noise              | ``(T, T)``   |
| K_0     | the same from a kernel of seven numbers              | ``(T, T)``   |

Each curve is taken as a draw of ``N(mu, K + noise I)``. K_0 is found first, by maximum likelihood, mu averaged over.
Then K follows by expectation maximization under an inverse-Wishart prior around K_0, and mu by generalized least
squares: every cell that was never run is an unknown like any other. Where curves were stopped because of what they had
shown, the mean of those that went on is not that of all, and they are too few to say how far early readings reach: K_0
is then nearly all there is to know. Its likelihood therefore counts in part, beside a prior under which half of what
tells curves apart after a few epochs is there in the end.

References:
    Dempster, Laird, Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from at2.surrogate.kernels import EpochKernel
from at2.surrogate.numerics.descent import minimize_near

N_KERNEL = 7  # numbers of `epoch_kernel`
_FIT_CURVES = 60  # curves that the seven numbers of K_0 are fitted to
_WORK = 3e8  # multiplications of one evaluation; long curves are fitted on fewer of them
_KNOTS = 96  # longer curves are estimated at that many epochs at most, and interpolated
_SMALLEST_NOISE = 1e-4
_TEMPER = 0.1  # power of the likelihood of K_0: readings of a curve are less independent than any kernel says
_MEAN_VARIANCE = 10.0  # prior variance of the mean curve, in squared standard deviations of all readings


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
    roughly = prior_of_mean(knots, curves)
    few = _some_curves(seen)
    start, noise = _fit_kernel(filled[few], seen[few], knots, roughly, max_iter=max_iter)
    start = start * _size(filled, seen, start, noise, roughly)
    covariance = start
    for _ in range(n_step):
        covariance = _improve(filled, seen, covariance, start, noise, roughly)
    mean = _Whitened(filled, seen, covariance, noise).mean_curve(roughly)
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


def _some_curves(seen: Tensor) -> Tensor:
    """Rows that K_0 is fitted to: half of them the longest curves, which alone show how curves end; then the first."""
    n, n_epoch = seen.shape
    few = max(min(_FIT_CURVES, n, int(_WORK / n_epoch**3)), 1)
    longest = torch.argsort(seen.sum(1), descending=True, stable=True)[: few // 2]
    others = torch.ones(n, dtype=torch.bool, device=seen.device)
    others[longest] = False
    return torch.cat([longest, torch.nonzero(others)[: few - longest.numel(), 0]])


def prior_of_mean(knots: Tensor, like: Tensor) -> Tensor:
    """Covariance of the mean curve between the knots: wide, and smooth in the log of the epoch."""
    shares = like.new_tensor([0.5, 0.5, 0.0])
    one = like.new_ones(())
    smooth = EpochKernel(shares, one, one).matrix(int(knots[-1]) + 1)[knots][:, knots]
    return _MEAN_VARIANCE * smooth + 1e-6 * torch.eye(knots.numel(), dtype=like.dtype, device=like.device)


def kernel_centre() -> Tensor:
    """Centre of the priors on the seven numbers of `epoch_kernel`."""
    return torch.tensor([0.0, 0.0, -1.0, np.log(2.0), np.log(10.0), np.log(1e-2), -3.0], dtype=torch.float64)


def epoch_kernel(raw: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """K_0 at the knots and the noise of a reading from seven numbers.

    Log variance, two log shares, two log length scales, log noise, and the log of the first reading's own variance:
    some tables take it before any training.
    """
    shares = torch.softmax(torch.cat([raw.new_zeros(1), raw[1:3]]), 0)
    correlation = EpochKernel(shares, raw[3].exp(), raw[4].exp()).matrix(int(knots[-1]) + 1)[knots][:, knots]
    first = (knots == 0).to(raw)
    return (raw[0].exp() + 1e-8) * (correlation + raw[6].exp() * torch.diag(first)), raw[5].exp() + _SMALLEST_NOISE


class _Whitened:
    """Curves and their masks under one covariance: what each says, in units of its own uncertainty.

    Curves that break off at the same epoch share their matrices.

    Args:
        filled: Curves, 0 where nothing was run, shape ``(n, T)``.
        seen: Where something was run, same shape.
        covariance: K, shape ``(T, T)``.
        noise: Variance of a reading's noise.
    """

    def __init__(self, filled: Tensor, seen: Tensor, covariance: Tensor, noise: Tensor | float) -> None:
        masks, self.mask, count = torch.unique(seen, dim=0, return_inverse=True, return_counts=True)
        both = (masks[:, :, None] & masks[:, None, :]).to(covariance.dtype)
        diagonal = torch.where(masks, noise * torch.ones_like(covariance[0]), torch.ones_like(covariance[0]))
        lower = torch.linalg.cholesky(both * covariance + torch.diag_embed(diagonal))
        self.count = count.to(covariance.dtype)
        self.log_root: Tensor = self.count @ lower.diagonal(dim1=1, dim2=2).log().sum(1)  # half of all log determinants
        self.root = torch.linalg.solve_triangular(lower, torch.diag_embed(masks.to(covariance.dtype)), upper=False)
        self.white = self.of_curves(self.root, filled)

    def of_curves(self, by_mask: Tensor, vectors: Tensor) -> Tensor:
        """Multiply each curve's vector ``(n, T)`` by the matrix of its mask, of ``(n_mask, T, T)``."""
        products: Tensor = (by_mask[self.mask] @ vectors[:, :, None])[:, :, 0]
        return products

    def squared(self, by_mask: Tensor) -> Tensor:
        """Sum over curves of ``A' A`` for the matrix A of their mask, of ``(n_mask, T, T)``."""
        flat = (self.count.sqrt()[:, None, None] * by_mask).flatten(0, 1)
        total: Tensor = flat.T @ flat
        return total

    def _about_mean(self, prior: Tensor) -> tuple[Tensor, Tensor]:
        """What curves say about the mean curve: their pull ``(T,)``, and the system ``(T, T)`` that solves for it."""
        eye = torch.eye(prior.shape[0], dtype=prior.dtype, device=prior.device)
        pull = self.of_curves(self.root.mT, self.white).sum(0)
        return pull, eye + prior @ self.squared(self.root)

    def mean_curve(self, prior: Tensor) -> Tensor:
        """Expected mean curve ``(T,)`` given all curves, whatever made them break off, under a prior around 0."""
        pull, system = self._about_mean(prior)
        mean: Tensor = torch.linalg.solve(system, prior @ pull)
        return mean

    def negative_log_density(self, prior: Tensor) -> Tensor:
        """Of all curves, the mean curve averaged over; up to a constant."""
        pull, system = self._about_mean(prior)
        explained = pull @ torch.linalg.solve(system, prior @ pull)
        density = 0.5 * (self.white.square().sum() - explained + torch.linalg.slogdet(system)[1])
        total: Tensor = density + self.log_root
        return total


def _fit_kernel(filled: Tensor, seen: Tensor, knots: Tensor, prior: Tensor, *, max_iter: int) -> tuple[Tensor, float]:
    """Maximize the likelihood of K_0's seven numbers under wide log-normal priors."""
    start = kernel_centre()

    def loss(raw: Tensor) -> Tensor:
        covariance, noise = epoch_kernel(raw.to(filled.device), knots)
        density = _Whitened(filled, seen, covariance, noise).negative_log_density(prior)
        value: Tensor = (_TEMPER * density + 0.125 * (raw - start).square().sum()) / int(seen.sum())
        return value

    covariance, noise = epoch_kernel(minimize_near(loss, start, reach=8.0, max_iter=max_iter).to(filled), knots)
    return covariance, float(noise)


def _size(filled: Tensor, seen: Tensor, covariance: Tensor, noise: float, prior: Tensor) -> Tensor:
    """Variance of the readings around the mean curve, relative to what a covariance says.

    In a likelihood of curves smoother than any kernel, their smoothness would set the size.
    """
    apart = (filled - _Whitened(filled, seen, covariance, noise).mean_curve(prior)).square()
    share: Tensor = (seen * apart).sum() / (seen * (covariance.diagonal() + noise)).sum()
    return share.clamp(_SMALLEST_NOISE, 1.0 / _SMALLEST_NOISE)


def _improve(filled: Tensor, seen: Tensor, covariance: Tensor, start: Tensor, noise: float, prior: Tensor) -> Tensor:
    """One step: the mean given the covariance, expected curves given both, then their covariance, drawn towards K_0."""
    n, n_epoch = filled.shape
    whitened = _Whitened(filled, seen, covariance, noise)
    mean = whitened.mean_curve(prior)
    half = whitened.root @ covariance  # (n_mask, T, T)
    surprise = whitened.white - (whitened.root @ mean)[whitened.mask]
    deviation = whitened.of_curves(half.mT, surprise)
    second = deviation.T @ deviation + n * covariance - whitened.squared(half)
    pseudo = float(max(n_epoch, 10))
    better: Tensor = (pseudo * start + second) / (pseudo + n)
    return 0.5 * (better + better.T)
