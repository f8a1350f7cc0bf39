import numpy as np
import pytest

from at2.bench.report.curves import UNTIMED, epoch_axis, regret_curves, second_axis
from at2.bench.statistics import mean_interval
from tests.bench.report.conftest import a_run

ONE = a_run(target="a", trace=[(0, 0.8, None), (2, 0.4, 0.5), (4, 0.1, 0.2)])
TWO = a_run(target="b", trace=[(0, 0.6, None), (1, 0.2, 0.3)])
LATE = a_run(target="a", draw=1, trace=[(0, 0.4, None), (2, 0.2, 0.1), (4, 0.1, 0.0)])


def test_a_run_stands_as_it_stood_last() -> None:
    axis = epoch_axis(5, [ONE])
    assert axis.grid.tolist() == [0, 1, 2, 3, 5]
    curve = regret_curves([ONE], axis)
    assert curve["recommended"] == {"mean": [0.8, 0.8, 0.4, 0.4, 0.1], "low": [], "high": []}
    assert curve["seen"]["mean"] == [None, None, 0.5, 0.5, 0.2]


def test_means_and_intervals_are_those_over_targets() -> None:
    axis = epoch_axis(5, [ONE, TWO, LATE])
    curve = regret_curves([ONE, TWO, LATE], axis)["recommended"]
    a, b = (0.8 + 0.4) / 2, 0.6  # draws of a target first
    expected = mean_interval([a, b])
    assert curve["mean"][0] == pytest.approx(expected.value, abs=1e-4)
    assert curve["high"][0] == pytest.approx(expected.value + expected.half_width, rel=1e-3)
    assert curve["mean"][-1] == pytest.approx((0.1 + 0.2) / 2)


def test_intervals_of_one_target_are_those_over_its_runs() -> None:
    curve = regret_curves([ONE, LATE], epoch_axis(5, [ONE, LATE]))["recommended"]
    half = mean_interval([0.8, 0.4]).half_width
    assert half is not None
    assert curve["low"][0] == pytest.approx(0.6 - half, rel=1e-3)


def test_without_a_budget_in_epochs_the_axis_ends_with_the_longest_run() -> None:
    assert epoch_axis(None, [ONE, TWO]).grid[-1] == 4


@pytest.mark.parametrize("budget", [1, 7, 100, 400, 5000])
def test_the_points_are_few_and_end_with_the_budget(budget: int) -> None:
    grid = epoch_axis(budget, [ONE]).grid
    assert len(grid) <= 28
    assert (grid[0], grid[-1]) == (0, budget)
    assert (np.diff(grid) > 0).all()


def test_seconds_are_those_of_the_tuner_where_training_has_none() -> None:
    run = {**ONE, "clock": [(None, 0.5), (None, 1.0), (None, 2.0)]}
    axis = second_axis([run])
    assert axis is not None
    assert axis.title == UNTIMED
    assert axis.grid[0] == pytest.approx(0.5)
    assert axis.grid[-1] == pytest.approx(2.0)
    mean = regret_curves([run], axis)["recommended"]["mean"]
    assert (mean[0], mean[-1]) == (0.8, 0.1)


def test_seconds_of_training_count_where_all_runs_have_them() -> None:
    run = {**ONE, "clock": [(0.0, 0.5), (60.0, 1.0), (120.0, 2.0)]}
    axis = second_axis([run])
    assert axis is not None
    assert axis.grid[-1] == pytest.approx(122.0)
    assert second_axis([run, {**ONE, "clock": [(None, 0.5), (None, 1.0), (None, 2.0)]}]).title == UNTIMED  # type: ignore[union-attr]


def test_a_mean_begins_when_every_run_stands() -> None:
    early = {**TWO, "clock": [(None, 0.1), (None, 0.2)]}
    late = {**ONE, "clock": [(None, 1.0), (None, 2.0), (None, 4.0)]}
    axis = second_axis([early, late])
    assert axis is not None
    mean = regret_curves([early, late], axis)["recommended"]["mean"]
    known = [value is not None for value in mean]
    assert known == [point >= 1.0 * (1 - 1e-9) for point in axis.grid]


@pytest.mark.parametrize("clock", [None, [], [(None, 0.1)]])
def test_without_times_there_is_no_axis_of_seconds(clock: object) -> None:
    assert second_axis([{**ONE, "clock": clock}]) is None
