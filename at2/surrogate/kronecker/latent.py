"""Gaussian-process inference on ragged curves: configurations as one factor, epochs as the other, a mask for the rest.

| symbol   | meaning                                                        | shape              |
|----------|----------------------------------------------------------------|--------------------|
| z        | curves of one task, NaN where nothing was run                  | ``(n, T)``         |
| K_config | kernel between the n configurations                            | ``(n, n)``         |
| E        | factor of the epoch kernel, ``K_epoch = E E' + diag(rest)``    | ``(T, q)``         |
| w        | latent coefficients, ``w ~ N(0, K_config (x) I)``              | ``(n, q)``         |
| R_i      | root of the information, ``R_i' R_i = E' M_i D^-1 M_i E``      | ``(r, q)``         |
| u_i      | whitened reading ``R_i w_i + N(0, I)``                         | ``(r,)``           |

The model is ``z_i = mean + E w_i + N(0, D)`` on the observed cells, ``D = diag(rest) + noise``. Each curve, whatever
its mask, says all it has to say about its q coefficients in R_i and u_i, so that one system of size n r replaces one of
n T, where r is q, or the number of readings where no curve has as many. With q = T this is the latent Kronecker
process, exactly. With the few directions in which curves really move, the dropped ones count as noise, and a direct
solution takes the place of conjugate gradients. Mean and variance are both exact, with no samples drawn.

References:
    Lin, Ament, Balandat, Bakshy, Scaling Gaussian processes for learning curve prediction via latent Kronecker
    structure, 2024, arXiv:2410.09239.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class WhiteCurves:
    """What curves say about their latent coefficients.

    Args:
        roots: R, shape ``(..., n, r, q)``; zero for a curve without a reading.
        targets: u, shape ``(..., n, r)``.
    """

    roots: Tensor
    targets: Tensor

    def select(self, rows: Tensor) -> WhiteCurves:
        """Return the curves of some rows."""
        return WhiteCurves(self.roots[rows], self.targets[rows])

    @property
    def flat_roots(self) -> Tensor:
        """All roots below each other, ``(..., n r, q)``."""
        return self.roots.flatten(-3, -2)


def whiten(curves: Tensor, factor: Tensor, noise: Tensor, *, rank: int | None = None) -> WhiteCurves:
    """Compress curves to what they say about their coefficients.

    Args:
        curves: Curves with the mean taken off, shape ``(n, n_epoch)``, NaN where nothing was run.
        factor: E, shape ``(n_epoch, q)``.
        noise: D, shape ``(n_epoch,)``, positive.
        rank: r, at least the number of readings of every curve, or q; None takes q.

    Returns:
        Roots and targets; any evidence about K_config in the curves is in them.

    Example:
        >>> import torch
        >>> one = torch.ones(1, 1, dtype=torch.float64)
        >>> white = whiten(3 * one, 2 * one, one[0])
        >>> white.roots, white.targets
        (tensor([[[2.]]], dtype=torch.float64), tensor([[3.]], dtype=torch.float64))
    """
    seen = torch.isfinite(curves)
    precision = seen / noise  # (n, T)
    information = torch.einsum("tp,nt,tq->npq", factor, precision, factor)
    pull = (precision * torch.where(seen, curves, torch.zeros_like(curves))) @ factor
    values, vectors = torch.linalg.eigh(information)
    roots = values.clamp_min(0.0).sqrt()
    kept = values > 1e-12 * values.amax(1, keepdim=True).clamp_min(1e-300)
    inverse = torch.where(kept, 1.0 / roots.clamp_min(1e-150), torch.zeros_like(roots))
    if rank is not None and rank < factor.shape[1]:
        roots, inverse, rows = roots[:, -rank:], inverse[:, -rank:], vectors[:, :, -rank:].mT
        return WhiteCurves(roots[:, :, None] * rows, inverse * (rows @ pull[:, :, None])[:, :, 0])
    symmetric = (vectors * roots[:, None, :]) @ vectors.mT
    return WhiteCurves(symmetric, (vectors @ (inverse[:, :, None] * (vectors.mT @ pull[:, :, None])))[:, :, 0])


def _white_covariance(kernel: Tensor, gram: Tensor, r: int) -> Tensor:
    """Covariance of all targets, ``I + R (K_config (x) I) R'``, shape ``(..., n r, n r)``; `gram` is ``R R'``."""
    spread = kernel.repeat_interleave(r, -2).repeat_interleave(r, -1)
    covariance: Tensor = spread * gram + torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return covariance


def log_evidence(kernel: Tensor, white: WhiteCurves, gram: Tensor) -> Tensor:
    """Return the log density of the curves up to a constant that does not depend on K_config, differentiable in it.

    Args:
        kernel: K_config, shape ``(..., n, n)``; one for each of several tasks with the same number of curves.
        white: The curves, roots ``(..., n, r, q)`` and targets ``(..., n, r)``.
        gram: ``R R'`` of `flat_roots`, shape ``(..., n r, n r)``, made once.

    Returns:
        A scalar tensor, the sum over tasks.
    """
    return log_density(_white_covariance(kernel, gram, white.targets.shape[-1]), white.targets.flatten(-2))


def log_density(covariance: Tensor, vectors: Tensor) -> Tensor:
    """Return the log density of normal vectors up to its constant, differentiable in their covariances.

    Args:
        covariance: Shape ``(..., m, m)``.
        vectors: Shape ``(..., m)``.

    Returns:
        A scalar tensor, the sum over vectors.
    """
    density: Tensor = _LogDensity.apply(covariance, vectors)  # type: ignore[no-untyped-call]
    return density


class _LogDensity(torch.autograd.Function):
    """Log density of normal vectors ``(..., m)`` with covariances ``(..., m, m)``, without its constant.

    The slope in a covariance B, ``(B^-1 u u' B^-1 - B^-1) / 2``, costs less than one through the steps of a
    factorization. There is none in the vectors.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, vectors: Tensor) -> Tensor:
        """Sum over all vectors."""
        lower = torch.linalg.cholesky(covariance)
        solved = torch.cholesky_solve(vectors[..., None], lower)[..., 0]
        ctx.save_for_backward(lower, solved)
        density: Tensor = -0.5 * (vectors * solved).sum() - lower.diagonal(dim1=-2, dim2=-1).log().sum()
        return density

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """Slope of the result, times that of what follows."""
        lower, solved = ctx.saved_tensors
        outer = solved[..., :, None] * solved[..., None, :]
        return slopes[0] * 0.5 * (outer - torch.cholesky_inverse(lower)), None


