"""BoTorch's latent Kronecker Gaussian process: whole training curves and the prefixes in question, fitted together."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from at2.curves.batch import Batch
from at2.curves.data import CurveSet
from at2.curves.features import config_columns
from at2.curves.prediction import Law
from at2.curves.predictor import CurvePredictor, Floats, State
from at2.curves.warp import choose_curve_warp
from at2.errors import FitError

__all__ = ["LatentKroneckerCurves"]

_MOST = 6000  # readings of which the covariance is factorized
_CHUNK = 100  # prefixes that are conditioned on at a time


@dataclass(frozen=True)
class LatentKroneckerModel:
    """The fitted process.

    Args:
        parameters: Kernel, mean and noise parameters by name.
        rows: Rows of the training curves that are conditioned on.
        shift: Mean of the warped readings.
        unit: Their standard deviation.
    """

    parameters: dict[str, Tensor]
    rows: Floats
    shift: float
    unit: float


class LatentKroneckerCurves(CurvePredictor):
    """A product of a kernel of configurations and one of epochs, on the warped line.

    Its parameters are fitted to some complete training curves; a prediction then conditions on those and, a hundred at
    a time, on the prefixes in question.

    Args:
        prefix: See `CurvePredictor`; the parameters do not depend on it.
        at: See `CurvePredictor`.
        seed: Seed of the training curves that are taken.
        n_train: Training curves to take; the cost grows with about the cube.

    References:
        Lin, Ament, Balandat, Bakshy, Scaling Gaussian processes for learning curve prediction via latent Kronecker
        structure, 2024, arXiv:2410.09239.
    """

    name: ClassVar[str] = "latent-kronecker"
    knows_uncertainty: ClassVar[bool] = True

    def __init__(self, *, prefix: int = 10, at: int | None = None, seed: int = 0, n_train: int = 20) -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        self.n_train = n_train

    def _prepare(self, curves: CurveSet) -> None:
        super()._prepare(curves)
        self._warp = choose_curve_warp(curves.curves, maximize=curves.maximize)

    def _fit_question(self, batch: Batch, answers: Floats) -> LatentKroneckerModel:
        trained = self._fitted()
        order = np.random.default_rng(self.seed).permutation(len(trained))
        complete = np.asarray(np.isfinite(trained.curves).all(axis=1))[order]
        rows = np.concatenate([order[complete], order[~complete]])[: self.n_train]
        latent = self._warp.forward(trained.curves[rows])
        shift, unit = float(np.nanmean(latent)), max(float(np.nanstd(latent)), 1e-6)
        process = _process(self._columns(trained.configs[rows]), torch.from_numpy((latent - shift) / unit))
        _fit(process)
        parameters = {k: v.detach().clone() for k, v in process.named_parameters()}
        return LatentKroneckerModel(parameters, rows.astype(np.float64), shift, unit)

    def _answer(self, model: LatentKroneckerModel, batch: Batch) -> Law:
        parts = [self._answer_chunk(model, batch.take(rows)) for rows in _chunks(len(batch))]
        location, scale = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        n = len(batch)
        far = np.full(n, np.inf)
        return Law(
            model.shift + model.unit * location, model.unit * scale, np.full(n, 100.0), self._warp, low=-far, high=far
        )

    def _answer_chunk(self, model: LatentKroneckerModel, batch: Batch) -> tuple[Floats, Floats]:
        """Return means and standard deviations of one chunk, standardized."""
        trained, rows = self._fitted(), model.rows.astype(np.int64)
        known = np.vstack([trained.curves[rows], batch.prefixes])
        latent = (self._warp.forward(known) - model.shift) / model.unit
        columns = self._columns(np.vstack([trained.configs[rows], batch.configs]))
        process = _process(columns, torch.from_numpy(latent))
        for name, parameter in process.named_parameters():
            parameter.data.copy_(model.parameters[name])
        process.eval()
        ends = torch.tensor([[0.0], [float(batch.at[0]) - 1]], dtype=torch.float64)  # BoTorch wants two at least
        epochs = ends / max(known.shape[1] - 1, 1)
        with warnings.catch_warnings(), torch.no_grad(), _dense_algebra():
            warnings.simplefilter("ignore")
            posterior = process.posterior(columns[len(rows) :], epochs)
            mean, variance = (part.reshape(len(batch), 2)[:, 1] for part in (posterior.mean, posterior.variance))
            std = (variance + process.likelihood.noise).clamp_min(1e-10).sqrt()
        return mean.numpy(), std.numpy()

    def _columns(self, configs: Floats) -> Tensor:
        return torch.from_numpy(config_columns(configs, optional=self._optional))

    def _model_state(self, model: LatentKroneckerModel) -> State:
        parameters = {f"parameters.{name}": value for name, value in model.parameters.items()}
        return {"rows": model.rows, "shift": model.shift, "unit": model.unit, **parameters}

    def _model_from_state(self, state: State) -> LatentKroneckerModel:
        named = {k.removeprefix("parameters."): v for k, v in state.items() if k.startswith("parameters.")}
        return LatentKroneckerModel(named, state["rows"].numpy(), state["shift"], state["unit"])


def _process(columns: Tensor, curves: Tensor) -> Any:
    """Return an untrained process on configurations ``(n, d)`` and curves ``(n, n_epoch)``, NaN where not known."""
    from botorch.models.latent_kronecker_gp import LatentKroneckerGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.likelihoods import GaussianLikelihood

    epochs = torch.linspace(0.0, 1.0, curves.shape[1], dtype=torch.float64)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        likelihood = GaussianLikelihood(noise_constraint=GreaterThan(1e-4, initial_value=1e-2))
        return LatentKroneckerGP(columns, epochs, curves, likelihood=likelihood, outcome_transform=None)


def _fit(process: Any) -> None:
    from botorch.fit import fit_gpytorch_mll
    from gpytorch.mlls import ExactMarginalLogLikelihood

    try:
        with warnings.catch_warnings(), _dense_algebra():
            warnings.simplefilter("ignore")
            fit_gpytorch_mll(
                ExactMarginalLogLikelihood(process.likelihood, process), optimizer_kwargs={"options": {"maxiter": 50}}
            )
    except RuntimeError as error:  # what BoTorch and linear_operator raise where a matrix is not positive definite
        raise FitError(f"the latent Kronecker process could not be fitted ({error}); take other curves") from error


@contextmanager
def _dense_algebra() -> Iterator[None]:
    """Factorize matrices of some thousand readings: BoTorch's iterations take minutes where this takes seconds."""
    from linear_operator.settings import fast_computations, max_cholesky_size

    with fast_computations(covar_root_decomposition=False, log_prob=False, solves=False), max_cholesky_size(_MOST):
        yield


def _chunks(n: int) -> list[Any]:
    return [np.arange(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
