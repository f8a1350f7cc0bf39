import numpy as np
import pytest

from at2.curves import make_predictor
from at2.curves.baselines.parametric import FAMILIES
from at2.errors import MissingExtraError, PredictorError
from tests.curves.conftest import make_curves


@pytest.mark.parametrize("maximize", [False, True])
def test_the_last_and_the_best_reading(maximize: bool) -> None:
    curves = make_curves(6, 8, maximize=maximize)
    prefixes = [[0.5, 0.9, 0.7], [0.4, 0.2]]
    last = make_predictor("last", prefix=3).fit(curves).predict(curves.configs[:2], prefixes)
    best = make_predictor("best", prefix=3).fit(curves).predict(curves.configs[:2], prefixes)
    assert last.mean.tolist() == [0.7, 0.2]
    assert best.mean.tolist() == ([0.9, 0.4] if maximize else [0.5, 0.2])


@pytest.mark.parametrize(
    ("family", "curve"),
    [
        ("power-law", lambda x: 0.3 + 0.6 * x**-0.8),
        ("exponential", lambda x: 0.3 + 0.6 * np.exp(-0.25 * (x - 1))),
        ("logarithmic", lambda x: 0.9 - 0.1 * np.log(x)),
        ("inverse-log", lambda x: 0.2 + 0.3 / np.log(x + 1)),
        ("weibull", lambda x: 0.3 + 0.6 * np.exp(-((x / 8.0) ** 1.1))),
        ("hill", lambda x: 0.3 + 0.6 / (1 + (x / 6.0) ** 1.4)),
    ],
)
def test_a_family_continues_its_own_curves(family: str, curve) -> None:
    epochs = np.arange(1.0, 31.0)
    readings = curve(epochs)[None]
    predictor = make_predictor(family, prefix=12).fit(np.vstack([readings, readings + 0.3, readings * 0 + 0.05]))
    found = predictor.predict(np.zeros((1, 0)), readings[:, :12])
    assert found.mean[0] == pytest.approx(readings[0, -1], abs=0.03)  # theta lies on a grid


def test_any_family_is_the_one_that_fits_best() -> None:
    epochs = np.arange(1.0, 31.0)
    readings = np.vstack([0.3 + 0.6 * epochs**-0.8, 0.3 + 0.6 * np.exp(-0.25 * epochs)])
    found = make_predictor("parametric-any", prefix=12).fit(readings).predict(np.zeros((2, 0)), readings[:, :12])
    assert np.allclose(found.mean, readings[:, -1], atol=0.01)
    assert len(FAMILIES) == 6
    with pytest.raises(PredictorError, match="no family 'cubic'"):
        make_predictor("parametric", family="cubic")


def test_our_walk_through_the_trees_is_scikit_learns() -> None:
    from sklearn import ensemble

    curves = make_curves(40, 8)
    predictor = make_predictor("boosting", prefix=4, scaling="none").fit(curves)
    (model,) = predictor._models.values()
    from at2.curves.batch import Question, training_batch

    batch, answers = training_batch(curves, Question(4, 8))
    features, last = predictor._features(model.scaling, batch)
    theirs = ensemble.GradientBoostingRegressor(
        n_estimators=400, max_depth=4, learning_rate=0.05, subsample=0.7, random_state=0
    ).fit(features, answers - last)
    ours = predictor.predict(curves.configs, curves.curves[:, :4]).mean
    assert np.allclose(ours, last + theirs.predict(features))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    def refuse(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(MissingExtraError, match=r"at2\[curves\]"):
        make_predictor("ridge", prefix=4).fit(make_curves(10, 8))
