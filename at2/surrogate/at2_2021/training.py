"""Stochastic gradient ascent on the evidence lower bound, offline and after every query."""

from __future__ import annotations

import logging

import numpy as np
import torch
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import VariationalELBO
from torch import Tensor

from at2.errors import FitError
from at2.surrogate.at2_2021.model import CurveModel
from at2.surrogate.at2_2021.surrogate import AutoTuning2021

_LOG = logging.getLogger(__name__)


def rate_share(epoch: int, *, n_epoch: int, n_warmup: float) -> float:
    """Return the share of the highest learning rate in a pass: up from 0, then down to 0, both linearly.

    Args:
        epoch: Number of the pass, from 0.
        n_epoch: Passes until the rate is 0 again.
        n_warmup: Passes until the rate is highest.

    Example:
        >>> [rate_share(epoch, n_epoch=6, n_warmup=2) for epoch in (0, 1, 2, 4, 7)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if epoch < n_warmup:
        return epoch / max(n_warmup, 1.0)
    return max(0.0, (n_epoch - epoch) / max(1.0, n_epoch - n_warmup))


class Trainer:
    """Trains a model on readings, of which more may come.

    Args:
        model: The model; its parameters are changed in place.
        x: Rows of the readings, shape ``(n, n_column)``.
        y: Their values, shape ``(n,)``.
        settings: Sizes and rates.
        seed: Seed of the order of the readings.
    """

    def __init__(self, model: CurveModel, x: Tensor, y: Tensor, settings: AutoTuning2021, *, seed: int) -> None:
        self.model, self.x, self.y = model, x, y
        self.likelihood = GaussianLikelihood().double().to(y.device)
        self._bound = VariationalELBO(self.likelihood, model, num_data=y.numel())
        parameters = [*model.parameters(), *self.likelihood.parameters()]
        self._optimizer = torch.optim.SGD(parameters, lr=settings.lr, momentum=settings.momentum)
        self._settings, self._seed = settings, seed
        self.n_epoch = 0

    @property
    def noise(self) -> float:
        """Variance of a reading's noise."""
        return float(self.likelihood.noise.detach())

    def add(self, row: Tensor, value: float) -> None:
        """Take up one reading, its row of shape ``(1, n_column)``; nothing is trained yet."""
        self.x = torch.cat([self.x, row])
        self.y = torch.cat([self.y, self.y.new_tensor([value])])
        self._bound.num_data = self.y.numel()

    def run(self, n_epoch: int) -> None:
        """Do some passes over the readings.

        Raises:
            FitError: If the bound is no longer a number.
        """
        self.model.train()
        self.likelihood.train()
        for _ in range(n_epoch):
            loss = self._pass()
            _LOG.debug("pass %d over %d readings: loss %.4f", self.n_epoch, self.y.numel(), loss)
            if not np.isfinite(loss):
                raise FitError(
                    f"training diverged in pass {self.n_epoch} (loss {loss}); lower lr, which is {self._settings.lr}"
                )
            self.n_epoch += 1
        self.model.eval()
        self.likelihood.eval()

    def _pass(self) -> float:
        """Go through all readings once, in an order of its own, and return the last loss."""
        settings = self._settings
        total = settings.num_training_epoch + settings.num_tuning_budget * settings.num_tuning_epoch
        share = rate_share(self.n_epoch, n_epoch=total, n_warmup=total * settings.warmup_ratio)
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr * share
        order = np.random.default_rng([self._seed, self.n_epoch]).permutation(self.y.numel())
        n_batch = max(1, order.size // settings.batch_size)  # what does not fill a batch waits for another pass
        loss = float("nan")
        for batch in range(n_batch):
            chosen = torch.from_numpy(order[batch * settings.batch_size : (batch + 1) * settings.batch_size])
            loss = self._step(chosen.to(self.y.device))
        return loss

    def _step(self, chosen: Tensor) -> float:
        loss = -self._bound(self.model(self.x[chosen]), self.y[chosen])
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())
