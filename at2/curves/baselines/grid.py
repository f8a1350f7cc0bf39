"""Exact algebra of a Gaussian process with a Kronecker product for its covariance, on complete curves.

| symbol | meaning                                              | shape              |
|--------|------------------------------------------------------|--------------------|
| Y      | curves, standardized, none with a gap                | ``(n, n_epoch)``   |
| K, L   | covariances of configurations, of epochs             | ``(n, n)``, ``(n_epoch, n_epoch)`` |
| s      | noise variance; the covariance of Y is ``K x L + s`` |                    |

With the eigenvectors of K and of L at hand, nothing larger than they is ever factorized.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["Grid", "loss"]


def loss(curves: Tensor, of_configs: Tensor, of_epochs: Tensor, noise: Tensor) -> Tensor:
    """Return minus the log marginal likelihood per reading, with gradients in both covariances and the noise.

    No gradient runs through eigenvectors, which have none where eigenvalues meet: the quadratic form is written as
    one whose gradient is right where the weights, held fixed, are.

    Args:
        curves: Y.
        of_configs: K.
        of_epochs: L.
        noise: s, positive, shape ``()``.
    """
    k, u = torch.linalg.eigh(of_configs)
    m, v = torch.linalg.eigh(of_epochs)
    spectrum = k.clamp_min(0)[:, None] * m.clamp_min(0) + noise
    with torch.no_grad():
        weights = u @ ((u.T @ curves @ v) / spectrum) @ v.T
    fit = 2 * (curves * weights).sum() - (weights * (of_configs @ weights @ of_epochs + noise * weights)).sum()
    total: Tensor = fit + spectrum.log().sum() + curves.numel() * math.log(2 * math.pi)
    return 0.5 * total / curves.numel()


@dataclass(frozen=True)
class Grid:
    """The process given complete curves.

    Args:
        of_epochs: L.
        noise: s.
        vectors: Eigenvectors of K.
        epoch_vectors: Those of L.
        spectrum: Eigenvalues of the covariance of Y, ``(n, n_epoch)``.
        weights: What Y becomes when multiplied by the inverse of its covariance, ``(n, n_epoch)``.
    """

    of_epochs: Tensor
    noise: float
    vectors: Tensor
    epoch_vectors: Tensor
    spectrum: Tensor
    weights: Tensor

    @classmethod
    def given(cls, curves: Tensor, of_configs: Tensor, of_epochs: Tensor, noise: float) -> Self:
        """Condition on curves; arguments as in `loss`."""
        k, u = torch.linalg.eigh(of_configs)
        m, v = torch.linalg.eigh(of_epochs)
        spectrum = k.clamp_min(0)[:, None] * m.clamp_min(0) + noise
        return cls(of_epochs, noise, u, v, spectrum, u @ ((u.T @ curves @ v) / spectrum) @ v.T)

    def predict(
        self, cross: Tensor, prior: Tensor, prefixes: Tensor, known: list[int], at: int
    ) -> tuple[Tensor, Tensor]:
        """Predict one reading of each of m further curves, given the training curves and its own first readings.

        Args:
            cross: Covariances of their configurations with those of training, ``(m, n)``.
            prior: Variances of their configurations, ``(m,)``.
            prefixes: Their known readings, ``(m, n_known)``.
            known: Positions of these epochs.
            at: Position of the wanted epoch.

        Returns:
            Means and standard deviations of the reading, noise included, ``(m,)`` each.
        """
        asked = [*known, at]
        mean = (cross @ self.weights @ self.of_epochs)[:, asked]
        shrink = (cross @ self.vectors).square() @ (1 / self.spectrum)  # (m, n_epoch)
        along = self.epoch_vectors.T @ self.of_epochs[:, asked]  # (n_epoch, n_known + 1)
        covariance = prior[:, None, None] * self.of_epochs[asked][:, asked]
        covariance = covariance - torch.einsum("je,mj,jf->mef", along, shrink, along)
        seen = covariance[:, :-1, :-1] + self.noise * torch.eye(len(known), dtype=cross.dtype)
        gain = torch.linalg.solve(seen, covariance[:, :-1, -1:])[:, :, 0]
        end = mean[:, -1] + (gain * (prefixes - mean[:, :-1])).sum(1)
        variance = covariance[:, -1, -1] - (gain * covariance[:, :-1, -1]).sum(1) + self.noise
        return end, variance.clamp_min(1e-10).sqrt()
