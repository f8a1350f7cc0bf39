"""BoTorch's latent Kronecker Gaussian process, given complete training curves and the prefix in question."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from at2.curves.baselines.grid import Grid, loss
from at2.curves.batch import Batch
from at2.curves.data import CurveSet
from at2.curves.features import config_columns
from at2.curves.prediction import Law
from at2.curves.predictor import CurvePredictor, Floats, State
from at2.curves.warp import choose_curve_warp
from at2.errors import FitError, ShapeError

__all__ = ["LatentKroneckerCurves"]


@dataclass(frozen=True)
class LatentKroneckerModel:
    """The fitted process; it answers every question.

    Args:
        parameters: Kernel and noise parameters by name.
        rows: Rows of the training curves that are conditioned on.
        shift: Mean of the warped readings.
        unit: Their standard deviation.
        process: BoTorch's model with these parameters.
        grid: The same, conditioned on the training curves.
    """

    parameters: dict[str, Tensor]
    rows: Floats
    shift: float
    unit: float
    process: Any
    grid: Grid


class LatentKroneckerCurves(CurvePredictor):
    """A product of a kernel of configurations and one of epochs, on the warped line.

    Kernels, likelihood and optimizer are those of BoTorch's `LatentKroneckerGP`. Its iterations are replaced by the
    eigenvectors of both kernels, which are exact and fast, because the training curves have no gaps: those with some
    are left out. Each prediction is given the training curves and its own prefix, and no other one.

    Args:
        prefix: See `CurvePredictor`; the parameters do not depend on it.
        at: See `CurvePredictor`.
        seed: Seed of the training curves that are taken, where there are too many.
        n_train: Training curves to take at most; the cost grows with the cube.

    Raises:
        ShapeError: At `fit`, if fewer than two training curves are complete.

    References:
        Lin, Ament, Balandat, Bakshy, Scaling Gaussian processes for learning curve prediction via latent Kronecker
        structure, 2024, arXiv:2410.09239.
    """

    name: ClassVar[str] = "latent-kronecker"
    knows_uncertainty: ClassVar[bool] = True

    def __init__(self, *, prefix: int = 10, at: int | None = None, seed: int = 0, n_train: int = 1500) -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        self.n_train = n_train

    def _prepare(self, curves: CurveSet) -> None:
        super()._prepare(curves)
        self._warp = choose_curve_warp(curves.curves, maximize=curves.maximize)

    def _fit_question(self, batch: Batch, answers: Floats) -> LatentKroneckerModel:
        if self._models:  # one of another question
            return next(iter(self._models.values()))  # type: ignore[no-any-return]
        trained = self._fitted()
        complete = np.flatnonzero(np.isfinite(trained.curves).all(axis=1))
        if len(complete) < 2:
            raise ShapeError(
                f"{len(complete)} training curve(s) have a reading at every one of {trained.n_epoch} epochs; "
                f"{self.name!r} wants at least 2. Train on curves without gaps, or use the default predictor"
            )
        rows = np.sort(np.random.default_rng(self.seed).permutation(complete)[: self.n_train])
        latent = self._warp.forward(trained.curves[rows])
        shift, unit = float(latent.mean()), max(float(latent.std()), 1e-6)
        process = self._process(rows, shift, unit)
        _fit(process)
        parameters = {k: v.detach().clone() for k, v in process.named_parameters()}
        return LatentKroneckerModel(parameters, rows.astype(np.float64), shift, unit, process, _conditioned(process))

    def _answer(self, model: LatentKroneckerModel, batch: Batch) -> Law:
        n = len(batch)
        known = np.flatnonzero(np.isfinite(batch.prefixes[0])).tolist() if n else []
        prefixes = (self._warp.forward(batch.prefixes[:, known]) - model.shift) / model.unit
        with torch.no_grad():
            columns, kernel = self._columns(batch.configs), model.process.covar_module_X
            cross = kernel(columns, model.process.train_inputs[0]).to_dense()
            prior = kernel(columns, diag=True)
            at = int(batch.at[0]) - 1 if n else 0
            mean, std = model.grid.predict(cross, prior, torch.from_numpy(prefixes), known, at)
        far = np.full(n, np.inf)
        location, scale = model.shift + model.unit * mean.numpy(), model.unit * std.numpy()
        return Law(location, scale, np.full(n, 100.0), self._warp, low=-far, high=far)

    def _process(self, rows: Sequence[int] | Floats, shift: float, unit: float) -> Any:
        """Return an untrained process on some of the training curves."""
        trained, at = self._fitted(), np.asarray(rows, dtype=np.int64)
        latent = (self._warp.forward(trained.curves[at]) - shift) / unit
        return _untrained(self._columns(trained.configs[at]), torch.from_numpy(latent))

    def _columns(self, configs: Floats) -> Tensor:
        return torch.from_numpy(config_columns(configs, optional=self._optional))

    def _model_state(self, model: LatentKroneckerModel) -> State:
        parameters = {f"parameters.{name}": value for name, value in model.parameters.items()}
        return {"rows": model.rows, "shift": model.shift, "unit": model.unit, **parameters}

    def _model_from_state(self, state: State) -> LatentKroneckerModel:
        named = {k.removeprefix("parameters."): v for k, v in state.items() if k.startswith("parameters.")}
        rows, shift, unit = state["rows"].numpy(), state["shift"], state["unit"]
        process = self._process(rows, shift, unit)
        for name, parameter in process.named_parameters():
            parameter.data.copy_(named[name])
        return LatentKroneckerModel(named, rows, shift, unit, process, _conditioned(process))


def _untrained(columns: Tensor, curves: Tensor) -> Any:
    """Return an untrained process on configurations ``(n, d)`` and complete curves ``(n, n_epoch)``."""
    from botorch.models.latent_kronecker_gp import LatentKroneckerGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.likelihoods import GaussianLikelihood

    epochs = torch.linspace(0.0, 1.0, curves.shape[1], dtype=torch.float64)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        likelihood = GaussianLikelihood(noise_constraint=GreaterThan(1e-4, initial_value=1e-2))
        return LatentKroneckerGP(columns, epochs, curves, likelihood=likelihood, outcome_transform=None)


def _parts(process: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return curves, both covariances and the noise of a process."""
    columns, epochs = process.train_inputs
    curves = process.train_targets.reshape(len(columns), len(epochs))
    of_configs, of_epochs = process.covar_module_X(columns).to_dense(), process.covar_module_T(epochs).to_dense()
    return curves, of_configs, of_epochs, process.likelihood.noise.squeeze()


def _conditioned(process: Any) -> Grid:
    with torch.no_grad():
        curves, of_configs, of_epochs, noise = _parts(process)
        return Grid.given(curves, of_configs, of_epochs, float(noise))


def _fit(process: Any, *, n_step: int = 50) -> None:
    """Choose the parameters by their marginal likelihood, with BoTorch's optimizer."""
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from gpytorch.mlls import ExactMarginalLogLikelihood

    parameters = dict(process.named_parameters())

    def closure() -> tuple[Tensor, list[Tensor | None]]:
        process.zero_grad()
        value = loss(*_parts(process))
        value.backward()  # type: ignore[no-untyped-call]
        return value, [parameter.grad for parameter in parameters.values()]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mll = ExactMarginalLogLikelihood(process.likelihood, process)
            named = {f"model.{name}": parameter for name, parameter in parameters.items()}
            fit_gpytorch_mll_scipy(mll, parameters=named, closure=closure, options={"maxiter": n_step})
    except RuntimeError as error:  # what torch raises where eigenvalues do not converge
        raise FitError(f"the latent Kronecker process could not be fitted ({error}); take other curves") from error
