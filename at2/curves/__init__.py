"""Where a learning curve will end: predictors behind one interface, published networks, baselines, early stopping."""

from at2.curves.callback import StopHopeless
from at2.curves.data import CurveSet, load_curves, split
from at2.curves.default import DefaultPredictor
from at2.curves.prediction import LEVELS, CurvePrediction
from at2.curves.predictor import CurvePredictor
from at2.curves.registry import NETWORKS, load_predictor, make_predictor, predictor_names

__all__ = [
    "LEVELS",
    "NETWORKS",
    "CurvePrediction",
    "CurvePredictor",
    "CurveSet",
    "DefaultPredictor",
    "StopHopeless",
    "load_curves",
    "load_predictor",
    "make_predictor",
    "predictor_names",
    "split",
]
