"""A Gaussian over a configs x columns grid whose covariance is never written out.

| symbol | meaning                                                             | shape                             |
|--------|---------------------------------------------------------------------|-----------------------------------|
| mu     | prior mean of every cell                                            | ``(n_config, n_column)``          |
| U_c    | configuration factor (orthonormal on the grid, anything off it)     | ``(n_config, n_a)``               |
| U_e    | column factor                                                       | ``(n_column, n_b)``               |
| d      | variances in that basis, one per pair, not necessarily separable    | ``(n_a, n_b)``                    |
| F      | features with independent unit weights: a location, the source curves | ``(n_feature, n_config, n_column)`` |

The covariance is ``(U_c (x) U_e) diag(d) (U_c (x) U_e)' + F'F``, and readings add independent noise. Columns are the
epochs, and may be followed by one column of which nothing is ever read, such as the best of the curve.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.errors import ShapeError


@dataclass(frozen=True)
class GridPrior:
    """Mean and structured covariance of all cells.

    Args:
        mean: Prior mean mu, shape ``(n_config, n_column)``.
        config_factor: U_c, shape ``(n_config, n_a)``.
        epoch_factor: U_e, shape ``(n_column, n_b)``.
        spectrum: d, shape ``(n_a, n_b)``, not negative.
        features: F, shape ``(n_feature, n_config, n_column)``; ``n_feature`` may be 0.
        noise: Variance of the noise of a reading.
        value_column: Column that says what a configuration is worth in the end; negative counts from the last.

    Raises:
        ShapeError: If the shapes do not fit.
    """

    mean: Tensor
    config_factor: Tensor
    epoch_factor: Tensor
    spectrum: Tensor
    features: Tensor
    noise: float
    value_column: int = -1

    def __post_init__(self) -> None:
        """Check the shapes."""
        wanted = (self.config_factor.shape[0], self.epoch_factor.shape[0])
        rank = (self.config_factor.shape[1], self.epoch_factor.shape[1])
        if tuple(self.mean.shape) != wanted or tuple(self.features.shape[1:]) != wanted:
            raise ShapeError(f"factors span {wanted}, mean {tuple(self.mean.shape)}, features {self.features.shape}")
        if tuple(self.spectrum.shape) != rank:
            raise ShapeError(f"factors have ranks {rank}, the spectrum has shape {tuple(self.spectrum.shape)}")

    def row(self, config: int, column: int) -> Tensor:
        """Return the covariance of one cell with every cell, ``(n_config, n_column)``, at O(N T (N + T))."""
        weighted = self.spectrum * self.epoch_factor[column]
        left = (self.config_factor * self.config_factor[config]) @ weighted
        low_rank = torch.einsum("f,fnt->nt", self.features[:, config, column], self.features)
        return left @ self.epoch_factor.T + low_rank

    def variance(self) -> Tensor:
        """Return the variance of every cell, ``(n_config, n_column)``."""
        kronecker = self.config_factor.square() @ self.spectrum @ self.epoch_factor.square().T
        return kronecker + self.features.square().sum(0)

    def column_covariance(self, rows: Tensor, column: int, configs: Tensor, columns: Tensor) -> Tensor:
        """Return the covariance of one column with `m` cells.

        Args:
            rows: Configurations of that column, shape ``(n,)``.
            column: The column.
            configs: Rows of the cells, shape ``(m,)``.
            columns: Columns of the cells, shape ``(m,)``.

        Returns:
            Tensor of shape ``(n, m)``.
        """
        along = (self.epoch_factor[columns] * self.epoch_factor[column]) @ self.spectrum.T  # (m, n_a)
        kronecker = self.config_factor[rows] @ (self.config_factor[configs] * along).T
        return kronecker + self.features[:, rows, column].T @ self.features[:, configs, columns]

    def dense(self) -> Tensor:
        """Return the whole covariance, ``(n_config * n_column, n_config * n_column)``; for small grids and tests."""
        factor = torch.kron(self.config_factor.contiguous(), self.epoch_factor.contiguous())
        flat = self.features.flatten(1)
        return factor @ (self.spectrum.reshape(-1, 1) * factor.T) + flat.T @ flat

    def with_features(self, features: Tensor, covariance: Tensor) -> GridPrior:
        """Add features whose weights have mean zero and the given covariance.

        Args:
            features: Further features, shape ``(k, n_config, n_column)``.
            covariance: Covariance of their weights, shape ``(k, k)``, positive semi-definite.

        Returns:
            A new prior.
        """
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors * values.clamp_min(0.0).sqrt()
        mixed = torch.einsum("kr,knt->rnt", root, features)
        return replace(self, features=torch.cat([self.features, mixed]))

    def select(self, rows: Tensor) -> GridPrior:
        """Return the prior over some configurations, in the order of `rows`, shape ``(n,)``."""
        return replace(
            self, mean=self.mean[rows], config_factor=self.config_factor[rows], features=self.features[:, rows]
        )
