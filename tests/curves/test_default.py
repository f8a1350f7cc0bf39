import numpy as np
import pytest
import torch

from at2.curves import CurveSet, DefaultPredictor, make_predictor
from at2.curves.process import CurveProcess, ProcessInputs, initial_parameters, kernel, prior_variance
from at2.curves.verdict import Answers, Verdict, fit_verdict
from at2.errors import PredictorError, ShapeError, SpaceError
from tests.curves.conftest import make_curves, make_table, quick


def test_it_beats_the_last_reading_and_covers(curves: CurveSet, fitted: DefaultPredictor) -> None:
    test = curves.take(np.arange(45, 60))
    found = fitted.predict(test.configs, test.curves[:, :4])
    last = make_predictor("last", prefix=4).fit(curves).predict(test.configs, test.curves[:, :4])
    truth = test.curves[:, -1]
    assert np.square(found.mean - truth).mean() < 0.1 * np.square(last.mean - truth).mean()
    inside = (truth >= found.quantiles[:, 0]) & (truth <= found.quantiles[:, 4])
    assert inside.mean() >= 0.7
    assert fitted.score(test.configs, test.curves[:, :4], truth) > 0.9


@pytest.mark.parametrize("maximize", [False, True])
def test_it_stops_what_is_hopeless_and_nothing_else(maximize: bool) -> None:
    curves = make_curves(40, 10, maximize=maximize)
    predictor = quick(prefix=4).fit(curves)
    worst, best = sorted(range(40), key=lambda i: curves.curves[i, -1], reverse=maximize)[::39][::-1]
    bound = float(curves.curves[best, -1])
    assert predictor.should_stop(curves.configs[worst], curves.curves[worst, :4], bound)
    other = float(np.median(curves.curves[:, -1]))
    assert not predictor.should_stop(curves.configs[best], curves.curves[best, :4], other)
    assert not predictor.should_stop(curves.configs[worst], curves.curves[worst, :4], None)  # the first training of all
    chance = predictor.probability_of_beating(curves.configs[best], curves.curves[best, :4], other)
    assert 0.5 < chance <= 1


def test_should_stop_wants_uncertainty_and_sensible_numbers(curves: CurveSet, fitted: DefaultPredictor) -> None:
    with pytest.raises(PredictorError, match="knows no uncertainty"):
        make_predictor("last", prefix=4).fit(curves).should_stop(curves.configs[0], curves.curves[0, :4], 0.3)
    with pytest.raises(ValueError, match="probability must lie in"):
        fitted.should_stop(curves.configs[0], curves.curves[0, :4], 0.3, probability=1.5)
    with pytest.raises(ValueError, match="finite reading"):
        fitted.should_stop(curves.configs[0], curves.curves[0, :4], np.nan)


def test_a_gap_in_a_prefix_widens_the_interval_or_keeps_it(curves: CurveSet, fitted: DefaultPredictor) -> None:
    row = curves.curves[50:51, :4].copy()
    whole = fitted.predict(curves.configs[50:51], row)
    row[0, 1:3] = np.nan
    gappy = fitted.predict(curves.configs[50:51], row)
    assert np.isfinite(gappy.mean).all()
    assert gappy.std[0] > 0.3 * whole.std[0]


def test_a_configuration_far_away_is_answered_widely(curves: CurveSet, fitted: DefaultPredictor) -> None:
    near = fitted.predict(curves.configs[50:51], curves.curves[50:51, :4])
    far = fitted.predict(curves.configs[50:51] + 30.0, curves.curves[50:51, :4])
    assert far.std[0] > near.std[0]


def test_a_configuration_outside_its_space_or_incomplete_is_refused() -> None:
    table = make_table(n=12)
    predictor = quick(prefix=3).fit(table)
    config = table.config(0)
    with pytest.raises(SpaceError):
        predictor.predict([config | {"lr": 1e9}], [[0.5, 0.6]])
    lacking = {name: value for name, value in config.items() if name != "lr"}
    with pytest.raises(SpaceError, match="lr"):
        predictor.predict([lacking], [[0.5, 0.6]])
    with pytest.raises(SpaceError, match="configuration 0 lacks 'lr'"):
        predictor.predict(np.array([[np.nan, 0.5, 0.5]]), [[0.5, 0.6]])


def test_a_share_in_per_cent_is_refused() -> None:
    curves = make_curves(12, 8, maximize=True)
    predictor = quick(prefix=3).fit(curves)
    with pytest.raises(ShapeError, match="holds the reading 55, but the training curves are shares from 0 to 1"):
        predictor.predict(curves.configs[:2], [[0.3, 0.4, 0.5], [0.3, 55.0, 60.0]])


def test_few_curves_are_refused_with_a_way_out() -> None:
    with pytest.raises(ShapeError, match="wants at least 8"):
        quick(prefix=3).fit(make_curves(5))
    with pytest.raises(ShapeError, match="0 <= prefix < at"):
        quick(prefix=30).fit(make_curves(20))


