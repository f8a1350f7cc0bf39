"""BoTorch's LatentKroneckerGP on the target's own curves: freeze-thaw without any transfer."""

import logging
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from at2.recommend import Budget, Problem
from at2.rivals.schedule import Schedule, ScheduledTuner

_log = logging.getLogger(__name__)


class LatentKronecker(ScheduledTuner):
    """Fits a latent Kronecker process to the curves seen so far and trains what promises the largest improvement.

    The process is fitted anew every turn; a turn trains the configuration whose predicted curve, where it is highest,
    has the largest expected improvement on the best value seen. Starts with three random configurations. What is
    recommended has the highest expected or seen value among those that were trained. A fit that fails gives the turn
    to the next configuration of the random order.

    Args:
        problem: Candidates and direction of the metric; the sources are not read.
        budget: What may be spent.
        seed: Seed of the start.
        n_turn: Number of turns that the budget is cut into; one configuration is trained a turn.

    References:
        Lin, Ament, Balandat, Bakshy, Scaling Gaussian processes for learning curve prediction via latent Kronecker
        structure, 2024, arXiv:2410.09239.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0, n_turn: int = 20) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        self._order: list[int] = self.rng.permutation(self.candidates).tolist()
        self._readings = np.full((problem.history.n_config, self.n_epoch), np.nan)
        self._promise: np.ndarray | None = None
        self._n_turn = n_turn

    def first_choice(self) -> Sequence[int]:
        """Give the random order."""
        return self._order

    def choose(self) -> int:
        """Give the trained configuration of the highest expected best value, before any fit the best seen."""
        trained = [row for row in self.candidates if self.n_done[row] > 0 and not self.failed[row]]
        if self._promise is None or not trained:
            return super().choose()
        promise = self._promise
        return max(trained, key=lambda row: max(float(promise[row]), float(self.best[row])))

    def schedule(self) -> Schedule:
        """Yield the start, then one configuration a turn."""
        n_epochs = max(1, self.n_left // self._n_turn)
        for row in self._order[:3]:
            yield from self._read(row, min(3, n_epochs))
        while True:
            bet = self._best_bet()
            if bet is None:
                return
            yield from self._read(bet, n_epochs)

    def _read(self, row: int, n_epochs: int) -> Schedule:
        """Train and keep what was read."""
        for _ in self.train(row, n_epochs):
            yield row
            if not self.failed[row]:
                self._readings[row, self.n_done[row] - 1] = self.latest[row]

    def _best_bet(self) -> int | None:
        """Give the open configuration of the largest expected improvement, None if none is open."""
        rows = [row for row in self.candidates if not self.failed[row] and self.n_done[row] < self.n_epoch]
        if not rows:
            return None
        if not np.isfinite(self._readings).any():
            return rows[0]
        try:
            mean, std = self._best_of_curves()  # (n_config,) each
        except RuntimeError as error:  # what BoTorch and linear_operator raise where a matrix is not positive definite
            _log.info("a fit failed, the next configuration is a random one: %s", error)
            return next(row for row in self._order if row in set(rows))
        self._promise = mean
        z = (mean - float(self.best.max())) / std
        gain = std * (z * norm.cdf(z) + norm.pdf(z))
        return max(rows, key=lambda row: float(gain[row]))

    def _best_of_curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Give mean and standard deviation where each predicted curve is highest, ``(n_config,)`` each."""
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.models.latent_kronecker_gp import LatentKroneckerGP
        from gpytorch.constraints import GreaterThan
        from gpytorch.likelihoods import GaussianLikelihood
        from gpytorch.mlls import ExactMarginalLogLikelihood

        x = torch.from_numpy(np.nan_to_num(self.features, nan=-0.5))
        t = torch.linspace(0.0, 1.0, self.n_epoch, dtype=torch.float64)[:, None]
        seen = np.flatnonzero(np.isfinite(self._readings).any(axis=1))
        n_seen = int(np.isfinite(self._readings).any(axis=0).sum())
        y = torch.from_numpy(self._readings[seen, :n_seen])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            likelihood = GaussianLikelihood(noise_constraint=GreaterThan(1e-3, initial_value=1e-2))
            model = LatentKroneckerGP(x[seen], t[:n_seen], y, likelihood=likelihood)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            with torch.no_grad():
                posterior = model.posterior(x, t)
                shape = (len(x), self.n_epoch)
                mean, variance = posterior.mean.reshape(shape).numpy(), posterior.variance.reshape(shape).numpy()
        rows, top = np.arange(len(x)), mean.argmax(axis=1)
        return mean[rows, top], np.sqrt(np.maximum(variance[rows, top], 1e-12))
