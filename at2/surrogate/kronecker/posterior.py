"""Exact conditioning of a grid prior, one reading at a time, by an incremental Cholesky factor.

| symbol | meaning                                               | shape                     |
|--------|-------------------------------------------------------|---------------------------|
| L      | Cholesky factor of the covariance of the n readings   | ``(n, n)``, never stored  |
| V      | ``L^-1 K(readings, every cell)``, grows by one row    | ``(n, n_config * n_column)`` |
| a, b   | ``L^-1 y`` and ``L^-1 mu`` at the readings            | ``(n,)``                  |

Data and prior mean are carried apart, so that any affine change ``y -> (y - m) / s`` of the data costs nothing
afterwards: the posterior mean is ``V'a / s + (mu - V'b)`` and the log density a quadratic in ``1 / s``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from at2.surrogate.kronecker.grid_prior import GridPrior

_FIRST_ROWS = 32


class GridPosterior:
    """A grid prior given readings of some of its cells.

    Args:
        prior: The Gaussian before any reading.

    Attributes:
        pull: ``V'a``, what the data add to the mean at scale 1, shape ``(n_config, n_column)``.
        rest: ``mu - V'b``, what is left of the prior mean, shape ``(n_config, n_column)``.
        variance: Noise-free posterior variance, shape ``(n_config, n_column)``.
        n_reading: Number of readings so far.
    """

    def __init__(self, prior: GridPrior) -> None:
        self.prior = prior
        self.pull = torch.zeros_like(prior.mean)
        self.rest = prior.mean.clone()
        self.variance = prior.variance()
        self.n_reading = 0
        self._rows = prior.mean.new_empty((_FIRST_ROWS, prior.mean.numel()))
        self._log_det = 0.0
        self._aa = self._ab = self._bb = 0.0

    def observe(self, config: int, column: int, value: float) -> None:
        """Condition on one reading; O(n n_config n_column) plus one row of the prior.

        Args:
            config: Row of the cell.
            column: Column of the cell; a cell may be read several times.
            value: The reading, location already taken off, at the unknown scale.
        """
        spread = self._predictive_std(config, column)
        row = (self.row(config, column) / spread).reshape(-1)
        a = (value - float(self.pull[config, column])) / spread
        b = float(self.rest[config, column]) / spread
        self._append(row)
        shaped = row.reshape(self.prior.mean.shape)
        self.pull += a * shaped
        self.rest -= b * shaped
        self.variance = (self.variance - shaped.square()).clamp_min(0.0)
        self._log_det += 2.0 * math.log(spread)
        self._aa, self._ab, self._bb = self._aa + a * a, self._ab + a * b, self._bb + b * b

    def row(self, config: int, column: int) -> Tensor:
        """Return the posterior covariance of one cell with every cell, ``(n_config, n_column)``."""
        row = self.prior.row(config, column)
        if self.n_reading == 0:
            return row
        known = self._rows[: self.n_reading]
        cell = config * row.shape[1] + column
        return row - (known[:, cell] @ known).reshape(row.shape)

    def column_covariance(self, rows: Tensor, column: int, configs: Tensor, columns: Tensor) -> Tensor:
        """Return the posterior covariance of one column, at `n` configurations, with `m` cells, ``(n, m)``."""
        prior = self.prior.column_covariance(rows, column, configs, columns)
        if self.n_reading == 0:
            return prior
        n_column = self.prior.mean.shape[1]
        known = self._rows[: self.n_reading]
        return prior - known[:, rows * n_column + column].T @ known[:, configs * n_column + columns]

    def mean(self, scale: float = 1.0) -> Tensor:
        """Return the posterior mean in units of the prior if the data are at `scale`, ``(n_config, n_column)``."""
        return self.pull / scale + self.rest

    def log_evidence(self, scale: Tensor) -> Tensor:
        """Return the log density of the readings at each scale.

        Args:
            scale: Candidate scales, any shape.

        Returns:
            Log densities of the readings in their own units, same shape.
        """
        quadratic = self._aa / scale.square() - 2.0 * self._ab / scale + self._bb
        constant = self._log_det + self.n_reading * math.log(2.0 * math.pi)
        return -0.5 * (quadratic + constant) - self.n_reading * scale.log()

    def fork(self) -> GridPosterior:
        """Return an independent copy that shares the prior."""
        twin = GridPosterior.__new__(GridPosterior)
        twin.__dict__.update(self.__dict__)
        twin.pull, twin.rest, twin.variance = self.pull.clone(), self.rest.clone(), self.variance.clone()
        twin._rows = self._rows[: self.n_reading + 1].clone()
        return twin

    def _predictive_std(self, config: int, column: int) -> float:
        return math.sqrt(max(float(self.variance[config, column]), 0.0) + self.prior.noise)

    def _append(self, row: Tensor) -> None:
        if self.n_reading == self._rows.shape[0]:
            bigger = self._rows.new_empty((max(2 * self.n_reading, _FIRST_ROWS), self._rows.shape[1]))
            bigger[: self.n_reading] = self._rows
            self._rows = bigger
        self._rows[self.n_reading] = row
        self.n_reading += 1
