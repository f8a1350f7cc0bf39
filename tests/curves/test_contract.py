"""What every predictor promises, whatever it believes."""

import numpy as np
import pytest
import torch

from at2.curves import CurvePredictor, CurveSet, load_predictor, make_predictor, predictor_names
from at2.errors import CorruptFileError, PredictorError, ShapeError, UnknownNameError
from tests.curves.conftest import make_curves, make_table

NAMES = [
    name
    for name in predictor_names()
    if name not in ("exponential", "logarithmic", "inverse-log", "hill", "cnn-tuned", "lstm-tuned")
]
NETWORK_NAMES = ("cnn", "lstm", "cnn-lstm", "cnn-tuned", "lstm-tuned")


def build(name: str, **parameters: object) -> CurvePredictor:
    if name in NETWORK_NAMES:
        parameters = {"n_epoch": 5} | parameters
    if name == "default":
        parameters = {"n_step": 40} | parameters
    if name == "latent-kronecker":
        parameters = {"n_train": 8} | parameters
    return make_predictor(name, prefix=4, **parameters)


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest) -> tuple[CurvePredictor, CurveSet]:
    curves = make_curves(40, 9)
    return build(request.param).fit(curves.take(np.arange(30))), curves.take(np.arange(30, 40))


def test_predictions_have_a_row_per_curve(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    found = predictor.predict(test.configs, test.curves[:, :4], levels=(0.1, 0.9))
    mean, std, quantiles = found
    assert mean.shape == std.shape == (10,)
    assert quantiles.shape == (10, 2)
    assert np.isfinite(mean).all()
    if predictor.knows_uncertainty:
        assert (std > 0).all()
        assert (quantiles[:, 0] < quantiles[:, 1]).all()
        assert np.isfinite(found.law.log_density(test.curves[:, -1])).all()
    else:
        assert np.isnan(std).all()
        assert found.law is None


def test_what_is_saved_predicts_the_same(pair: tuple[CurvePredictor, CurveSet], tmp_path) -> None:
    predictor, test = pair
    before = predictor.predict(test.configs, test.curves[:, :4])
    predictor.save(tmp_path / "p.pt")
    after = load_predictor(tmp_path / "p.pt")
    assert type(after) is type(predictor)
    assert after.get_params() == predictor.get_params()
    found = after.predict(test.configs, test.curves[:, :4])
    assert np.allclose(found.mean, before.mean, rtol=1e-9)
    assert np.allclose(found.quantiles, before.quantiles, rtol=1e-6, equal_nan=True)
    assert torch.load(tmp_path / "p.pt", weights_only=True)["header"].startswith("{")


def test_parameters_are_those_of_the_constructor(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, _ = pair
    copy = type(predictor)(**predictor.get_params())
    assert copy.get_params() == predictor.get_params()
    assert copy.set_params(prefix=6).prefix == 6
    with pytest.raises(PredictorError, match="has no parameter 'depth'"):
        copy.set_params(depth=3)


def test_a_prefix_without_reading_is_refused_or_answered_widely(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    nothing = np.full((2, 4), np.nan)
    if predictor.needs_prefix:
        with pytest.raises(PredictorError, match="prefix 0 has no reading"):
            predictor.predict(test.configs[:2], nothing)
    else:
        blind = predictor.predict(test.configs[:2], nothing)
        seeing = predictor.predict(test.configs[:2], test.curves[:2, :4])
        assert (blind.std > seeing.std).all()


def test_a_gap_is_filled_and_a_late_beginning_too(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    prefixes = test.curves[:3, :4].copy()
    prefixes[1, 1] = np.nan
    prefixes[2, 0] = np.nan
    found = predictor.predict(test.configs[:3], prefixes)
    assert np.isfinite(found.mean).all()
    assert found.mean[0] == pytest.approx(predictor.predict(test.configs[:1], prefixes[:1]).mean[0], rel=1e-5)


def test_prefixes_may_be_lists_or_a_matrix_with_more_columns(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    matrix = predictor.predict(test.configs, test.curves[:, :4])
    wide = np.hstack([test.curves[:, :4], np.full((10, 20), np.nan)])
    for same in (test.curves[:, :4].tolist(), list(test.curves[:, :4]), wide):
        assert np.array_equal(predictor.predict(test.configs, same).mean, matrix.mean)
    with pytest.raises(ShapeError, match="one prefix per configuration"):
        predictor.predict(test.configs[:1], [1.0, 0.9])


def test_nobody_asks_nothing(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    assert len(predictor.predict(test.configs[:0], test.curves[:0, :4])) == 0


def test_scikit_learn_can_copy_it(pair: tuple[CurvePredictor, CurveSet]) -> None:
    from sklearn.base import clone

    predictor, _ = pair
    copy = clone(predictor)
    assert copy.get_params() == predictor.get_params()
    assert copy.curves_ is None


def test_what_cannot_be_is_refused(pair: tuple[CurvePredictor, CurveSet]) -> None:
    predictor, test = pair
    with pytest.raises(ShapeError, match="prefix 0 has 11 epochs, the longest training curve 9"):
        predictor.predict(test.configs[:1], np.ones((1, 11)))
    with pytest.raises(ShapeError, match="configurations must have shape"):
        predictor.predict(test.configs[:1, :2], test.curves[:1, :4])
    with pytest.raises(ShapeError, match="10 configurations and 1 prefixes"):
        predictor.predict(test.configs, test.curves[:1, :4])
    with pytest.raises(ShapeError, match="epoch 3 of prefix 0 is asked for"):
        predictor.predict(test.configs[:1], test.curves[:1, :4], 3)
    with pytest.raises(ShapeError, match="epoch 12 of prefix 0"):
        predictor.predict(test.configs[:1], test.curves[:1, :4], 12)
    with pytest.raises(ShapeError, match="infinite reading"):
        predictor.predict(test.configs[:1], [[1.0, np.inf, 1.0]])


@pytest.mark.parametrize("name", NAMES)
def test_one_curve_is_too_few(name: str) -> None:
    with pytest.raises(ShapeError, match=r"1 training curve"):
        build(name).fit(make_curves(1))


@pytest.mark.parametrize("name", ["default", "cnn-lstm", "boosting"])
def test_the_same_seed_gives_the_same_predictions(name: str) -> None:
    curves = make_curves(20, 8)
    first, second = (build(name, seed=5).fit(curves).predict(curves.configs, curves.curves[:, :4]) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)


@pytest.mark.parametrize("name", ["ridge", "boosting", "lstm", "cnn", "cnn-lstm", "default"])
def test_extra_series_are_taken_and_asked_for(name: str) -> None:
    curves = make_curves(24, 8, extra=True)
    predictor = build(name).fit(curves)
    assert curves.extra is not None
    found = predictor.predict(curves.configs, curves.curves[:, :4], extra=curves.extra[:, :4])
    assert np.isfinite(found.mean).all()
    with pytest.raises(ShapeError, match="2 extra series; give extra="):
        predictor.predict(curves.configs, curves.curves[:, :4])


def test_a_score_is_scikit_learns() -> None:
    from sklearn.metrics import r2_score

    curves = make_curves(12, 8)
    predictor = make_predictor("last", prefix=4).fit(curves)
    prefixes, truth = curves.curves[:, :4], curves.curves[:, -1]
    assert predictor.score(curves.configs, prefixes, truth) == pytest.approx(r2_score(truth, prefixes[:, -1]))
    flat = np.ones((2, 4))
    assert predictor.score(curves.configs[:2], flat, [1.0, 1.0]) == 1
    assert predictor.score(curves.configs[:2], flat, [2.0, 2.0]) == 0
    assert np.isnan(predictor.score(curves.configs[:1], flat[:1], [1.0]))
    for wrong in ([1.0], [1.0, np.nan]):
        with pytest.raises(ShapeError, match="2 finite readings are wanted"):
            predictor.score(curves.configs[:2], flat, wrong)


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"0 training curve\(s\) with a reading"):
        build("default").fit(np.full((20, 8), np.nan))
    with pytest.raises(ShapeError, match="a table, a CurveSet or a matrix"):
        build("last").fit("table.h5")
    with pytest.raises(PredictorError, match="seed must be a whole number from 0, got 'x'"):
        build("lstm", seed="x").fit(make_curves(20))


def test_nothing_is_predicted_before_a_fit() -> None:
    with pytest.raises(PredictorError, match="is not fitted"):
        make_predictor("last").predict(np.zeros((1, 2)), [[1.0]])


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"no predictor 'lstmm'; there are default, cnn"):
        make_predictor("lstmm")


def test_a_damaged_file_is_corrupt(tmp_path) -> None:
    (tmp_path / "p.pt").write_bytes(b"not a file of tensors")
    with pytest.raises(CorruptFileError, match="not a curve predictor"):
        load_predictor(tmp_path / "p.pt")
    make_predictor("last").fit(make_curves(5)).save(tmp_path / "last.pt")
    with pytest.raises(CorruptFileError, match="holds the predictor 'last'"):
        type(make_predictor("best")).load(tmp_path / "last.pt")


def test_a_predictor_of_a_table_takes_its_configurations() -> None:
    table = make_table()
    predictor = make_predictor("last", prefix=3).fit(table)
    config = table.config(0)
    assert len(predictor.predict([config], [[0.5, 0.6]])) == 1


def test_ragged_prefixes_may_be_mixed(curves: CurveSet) -> None:
    predictor = make_predictor("power-law", prefix=4).fit(curves)
    prefixes = [row[:length] for row, length in zip(curves.curves, (3, 6, 3, 9), strict=False)]
    together = predictor.predict(curves.configs[:4], prefixes, np.array([12, 12, 10, 11]))
    alone = predictor.predict(curves.configs[1:2], [prefixes[1]], 12)
    assert together.mean[1] == alone.mean[0]


@pytest.mark.parametrize("name", ["default", "lstm"])
def test_ragged_prefixes_and_their_series_may_be_mixed(name: str) -> None:
    curves = make_curves(24, 8, extra=True)
    assert curves.extra is not None
    predictor = build(name).fit(curves)
    prefixes = [row[:length] for row, length in zip(curves.curves, (4, 6, 4), strict=False)]
    together = predictor.predict(curves.configs[:3], prefixes, [8, 8, 7], extra=curves.extra[:3, :6])
    alone = predictor.predict(curves.configs[1:2], prefixes[1:2], extra=curves.extra[1:2, :6])
    assert together.mean[1] == pytest.approx(alone.mean[0], rel=1e-6)
    assert np.isfinite(together.mean).all()
    series = curves.extra[:3, :6].copy()
    series[0, 4:] = 1e6  # beyond its prefix, where nothing can be known yet
    assert predictor.predict(curves.configs[:3], prefixes, [8, 8, 7], extra=series).mean[0] == together.mean[0]
