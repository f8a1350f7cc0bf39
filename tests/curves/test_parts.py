import numpy as np
import pytest

from at2.curves.batch import Question, ask, fill_gaps, training_batch
from at2.curves.data import CurveSet
from at2.curves.features import config_columns, summary
from at2.curves.prediction import CurvePrediction, Law
from at2.curves.scaling import fit_scaling
from at2.curves.warp import CurveWarp, choose_curve_warp
from at2.errors import ShapeError

READINGS = np.array([0.1, 0.5, 0.9, 0.3])


@pytest.mark.parametrize("kind", ["none", "min-max", "standard", "log"])
def test_a_scaling_is_undone(kind: str) -> None:
    scaling = fit_scaling(kind, READINGS)
    assert np.allclose(scaling.inverse(scaling.forward(READINGS)), READINGS)
    if kind in ("standard", "log"):
        assert scaling.forward(READINGS).mean() == pytest.approx(0)
    constant = fit_scaling(kind, [2.0, 2.0])
    assert np.isfinite(constant.forward(np.array([2.0, 3.0]))).all()


EDGES = np.array([[2e-5, 0.001, 0.004], [0.996, 0.999, 1 - 2e-5]])


@pytest.mark.parametrize("readings", [READINGS, EDGES], ids=["inside", "near-the-ends"])
@pytest.mark.parametrize(
    "warp", [CurveWarp(), CurveWarp("log", 1e-6), CurveWarp("log", 0.1), CurveWarp("logit", 0.0, 1.0)]
)
def test_a_warp_is_undone_and_knows_its_slope(warp: CurveWarp, readings: np.ndarray) -> None:
    assert np.allclose(warp.inverse(warp.forward(readings)), readings, rtol=1e-9)
    step = 1e-7
    slope = (warp.forward(readings + step) - warp.forward(readings - step)) / (2 * step)
    assert np.allclose(np.exp(warp.log_slope(readings)), slope, rtol=1e-4)


@pytest.mark.parametrize("warp", [CurveWarp("log", 0.1), CurveWarp("logit", 0.0, 1.0)])
def test_an_end_is_reached_and_not_left(warp: CurveWarp) -> None:
    assert np.isfinite(warp.forward(np.array([0.0, 1.0]))).all()
    assert np.allclose(warp.inverse(warp.forward(np.array([0.0, 1.0]))), [0.0, 1.0])
    assert warp.inverse(np.array([-1e300]))[0] == 0.0
    assert np.isfinite(warp.inverse(np.array([1e300]))[0])


@pytest.mark.parametrize(
    ("readings", "maximize", "kind"),
    [
        ([0.1, 0.9], True, "logit"),
        ([10.0, 90.0], True, "logit"),
        ([0.2, 8.0], False, "log"),
        ([-3.0, 5.0], True, "identity"),
    ],
)
def test_the_warp_fits_the_metric(readings: list[float], maximize: bool, kind: str) -> None:
    assert choose_curve_warp(readings, maximize=maximize).kind == kind


def test_a_distribution_agrees_with_itself() -> None:
    far = np.full(2, np.inf)
    law = Law(np.array([0.0, 1.0]), np.array([0.5, 0.1]), np.array([4.0, 30.0]), CurveWarp("log", 1e-9), -far, far)
    levels = np.array([0.1, 0.5, 0.9])
    quantiles = law.quantile(levels)
    for k, level in enumerate(levels):
        assert np.allclose(law.probability_below(quantiles[:, k]), level)
    grid = np.linspace(1e-3, 60, 400_000)
    for row in range(2):
        one = Law(
            *(part[row : row + 1] for part in (law.location, law.scale, law.freedom)), law.warp, -far[:1], far[:1]
        )
        total = np.trapezoid(np.exp([one.log_density(np.array([x]))[0] for x in grid[::400]]), grid[::400])
        assert total == pytest.approx(1, abs=0.05)
    found = CurvePrediction.from_law(law, (0.5,))
    assert np.allclose(found.mean, found.quantiles[:, 0])
    assert np.all(law.crps(found.mean) < law.crps(found.mean + 1))


def test_gaps_are_filled_between_their_neighbours() -> None:
    filled = fill_gaps(np.array([[1.0, np.nan, 3.0, np.nan]]), np.array([3]))
    assert filled[0, :3].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(filled[0, 3])


def test_inactive_columns_get_a_flag() -> None:
    columns = config_columns(np.array([[0.2, np.nan], [0.4, 0.6]]), optional=np.array([False, True]))
    assert columns.tolist() == [[0.2, 0.0, 0.0], [0.4, 0.6, 1.0]]


def test_a_summary_has_as_many_features_as_the_length_says() -> None:
    assert [summary(np.ones((3, n))).shape[1] for n in (1, 2, 3, 17)] == [1, 6, 9, 14]


def test_questions_are_grouped_by_length_epoch_and_gaps() -> None:
    trained = CurveSet(np.zeros((5, 1)), np.ones((5, 6)))
    prefixes = [[1.0, 2.0], [1.0, np.nan, 3.0], [4.0, 5.0], [], [1.0, 2.0, np.nan]]
    batch = ask(trained, np.zeros((5, 1)), prefixes, None)
    groups = {question: rows.tolist() for question, rows in batch.questions()}
    assert groups == {Question(2, 6): [0, 2, 4], Question(3, 6, (1,)): [1], Question(0, 6): [3]}


def test_training_curves_are_cut_as_the_question_asks() -> None:
    curves = np.arange(24.0).reshape(4, 6)
    curves[3, 5] = np.nan  # does not reach the wanted epoch
    batch, answers = training_batch(CurveSet(np.zeros((4, 0)), curves), Question(3, 6, (1,)))
    assert answers.tolist() == [5.0, 11.0, 17.0]
    assert np.isnan(batch.prefixes[:, [1, 3, 4, 5]]).all()
    with pytest.raises(ShapeError, match="at least 2 are wanted"):
        training_batch(CurveSet(np.zeros((4, 0)), np.where(curves > 6, np.nan, curves)), Question(3, 6))