def test_curves_without_configurations_are_enough() -> None:
    curves = make_curves(20, 8)
    predictor = quick(prefix=3).fit(curves.curves)
    assert np.isfinite(predictor.predict(np.zeros((1, 0)), curves.curves[:1, :3]).std).all()


def test_a_curve_that_diverged_does_not_spoil_the_others() -> None:
    curves = make_curves(40, 10)
    readings = curves.curves.copy()
    readings[3] = 1e4
    readings[4, 5:] = np.nan
    predictor = quick(prefix=4).fit(CurveSet(curves.configs, readings))
    rows = np.arange(20, 40)
    found = predictor.predict(curves.configs[rows], readings[rows, :4])
    assert np.abs(found.mean - readings[rows, -1]).max() < 1.0


def test_equal_curves_are_no_failure() -> None:
    flat = np.ones((12, 6))
    found = quick(prefix=3).fit(flat).predict(np.zeros((1, 0)), flat[:1, :3])
    assert found.mean[0] == pytest.approx(1.0, abs=1e-3)


def test_own_curves_help_on_a_new_task() -> None:
    curves = make_curves(80, 10, n_task=4)
    tasks = np.array(curves.tasks)
    old, new = curves.take(tasks != "task3"), curves.take(tasks == "task3")
    few = np.concatenate([np.flatnonzero(tasks != "task3"), np.flatnonzero(tasks == "task3")[:10]])
    without = quick(prefix=0).fit(old)
    with_own = quick(prefix=0).fit(curves.take(few))
    rows = np.arange(10, 20)
    nothing = np.full((10, 1), np.nan)
    errors = [
        np.square(p.predict(new.configs[rows], nothing, tasks="task3").mean - new.curves[rows, -1]).mean()
        for p in (without, with_own)
    ]
    assert errors[1] < errors[0]


def _inputs(n: int, seed: int) -> ProcessInputs:
    generator = torch.Generator().manual_seed(seed)
    tasks = torch.arange(n) % 3 + 1
    return ProcessInputs(torch.randn(n, 2, generator=generator, dtype=torch.float64), tasks)


def test_leaving_one_and_a_task_out_are_what_a_refit_would_say() -> None:
    inputs, targets = _inputs(12, 0), torch.randn(12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parameters = initial_parameters(inputs)
    process = CurveProcess(inputs, targets, parameters)
    for (mean, std), rows in [
        (process.leave_one_out(), torch.tensor([4])),
        (process.leave_task_out(), torch.arange(0, 12, 3)),
    ]:
        others = torch.tensor([i for i in range(12) if i not in rows.tolist()])
        wanted, spread = CurveProcess(inputs.take(others), targets[others], parameters).predict(inputs.take(rows))
        assert torch.allclose(mean[rows], wanted)
        assert torch.allclose(std[rows], spread)


@pytest.mark.parametrize("panel", [3, 5, 100])
def test_predictions_are_those_of_dense_algebra(panel: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("at2.curves.process._PANEL", panel)
    monkeypatch.setattr("at2.curves.process._BLOCK", 4)
    inputs, asked = _inputs(11, 0), _inputs(9, 5)
    targets = torch.randn(11, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parameters = initial_parameters(inputs)
    mean, std = CurveProcess(inputs, targets, parameters).predict(asked)
    noise = parameters[-3].exp() + 1e-5
    covariance = kernel(inputs, inputs, parameters) + noise * torch.eye(11, dtype=torch.float64)
    cross = kernel(asked, inputs, parameters)
    solved = torch.linalg.solve(covariance, cross.T)
    assert torch.allclose(mean, solved.T @ targets)
    assert torch.allclose(std.square(), prior_variance(asked, parameters) + noise - (cross * solved.T).sum(1))


def test_the_kernel_is_positive_definite() -> None:
    inputs = _inputs(15, 2)
    covariance = kernel(inputs, inputs, initial_parameters(inputs))
    assert torch.allclose(covariance, covariance.T)
    assert float(torch.linalg.eigvalsh(covariance).min()) > -1e-9


def test_intervals_of_a_half_known_task_do_not_shrink_below_what_was_learned() -> None:
    steep = Verdict(torch.tensor([0.0, -1.0, 0.0, 4.0, 0.1, 0.0], dtype=torch.float64), least=0.5)
    same = torch.zeros(2, dtype=torch.float64)
    scales = steep.judge(Answers(same, torch.tensor([0.5, 0.01], dtype=torch.float64), same))[1]
    assert scales[1] == scales[0]


def test_a_verdict_knows_how_sure_the_process_was_where_it_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    std = 0.5 + torch.rand(200, generator=generator, dtype=torch.float64)
    mean = torch.randn(200, generator=generator, dtype=torch.float64)
    truth = mean + std * torch.randn(200, generator=generator, dtype=torch.float64)
    found = fit_verdict(Answers(mean, std, mean + 0.1), truth, readings=lambda line: line)
    assert 0.5 < found.least < 0.6
