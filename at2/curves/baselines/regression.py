"""Ridge regression and gradient boosting from scikit-learn, on the features that the default predictor sees."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from at2.curves.batch import Batch
from at2.curves.features import config_columns, extra_columns, plain_readings, summary
from at2.curves.predictor import CurvePredictor, Floats, State
from at2.curves.scaling import Scaling, fit_scaling
from at2.errors import MissingExtraError

__all__ = ["Boosting", "Ridge"]


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Args:
        scaling: Of the readings.
        arrays: What `_apply` needs, by name.
    """

    scaling: Scaling
    arrays: dict[str, Floats] = field(default_factory=dict)


class RegressionPredictor(CurvePredictor):
    """Regresses the change from the last reading on configuration, readings and their summary, all scaled.

    Args:
        prefix: See `CurvePredictor`.
        at: See `CurvePredictor`.
        seed: See `CurvePredictor`.
        scaling: ``"none"``, ``"min-max"``, ``"standard"`` or ``"log"``.

    Raises:
        MissingExtraError: At `fit`, if scikit-learn is not installed.
    """

    def __init__(self, *, prefix: int = 10, at: int | None = None, seed: int = 0, scaling: str = "standard") -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        self.scaling = scaling

    @abstractmethod
    def _regress(self, features: Floats, targets: Floats) -> dict[str, Floats]:
        """Fit and return the arrays that `_apply` needs."""

    @abstractmethod
    def _apply(self, arrays: dict[str, Floats], features: Floats) -> Floats:
        """Return what is predicted, ``(n,)``."""

    def _fit_question(self, batch: Batch, answers: Floats) -> Regression:
        scaling = fit_scaling(self.scaling, np.column_stack([plain_readings(batch), answers]))
        features, last = self._features(scaling, batch)
        return Regression(scaling, self._regress(features, scaling.forward(answers) - last))

    def _answer(self, model: Regression, batch: Batch) -> Floats:
        features, last = self._features(model.scaling, batch)
        return model.scaling.inverse(last + self._apply(model.arrays, features))

    def _features(self, scaling: Scaling, batch: Batch) -> tuple[Floats, Floats]:
        readings = scaling.forward(plain_readings(batch))
        columns = config_columns(batch.configs, optional=self._optional)
        return np.hstack([columns, readings, summary(readings), extra_columns(batch)]), readings[:, -1]

    def _model_state(self, model: Regression) -> State:
        return {"scaling": model.scaling.to_json(), **model.arrays}

    def _model_from_state(self, state: State) -> Regression:
        arrays = {name: value.numpy() for name, value in state.items() if name != "scaling"}
        return Regression(Scaling(**state["scaling"]), arrays)


class Ridge(RegressionPredictor):
    """Ridge regression, its penalty chosen by leave-one-out; arguments as in `RegressionPredictor`."""

    name: ClassVar[str] = "ridge"

    def _regress(self, features: Floats, targets: Floats) -> dict[str, Floats]:
        shift, unit = features.mean(axis=0), features.std(axis=0)
        unit = np.where(unit > 1e-12, unit, 1.0)
        fitted = _sklearn("linear_model").RidgeCV(np.logspace(-3, 3, 13)).fit((features - shift) / unit, targets)
        weights = fitted.coef_ / unit
        return {"weights": weights, "offset": np.atleast_1d(fitted.intercept_ - shift @ weights)}

    def _apply(self, arrays: dict[str, Floats], features: Floats) -> Floats:
        return np.asarray(features @ arrays["weights"] + arrays["offset"], dtype=np.float64)


class Boosting(RegressionPredictor):
    """Gradient boosting of 400 trees of depth 4, each on 70 % of the curves; arguments as in `RegressionPredictor`.

    The trees are kept as arrays, so that a saved predictor needs no pickle, and using it no scikit-learn.
    """

    name: ClassVar[str] = "boosting"
    n_tree: ClassVar[int] = 400
    depth: ClassVar[int] = 4
    rate: ClassVar[float] = 0.05

    def _regress(self, features: Floats, targets: Floats) -> dict[str, Floats]:
        fitted = _sklearn("ensemble").GradientBoostingRegressor(
            n_estimators=self.n_tree,
            max_depth=self.depth,
            learning_rate=self.rate,
            subsample=0.7,
            random_state=self.seed,
        )
        trees = [tree.tree_ for tree in fitted.fit(features, targets).estimators_[:, 0]]
        size = max(tree.node_count for tree in trees)
        offset = np.array([float(fitted.init_.constant_.ravel()[0])])
        names = {"left": "children_left", "right": "children_right", "feature": "feature", "threshold": "threshold"}
        arrays = {name: np.stack([_padded(getattr(tree, of), size) for tree in trees]) for name, of in names.items()}
        arrays["value"] = np.stack([_padded(tree.value.ravel(), size) for tree in trees])
        return {**arrays, "offset": offset}

    def _apply(self, arrays: dict[str, Floats], features: Floats) -> Floats:
        """Walk all trees at once; scikit-learn compares features as float32."""
        left, right, feature = (arrays[name].astype(np.int64) for name in ("left", "right", "feature"))
        rows, trees = features.astype(np.float32), np.arange(len(left))[None]
        node = np.zeros((len(rows), len(left)), dtype=np.int64)
        for _ in range(self.depth):
            split = feature[trees, node]
            goes_left = np.take_along_axis(rows, np.maximum(split, 0), axis=1) <= arrays["threshold"][trees, node]
            node = np.where(split >= 0, np.where(goes_left, left[trees, node], right[trees, node]), node)
        return np.asarray(arrays["offset"] + self.rate * arrays["value"][trees, node].sum(axis=1), dtype=np.float64)


def _padded(values: Any, size: int) -> Floats:
    return np.pad(np.asarray(values, dtype=np.float64), (0, size - len(values)))


def _sklearn(module: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "this baseline needs scikit-learn, which is not installed; pip install 'at2[curves]'"
        ) from error
