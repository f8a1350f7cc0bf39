"""The predictors by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from at2.curves.baselines.latent_kronecker import LatentKroneckerCurves
from at2.curves.baselines.parametric import FAMILIES, ParametricCurve
from at2.curves.baselines.readings import BestReading, LastReading
from at2.curves.baselines.regression import Boosting, Ridge
from at2.curves.default import DefaultPredictor
from at2.curves.networks.cnn import CnnPredictor, TunedCnnPredictor
from at2.curves.networks.lstm import CnnLstmPredictor, LstmPredictor, TunedLstmPredictor
from at2.curves.predictor import CurvePredictor
from at2.curves.saving import kind_of
from at2.errors import CorruptFileError, UnknownNameError

__all__ = ["NETWORKS", "load_predictor", "make_predictor", "predictor_names"]

_CLASSES: tuple[type[CurvePredictor], ...] = (
    DefaultPredictor,
    CnnPredictor,
    LstmPredictor,
    CnnLstmPredictor,
    TunedCnnPredictor,
    TunedLstmPredictor,
    LastReading,
    BestReading,
    ParametricCurve,
    Ridge,
    Boosting,
    LatentKroneckerCurves,
)
_BY_NAME = {each.name: each for each in _CLASSES}
NETWORKS = ("cnn", "lstm", "cnn-lstm", "cnn-tuned", "lstm-tuned")
"""The published networks, and those that were tuned."""


def predictor_names() -> tuple[str, ...]:
    """Return the names that `make_predictor` takes; a parametric family is a name of its own."""
    names = [name for name in _BY_NAME if name != ParametricCurve.name]
    return (*names, *FAMILIES, "parametric-any")


def make_predictor(name: str, **parameters: Any) -> CurvePredictor:
    """Make a predictor by its name.

    Args:
        name: One of `predictor_names`.
        parameters: Arguments of its constructor.

    Raises:
        UnknownNameError: If there is no such predictor.
        TypeError: If it has no such parameter.

    Example:
        >>> make_predictor("power-law", prefix=5).get_params()
        {'family': 'power-law', 'prefix': 5, 'at': None, 'seed': 0}
    """
    if name in FAMILIES or name == "parametric-any":
        return ParametricCurve(family=name.removeprefix("parametric-"), **parameters)
    if name not in _BY_NAME:
        raise UnknownNameError(f"no predictor {name!r}; there are {', '.join(predictor_names())}")
    build: Callable[..., CurvePredictor] = _BY_NAME[name]
    return build(**parameters)


def load_predictor(path: str | Path) -> CurvePredictor:
    """Load a predictor of any kind that `CurvePredictor.save` wrote; errors as in `CurvePredictor.load`."""
    name = kind_of(path)
    if name not in _BY_NAME:
        raise CorruptFileError(f"{path}: holds an unknown predictor {name!r}; update at2", path=path)
    return _BY_NAME[name].load(path)
