"""How a target deviates from its sources: covariances between epochs and between configurations, from residuals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from at2.surrogate.kernels import ConfigKernel

_SHRINK = 0.2  # share of the variance in an epoch covariance that counts as noise of the reading
_READING_NOISE = 0.03  # variance of a reading's noise without sources
_LEAST_OF_LAST = 0.1  # correlation of the last epoch with the best of the curve, at least, as a unit of others
_LEADING = 8  # components over the epochs in which configurations are compared
_NEIGHBOURS = 0.1  # standard deviation, in shares of the ranks, of the window in which spreads are averaged
_BANDS = 64  # of equal numbers of ranks
_LEAST_SPREAD, _LARGEST_SPREAD = 0.5, 5.0
_STEPS, _RATE = 40, 0.1  # of the fit of the kernel
_SLOPE_MEMORY, _SQUARE_MEMORY = 0.9, 0.999
_MANY_COLUMNS = 512  # from which on the leading components are found alone, rather than all
_LARGEST_FIT = 256  # configurations in the fit of the kernel; more would change little and cost their cube


def epoch_covariance(residuals: Tensor, weights: Tensor, *, trust: float = 1.0) -> Tensor:
    """Return ``Ke``: the covariance of residuals between columns, a share of whose diagonal counts as noise.

    Where sources leave most of one another, because they do not agree, a share of it would be far more than the noise
    of a reading: it is limited to that of a start without sources then.

    Args:
        residuals: Each configuration's own part, shape ``(n_source, n_config, n_column)``, at least one source.
        weights: How much each configuration counts, ``(n_source, n_config)``, rows summing to 1.
        trust: How far the sources agree, in [0, 1]; the limit holds in full at 0, and not at all at 1.

    Returns:
        Tensor of shape ``(n_column, n_column)``.
    """
    n_source, _, n_column = residuals.shape
    flat = residuals.flatten(0, 1)
    covariance = (flat * weights.flatten()[:, None]).T @ flat / n_source
    noise = _noise(covariance.diagonal(), trust)
    rest = (1.0 - noise / covariance.diagonal().clamp_min(1e-12)).clamp_min(0.0).sqrt()
    floor = 1e-6 * torch.eye(n_column, dtype=flat.dtype, device=flat.device)
    return share_of_deviation(n_source) * (covariance * torch.outer(rest, rest) + torch.diag(noise)) + floor


def noise_of_readings(between: Tensor, n_source: int, *, trust: float = 1.0) -> Tensor:
    """Return what of the diagonal of an `epoch_covariance` counts as noise, ``(n_column,)``.

    Args:
        between: The covariance, shape ``(n_column, n_column)``.
        n_source: Of how many sources' residuals it is.
        trust: What it was made with.
    """
    share = share_of_deviation(n_source)
    return share * _noise(between.diagonal() / share, trust)


def _noise(variance: Tensor, trust: float) -> Tensor:
    noise = _SHRINK * variance
    return trust * noise + (1.0 - trust) * torch.minimum(noise, generic_noise(len(noise), noise))


def less_of_readings(between: Tensor, doubt: float) -> Tensor:
    """Return a covariance between columns in which readings say less of the best of the curve.

    Completed curves go on as they began, so that what sources with broken-off curves leave of one another says more
    of early readings than whole curves would. Where it is in doubt altogether, the correlation of a reading with the
    best of the curve is multiplied by itself, in units of that of the last epoch; what it loses counts as noise.

    Args:
        between: ``Ke``, shape ``(n_column, n_column)``.
        doubt: How far the correlations are in doubt, in [0, 1].

    Returns:
        Tensor of the same shape and diagonal; the same tensor where nothing is in doubt.

    Example:
        >>> import torch
        >>> between = torch.tensor([[1.0, 0.4, 0.4], [0.4, 1.0, 0.8], [0.4, 0.8, 1.0]], dtype=torch.float64)
        >>> less_of_readings(between, 1.0)[-1].mul(100).round().tolist()
        [20.0, 80.0, 100.0]
    """
    if doubt == 0.0:
        return between
    size = between.diagonal().sqrt()
    correlation = between / torch.outer(size, size)
    before = correlation[:, -1]
    factor = (before / before[-2].clamp_min(_LEAST_OF_LAST)).clamp(0.0, 1.0)
    after = before * (1.0 - doubt + doubt * factor)
    after[-1] = 1.0
    less = correlation - torch.outer(before, before) + torch.outer(after, after)
    less = less + torch.diag((1.0 - less.diagonal()).clamp_min(0.0))
    covariance: Tensor = less * torch.outer(size, size)
    return covariance


def common_covariance(common: Tensor) -> Tensor:
    """Return the covariance between columns of what all configurations of a target have in common.

    Args:
        common: What the residuals of each source have in common, shape ``(n_source, n_column)``.

    Returns:
        Tensor of shape ``(n_column, n_column)``.
    """
    n_source = common.shape[0]
    return share_of_deviation(n_source) * common.T @ common / n_source


def of_unlogged(n_unlogged: int, common: Tensor) -> Tensor:
    """Return the covariance between columns of how far all curves may start from where completion lets them.

    Where no source has logged the first epochs, nobody knows how low curves start: the earlier the epoch, the further
    off what completion expects of all of them may be, by a standard deviation of 1 for each e-fold.

    Args:
        n_unlogged: How many first epochs no source has logged.
        common: A tensor ``(..., n_column)`` whose size, dtype and device to take.

    Returns:
        Tensor of shape ``(n_column, n_column)``, in units of ``s^2``; 0 from the first epoch on that was logged.

    Example:
        >>> import torch
        >>> of_unlogged(1, torch.zeros(3, dtype=torch.float64)).diagonal().tolist()
        [0.4804530139182014, 0.0, 0.0]
    """
    t = torch.arange(1, common.shape[-1] + 1, dtype=common.dtype, device=common.device)
    before = ((n_unlogged + 1.0) / t).log().clamp_min(0.0)
    return torch.outer(before, before)


def spread_by_rank(residuals: Tensor, between: Tensor, ranks: Tensor, asked: Tensor) -> Tensor:
    """Return how much further than ``Ke`` says configurations deviate, by their rank on the sources.

    Args:
        residuals: Each configuration's own part, shape ``(n_source, n_config, n_column)``.
        between: ``Ke``.
        ranks: Their ranks on the other sources as shares in [0, 1), ``(n_source, n_config)``.
        asked: Ranks to answer for, shape ``(n,)``, likewise.

    Returns:
        Factors of the standard deviation, ``(n,)``, in [0.5, 5]: means over the neighbouring ranks.
    """
    size = share_of_deviation(residuals.shape[0]) * (residuals.square() / between.diagonal()).mean(-1)
    where = (ranks * _BANDS).long().flatten()
    total = size.new_zeros(_BANDS).index_add(0, where, size.flatten())
    count = size.new_zeros(_BANDS).index_add(0, where, torch.ones_like(size).flatten())
    middle = (torch.arange(_BANDS, device=size.device) + 0.5).to(size) / _BANDS
    near = torch.exp(-0.5 * ((middle[:, None] - middle) / _NEIGHBOURS).square())
    spread = ((near @ total) / (near @ count)).sqrt().clamp(_LEAST_SPREAD, _LARGEST_SPREAD)
    return spread[(asked * _BANDS).long()]


def share_of_deviation(n_source: int) -> float:
    """Return the variance of a deviation relative to that of a residual against the mean of the other sources."""
    return (n_source - 1) / n_source if n_source > 1 else 1.0


def fit_config_kernel(residuals: Tensor, points: Tensor, between: Tensor, *, seed: int = 0) -> ConfigKernel:
    """Learn how deviations of configurations go together: fit shares and length scales to residuals, by likelihood.

    Residuals are whitened over the epochs. Every leading component over the epochs counts by its share of the largest;
    weak log-normal priors hold length scales near 1 (the width of the encoded range) and the shares of smooth and own
    variance near each other.

    Args:
        residuals: Shape ``(n_source, n_config, n_column)``.
        points: Embedded configurations, shape ``(n_config, n_embedded)``.
        between: ``Ke``, shape ``(n_column, n_column)``.
        seed: Seed of the choice of configurations when there are more than 256.

    Returns:
        A kernel whose variances sum to 1.
    """
    residuals, points = _thin_out(residuals, points, seed)
    values, vectors = _leading(between)
    scores = (residuals @ vectors / values.sqrt()).permute(1, 0, 2).flatten(1)  # (n_config, n_source * n_leading)
    weights = (values / values[-1]).repeat(residuals.shape[0])
    log_scales = points.new_zeros(points.shape[1]).requires_grad_()
    shares = points.new_tensor([0.0, 0.0, -1.0]).requires_grad_()
    log_size = points.new_zeros(()).requires_grad_()

    def loss() -> Tensor:
        misfit = _negative_log_density(_kernel(log_scales, shares).matrix(points), scores, weights, log_size)
        return misfit + log_scales.square().sum() / 2 + (shares[0] - shares[1]) ** 2 / 8 + (shares[2] + 1.0) ** 2 / 8

    _descend(loss, [log_scales, shares, log_size])
    return _kernel(log_scales.detach(), shares.detach())


def _leading(between: Tensor) -> tuple[Tensor, Tensor]:
    """The leading eigenvalues of a covariance, ``(k,)``, ascending, and their vectors ``(n_column, k)``."""
    if between.shape[0] <= _MANY_COLUMNS:
        values, vectors = torch.linalg.eigh(between)
        return values[-_LEADING:].clamp_min(1e-12), vectors[:, -_LEADING:]
    start = np.ones(between.shape[0])  # Lanczos begins here, so that equal covariances have equal answers
    found = scipy.sparse.linalg.eigsh(between.cpu().numpy(), k=_LEADING, v0=start)
    values, vectors = (torch.as_tensor(part.copy()).to(between) for part in found)
    return values.clamp_min(1e-12), vectors


def _descend(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    """A few steps of Adam (Kingma and Ba, 2015), in place; `torch.optim` takes a second of a process to load."""
    slopes, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for step in range(1, _STEPS + 1):
        gradients = torch.autograd.grad(loss(), parameters)
        with torch.no_grad():
            for p, g, slope, square in zip(parameters, gradients, slopes, squares, strict=True):
                slope.lerp_(g, 1.0 - _SLOPE_MEMORY)
                square.mul_(_SQUARE_MEMORY).addcmul_(g, g, value=1.0 - _SQUARE_MEMORY)
                size = (square / (1.0 - _SQUARE_MEMORY**step)).sqrt() + 1e-8
                p.addcdiv_(slope, size, value=-_RATE / (1.0 - _SLOPE_MEMORY**step))


def _kernel(log_scales: Tensor, shares: Tensor) -> ConfigKernel:
    smooth, own, constant = torch.softmax(shares, 0)
    return ConfigKernel(log_scales.exp(), constant=constant, smooth=smooth, own=own)


def _negative_log_density(covariance: Tensor, scores: Tensor, weights: Tensor, log_size: Tensor) -> Tensor:
    n = covariance.shape[0]
    factor = torch.linalg.cholesky(covariance + 1e-6 * torch.eye(n, dtype=covariance.dtype, device=covariance.device))
    white = torch.linalg.solve_triangular(factor, scores, upper=False)
    misfit = 0.5 * (white.square().sum(0) * weights).sum() / log_size.exp()
    loss: Tensor = misfit + weights.sum() * (factor.diagonal().log().sum() + 0.5 * n * log_size)
    return loss


def _thin_out(residuals: Tensor, points: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    n_config = points.shape[0]
    if n_config <= _LARGEST_FIT:
        return residuals, points
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randperm(n_config, generator=generator)[:_LARGEST_FIT].sort().values.to(points.device)
    return residuals[:, picked], points[picked]


def generic_epoch_covariance(n_epoch: int, like: Tensor) -> Tensor:
    """Return an epoch covariance for a start without any source: curves settle, but go on passing each other.

    A configuration's asymptote has variance 0.6, a decaying part ``0.4 (b / (t + t' + b))`` with b a fifth of the
    training, a part that wanders ``0.4 k(log t - log t')`` with k Matern's kernel of smoothness 3/2 and length scale 1,
    so that what leads may be passed by the time that training has doubled, and readings have noise of variance 0.03;
    the best of a curve behaves like its last epoch.

    Args:
        n_epoch: Length of a full training.
        like: A tensor whose dtype and device to take.

    References:
        The decaying part: Swersky, Snoek, Adams, Freeze-thaw Bayesian optimization, 2014, arXiv:1406.3896.
    """
    t = torch.arange(1, n_epoch + 1, dtype=like.dtype, device=like.device)
    t = torch.cat([t, t[-1:]])
    rate = max(1.0, 0.2 * n_epoch)
    settling = 0.6 + 0.4 * rate / (t[:, None] + t[None, :] + rate)
    apart = math.sqrt(3.0) * (t[:, None].log() - t.log()).abs()
    wandering = 0.4 * (1.0 + apart) * torch.exp(-apart)
    return settling + wandering + torch.diag(generic_noise(n_epoch + 1, like))


def generic_noise(n_column: int, like: Tensor) -> Tensor:
    """Return the noise of readings without sources, ``(n_column,)``; the best of a curve has next to none."""
    noise = like.new_full((n_column,), _READING_NOISE)
    noise[-1] = 1e-6
    return noise


def generic_config_kernel(points: Tensor) -> ConfigKernel:
    """Return the configuration kernel at the centre of its prior, for a start without any source.

    Args:
        points: Embedded configurations, shape ``(n_config, n_embedded)``.
    """
    scale = 0.5 * math.sqrt(max(points.shape[1], 1))  # distances grow with the root of the number of columns
    share, scales = points.new_tensor, points.new_full(points.shape[1:], scale)
    return ConfigKernel(scales, constant=share(0.0), smooth=share(0.8), own=share(0.2))