class LatentPosterior:
    """Latent coefficients given the curves of one task.

    Args:
        kernel: K_config among the observed configurations, shape ``(n, n)``.
        white: Their curves.
    """

    def __init__(self, kernel: Tensor, white: WhiteCurves) -> None:
        n, r = white.targets.shape
        flat = white.flat_roots
        lower = torch.linalg.cholesky(_white_covariance(kernel, flat @ flat.T, r))
        solved = torch.cholesky_solve(white.targets.reshape(-1, 1), lower).reshape(n, r, 1)
        self._pull = (white.roots.mT @ solved)[:, :, 0]  # (n, q)
        inverse = torch.cholesky_inverse(lower).reshape(n, r, n, r)
        self._gain = torch.einsum("arp,arbs,bsq->pqab", white.roots, inverse, white.roots)

    def predict(self, cross: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and covariance of the coefficients of some configurations.

        Args:
            cross: K_config between them and the observed ones, shape ``(m, n)``.
            own: Their prior variances, shape ``(m,)``.

        Returns:
            Means ``(m, q)`` and covariances ``(m, q, q)``.
        """
        q = self._pull.shape[1]
        covariance = torch.diag_embed(own[:, None].expand(-1, q)).contiguous()
        for p in range(q):
            for r in range(p, q):
                explained = ((cross @ self._gain[p, r]) * cross).sum(1)
                covariance[:, p, r] -= explained
                if r != p:
                    covariance[:, r, p] -= explained
        return cross @ self._pull, covariance


def update_rows(mean: Tensor, covariance: Tensor, white: WhiteCurves) -> tuple[Tensor, Tensor]:
    """Condition each row on a curve of its own, all rows apart from each other.

    Args:
        mean: Means of the coefficients, shape ``(m, q)``.
        covariance: Their covariances, shape ``(m, q, q)``.
        white: The rows' own curves, m of them; a curve without a reading changes nothing.

    Returns:
        Means and covariances after it.
    """
    eye = torch.eye(white.targets.shape[1], dtype=mean.dtype, device=mean.device)
    side = white.roots @ covariance  # (m, r, q)
    gain = torch.linalg.solve(eye + side @ white.roots.mT, side).mT
    surprise = white.targets[:, :, None] - white.roots @ mean[:, :, None]
    return mean + (gain @ surprise)[:, :, 0], covariance - gain @ side
