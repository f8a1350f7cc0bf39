"""How what is a source's own in its curves goes together over the epochs, by the evidence of curves as they are.

| symbol   | meaning                                                                              | shape      |
|----------|--------------------------------------------------------------------------------------|------------|
| z        | standardized reading of a configuration n on a source s at epoch t                   | scalar     |
| k        | kernel between configurations, ``a * Matern-5/2 + (1 - a) * identity``               |            |
| G        | covariance between epochs of what all sources have in common of a configuration      | ``(T, T)`` |
| D        | the same of what is a source's own                                                   | ``(T, T)`` |
| L        | the same of what all configurations of a source have in common                       | ``(T, T)`` |

Readings of (s, n, t) and (s', n', t') have the covariance ``k (G + [s = s'] D) + [s = s'] L``, beside a mean curve and
noise. Where curves were stopped, completion puts in how they go on, and what completed sources leave of one another is
mostly its say. The evidence needs no completion: cells that were never run are left out, whatever made curves end. G,
D and L come from kernels of a few numbers each, which maximize it under weak priors.

References:
    Bonilla, Chai, Williams, Multi-task Gaussian process prediction, 2007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.completion.epoch_covariance import N_KERNEL, epoch_kernel, kernel_centre, prior_of_mean
from at2.surrogate.kernels.matern import matern52
from at2.surrogate.kronecker.latent import log_density
from at2.surrogate.numerics.descent import minimize_near

_CELLS = 600  # readings that the numbers are fitted to; the cost is their cube
_OF_A_SOURCE = 100  # of them, where there are more than six sources
_EPOCHS = 10  # at which curves are read, at most, denser where they move fast
_PARTS = (0.6, 0.3, 0.5)  # centres of the priors on the variances of G, D and L
_WIDTH = 2.0  # standard deviation of the priors on logs, and on the log odds of a
_SMOOTH = 0.4  # centre of the prior on the log odds of a
_BEST = 0.02  # variance of the best of a curve beside that of its end, relative to it
_FURTHEST = 6.0  # no number goes further from the centre of its prior


@dataclass(frozen=True)
class _Cells:
    """Readings that the evidence is of."""

    source: Tensor  # (n,), whole numbers
    config: Tensor  # (n,), rows of the points
    knot: Tensor  # (n,), rows of the knots
    value: Tensor  # (n,)


def own_covariance(
    curves: CurveList, points: Tensor, *, generator: torch.Generator, max_iter: int = 30
) -> Tensor | None:
    """Estimate how readings of a target go together over the epochs, given what sources have in common.

    Args:
        curves: Standardized curves of ``n_epoch`` epochs, NaN where nothing was run.
        points: Embedded configurations, ``(n_config, n_column)``.
        generator: Draws the curves that are fitted to, where there are many.
        max_iter: Iterations of L-BFGS.

    Returns:
        Covariance between columns of what is a source's own, ``(n_epoch + 1, n_epoch + 1)``, in units of the variance
        of the last column: the epochs, the noise of a reading part of their variances, and the best of the curve, which
        goes with its end. None for a single source, or a single epoch.
    """
    n_epoch = curves.values.shape[1]
    if curves.n_source < 2 or n_epoch < 2:
        return None
    knots = _knots(curves.values)
    cells = _draw(replace(curves, values=curves.values[:, knots]), len(points), generator)
    asked, rows = torch.unique(cells.config, return_inverse=True)
    fitted = _Evidence(_Cells(cells.source, rows, cells.knot, cells.value), points[asked], knots)
    found = minimize_near(fitted.loss, fitted.centre, reach=_FURTHEST, max_iter=max_iter).to(points)
    own, noise = epoch_kernel(found[N_KERNEL : 2 * N_KERNEL], torch.arange(n_epoch, device=points.device))
    own = torch.cat([own, own[-1:]])
    own = torch.cat([own, own[:, -1:]], 1)
    of_reading = torch.cat([noise.expand(n_epoch), _BEST * own[-1:, -1]])
    own = own + torch.diag(of_reading)
    return own / own[-1, -1]


def _knots(curves: Tensor) -> Tensor:
    """Epochs, counted from 0, at which curves are read: of those that any curve shows, nearest to a geometric row."""
    shown = torch.nonzero(torch.isfinite(curves).any(0))[:, 0]
    wanted = torch.as_tensor(np.unique(np.geomspace(1, curves.shape[1], _EPOCHS).round()) - 1).to(shown.device)
    knots: Tensor = torch.unique(shown[(shown - wanted[:, None]).abs().argmin(1)])
    return knots


def _draw(curves: CurveList, n_config: int, generator: torch.Generator) -> _Cells:
    """Draw whole curves, read at the knots: the same configurations on all sources as far as they ran them."""
    n_source, device = curves.n_source, curves.source.device
    place = torch.argsort(torch.randperm(n_config, generator=generator)).to(device)
    order = torch.argsort(curves.source * n_config + place[curves.config])
    source, config, values = curves.source[order], curves.config[order], curves.values[order]
    seen, most = torch.isfinite(values), max(_OF_A_SOURCE, _CELLS // n_source)
    count = seen.sum(1)
    before = torch.zeros(n_source, dtype=count.dtype, device=device).index_add(0, source, count).cumsum(0)
    so_far = count.cumsum(0) - torch.cat([before.new_zeros(1), before[:-1]])[source]
    kept = so_far <= most
    taken = torch.zeros_like(before).index_add(0, source, torch.where(kept, count, 0))
    sources = torch.randperm(n_source, generator=generator).to(device)
    kept = kept & ~torch.isin(source, sources[1:][taken[sources].cumsum(0)[1:] > _CELLS])
    curve, knot = torch.nonzero(seen & kept[:, None], as_tuple=True)
    return _Cells(source[curve], config[curve], knot, values[curve, knot])


class _Evidence:
    """Minus the log evidence of cells, and of the priors, as a function of all numbers at once."""

    def __init__(self, cells: _Cells, points: Tensor, knots: Tensor) -> None:
        self.cells, self.points, self.knots = cells, points, knots
        self.one = (cells.source[:, None] == cells.source).to(points)
        self.mean = self._at(prior_of_mean(knots, points))
        parts = []
        for variance in _PARTS:
            part = kernel_centre()
            part[0] = math.log(variance)
            parts.append(part)
        length = 0.5 * math.log(max(points.shape[1], 1))
        lengths = torch.full((points.shape[1],), length, dtype=torch.float64)
        self.centre = torch.cat([*parts, torch.tensor([_SMOOTH], dtype=torch.float64), lengths])

    def loss(self, raw: Tensor) -> Tensor:
        """Of the numbers of G, D and L, the log odds of a, and log length scales, on the CPU."""
        at = raw.to(self.points)
        (common, _), (own, noise), (whole, _) = (
            epoch_kernel(at[k * N_KERNEL : (k + 1) * N_KERNEL], self.knots) for k in range(3)
        )
        between = self._between(torch.sigmoid(at[3 * N_KERNEL]), at[3 * N_KERNEL + 1 :].exp())
        covariance = self.mean + self.one * self._at(whole) + between * (self._at(common) + self.one * self._at(own))
        covariance = covariance + (noise + 1e-6) * torch.eye(len(covariance)).to(covariance)
        prior = 0.5 * ((raw - self.centre) / _WIDTH).square().sum()
        return prior - log_density(covariance, self.cells.value).cpu()

    def _between(self, smooth: Tensor, length_scales: Tensor) -> Tensor:
        """The kernel k between the cells' configurations."""
        scaled = self.points / length_scales
        kernel = smooth * matern52(scaled, scaled) + (1.0 - smooth) * torch.eye(len(scaled)).to(scaled)
        return kernel[self.cells.config][:, self.cells.config]

    def _at(self, between_knots: Tensor) -> Tensor:
        return between_knots[self.cells.knot][:, self.cells.knot]
