"""at2/recommend/problem/histories.py and report.py: ragged, renamed and useless histories, and what is said of them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from at2.errors import TableError, UnknownNameError
from at2.recommend import Budget, Recommender
from at2.recommend.problem.histories import choose_grid, read_history, rename_columns
from at2.recommend.problem.problem import build_problem
from at2.tables import LearningCurveTable, Metric, RunStatus
from tests.recommend.conftest import N_CONFIG, N_EPOCH, TASKS, curves_of, make_table
from tests.recommend.test_recommender import make, play

NAN = math.nan


def ragged(n_own: int = 5, *, maximize: bool = True) -> LearningCurveTable:
    """Three tasks with configurations of their own, half of the curves cut off, one task without any reading."""
    generator = np.random.default_rng(0)
    n = 3 * n_own
    values = np.full((4, 2, n, N_EPOCH), NAN)
    for task in range(3):
        rows = slice(task * n_own, (task + 1) * n_own)
        level = generator.random(n_own)[:, None] * (1 - 0.5 / np.arange(1, N_EPOCH + 1))
        values[task, 0, rows] = level if maximize else 100.0 - level
        values[task, 0, task * n_own : (task + 1) * n_own : 2, 3:] = NAN
    lr = np.logspace(-4, -1, n)
    old = np.where(np.arange(n) < n_own, lr, np.nan)  # the first task called it otherwise
    configs = pd.DataFrame(
        {
            "lr": np.where(np.arange(n) < n_own, np.nan, lr),
            "learning_rate": old,
            "dropout": np.where(np.arange(n) >= 2 * n_own, 0.1 + 0.01 * np.arange(n), np.nan),
        },
        index=pd.RangeIndex(n, name="config_id"),
    )
    return LearningCurveTable(
        {"loss": values}, tasks=["a", "b", "c", "d"], configs=configs, metrics=[Metric("loss", maximize=maximize)]
    )


def lines(recommender: Recommender, kind: str) -> dict[str, tuple[bool, str]]:
    frame = recommender.history_report.frame
    return {row["name"]: (row["used"], row["note"]) for row in frame[frame["kind"] == kind].to_dict("records")}


def test_other_names_are_brought_under_one() -> None:
    frame = rename_columns(ragged().configs, {"learning_rate": "lr"})
    assert list(frame.columns) == ["lr", "dropout"]
    assert frame["lr"].notna().all()
    assert list(rename_columns(frame, {"dropout": "p"}).columns) == ["lr", "p"]


def test_a_name_that_is_not_there_and_two_values_for_one_name_are_refused() -> None:
    configs = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    with pytest.raises(UnknownNameError, match="no hyperparameter 'c'"):
        rename_columns(configs, {"c": "b"})
    with pytest.raises(TableError, match="configuration 1 gives 'a' and 'b' different values"):
        rename_columns(configs, {"a": "b"})


@pytest.mark.parametrize("maximize", [True, False])
def test_the_report_says_what_was_used_and_what_was_not(maximize: bool) -> None:
    recommender = make(ragged(maximize=maximize), target="new", rename={"learning_rate": "lr"})
    assert recommender.sources == ("a", "b", "c")
    tasks = lines(recommender, "task")
    assert tasks["d"] == (False, "no reading of this metric")
    assert tasks["a"] == (True, "5 curves of 6 epochs at most, 21 readings, 3 shorter than a full training")
    names = lines(recommender, "hyperparameter")
    assert names["lr"] == (True, "given by 15 of 15 configurations, called learning_rate in the table")
    assert names["dropout"] == (True, "given by 5 of 15 configurations on 1 of 3 tasks, inactive elsewhere")
    assert lines(recommender, "candidate") == {"history": (True, "15 to choose from")}
    text = str(recommender.history_report)
    assert text.splitlines()[0] == "task d: skipped, no reading of this metric"
    features = recommender.problem.history.features
    assert torch.isnan(features[:10, 1]).all()
    assert not torch.isnan(features[:, 0]).any()


def test_a_hyperparameter_outside_the_space_is_left_out(table: LearningCurveTable) -> None:
    from at2.space import SearchSpace

    only_lr = SearchSpace.infer(table.configs[["lr"]])
    recommender = make(table, space=only_lr, candidates=[{"lr": 0.01}])
    assert lines(recommender, "hyperparameter")["nesterov"] == (False, "not in the search space")
    assert recommender.problem.history.features.shape[1] == 1


def test_epochs_beyond_the_history_stay_open(table: LearningCurveTable) -> None:
    recommender = make(table, n_epoch=9)
    assert recommender.problem.history.n_epoch == 9
    assert not recommender.problem.history.is_complete
    assert lines(recommender, "reading")["epoch 9"][1].endswith("epochs 7 to 9 are extrapolated")


def test_first_epochs_that_nobody_logged_are_told() -> None:
    table = make_table()
    values = table.curves()
    values[:, :, :, [0, 1, 3]] = np.nan
    thinned = LearningCurveTable(
        {"score": values}, tasks=list(TASKS), configs=table.configs, metrics=[Metric("score", maximize=True)]
    )
    used, note = lines(make(thinned), "reading")["epoch 1"]
    assert not used
    assert note == "no curve has a reading before epoch 3; what those before it say is left open"
    assert "epoch 1" not in lines(make(table), "reading")


def test_values_that_overflow_are_left_out() -> None:
    table = make_table()
    values = table.curves()
    values[0, 0, 0, 0] = 1e200
    wild = LearningCurveTable(
        {"score": values}, tasks=list(TASKS), configs=table.configs, metrics=[Metric("score", maximize=True)]
    )
    recommender = make(wild)
    assert lines(recommender, "reading")["overflow"] == (False, "1 beyond 1e+100")
    assert torch.isnan(recommender.problem.history.values[0, 0, 0, 0])


@pytest.mark.parametrize("maximize", [True, False])
def test_what_diverged_stays_as_poor_as_it_got_and_what_was_stopped_stays_open(maximize: bool) -> None:
    plain = make_table(maximize=maximize)
    curves, status = plain.curves(), plain.status.copy()
    curves[0, 0, 0, 3:] = np.nan  # stopped early
    curves[0, 0, 1, 3:] = np.nan
    curves[0, 0, 2] = np.nan
    curves[1, 0, 3, 2:] = np.nan
    status[0, 0, 1:3], status[1, 0, 3] = RunStatus.DIVERGED, RunStatus.CRASHED
    table = LearningCurveTable(
        {plain.metric: curves}, tasks=plain.tasks, configs=plain.configs, metrics=list(plain.metrics.values()),
        space=plain.space, status=status,
    )  # fmt: skip
    names = [str(name) for name in table.tasks.index[:2]]
    runs = read_history(table, names, space=table.space, metric=None, n_epoch=table.n_epoch)
    values = runs.on_grid(runs.values, range(len(runs.ids)))[:, :, 0]
    first = values[0]
    assert np.isnan(first[0, 3:]).all()
    assert np.array_equal(first[1, :3], table.oriented()[0, 0, 1, :3])
    assert (first[1, 3:] == first[1, :3].min()).all()
    assert (first[2] == np.nanmin(table.oriented()[0])).all()
    assert np.isnan(values[1, 3, 2:]).all()
    notes = {finding.name: finding.note for finding in runs.findings}
    assert notes["diverged"] == "2 runs diverged; taken to stay as poor as they got"
    assert notes["crashed"] == "1 run crashed; used as far as they went"


def test_no_task_with_a_reading_is_a_start_without_history() -> None:
    empty = LearningCurveTable(
        {"v": np.full((2, 1, 3, 4), NAN)},
        tasks=["a", "b"],
        configs=pd.DataFrame({"lr": [0.1, 0.2, 0.3]}),
        metrics=[Metric("v", maximize=True)],
    )
    recommender = make(empty, target="new", budget=Budget(epochs=4))
    assert recommender.sources == ()
    assert len(play(recommender, lambda query: 17.0 - query.epoch)) == 4


def test_large_unions_keep_what_matters_and_learn_from_the_rest() -> None:
    table = ragged(n_own=40)
    runs = read_history(table, ["a", "b", "c"], table.space, metric=None, n_epoch=N_EPOCH)
    grid = choose_grid(runs, [7, 119], max_grid=30)
    assert len(grid) == 30
    assert {7, 119} <= set(grid)
    assert grid == sorted(grid)
    best = np.nanmax(np.nan_to_num(runs.values, nan=-np.inf), axis=(1, 2))
    for source in range(3):  # the best of every source is in
        mine = np.flatnonzero(runs.source == source)
        assert runs.row[mine[best[mine].argmax()]] in grid


def test_configurations_that_every_source_has_run_all_stay(table: LearningCurveTable) -> None:
    runs = read_history(table, TASKS[:3], table.space, metric=None, n_epoch=N_EPOCH)
    assert choose_grid(runs, [], max_grid=3) == list(range(N_CONFIG))


def test_what_is_beyond_the_grid_stands_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from at2.recommend.problem import problem as module

    monkeypatch.setattr(module, "choose_grid", lambda runs, wanted: choose_grid(runs, wanted, max_grid=4))
    problem = build_problem(ragged(), target="new")
    assert problem.history.n_config == 4
    assert problem.history.elsewhere is not None
    assert problem.history.elsewhere.n_config == 11
    assert "learnt from, but not recommended" in str(problem.report)
    assert len(problem.config_ids) == len(problem.configs) == problem.is_candidate.numel() == 4


def test_renames_survive_a_journal(tmp_path) -> None:
    from tests.recommend.journal.test_lines import resume

    table = ragged()
    recommender = make(table, target="new", rename={"learning_rate": "lr"}, journal=tmp_path / "run.jsonl")
    again = resume(tmp_path / "run.jsonl", table)
    assert again.problem.sha256 == recommender.problem.sha256
    assert again.problem.rename == {"learning_rate": "lr"}


@pytest.mark.parametrize("maximize", [True, False])
def test_the_default_tunes_on_a_ragged_history(maximize: bool) -> None:
    recommender = Recommender(
        ragged(maximize=maximize), target="new", rename={"learning_rate": "lr"}, budget=Budget(epochs=12)
    )
    asked = play(recommender, lambda query: 0.5 + 0.01 * query.epoch if maximize else 99.0 - query.epoch)
    assert len(asked) == 12
    assert math.isfinite(recommender.recommend().mean)


@pytest.mark.parametrize("sources", [None, []], ids=["all", "none"])
@pytest.mark.parametrize(("low", "width"), [(0.999, 0.001), (0.0, 0.001), (0.0, 1e-6)])
def test_shares_that_all_lie_near_an_end_are_told_apart(
    table: LearningCurveTable, sources: list[str] | None, low: float, width: float
) -> None:
    near = LearningCurveTable(
        {"score": low + width * table.curves()},
        tasks=list(TASKS),
        configs=table.configs,
        metrics=[Metric("score", maximize=True)],
    )
    truth = curves_of(len(TASKS) - 1)
    recommender = Recommender(near, target="dogs", sources=sources, budget=Budget(epochs=24))
    play(recommender, lambda query: low + width * float(truth[int(query.config_id) - 100, query.epoch - 1]))
    recommended = truth[int(recommender.recommend().config_id) - 100].max()
    assert truth.max() - recommended < 0.15 * (truth.max() - truth.max(1).min())


def test_a_table_of_the_target_alone_says_that_there_is_nothing_to_learn(caplog: pytest.LogCaptureFixture) -> None:
    curves = pd.DataFrame({"task": "mine", "config_id": ["a", "b"], "epoch": 1, "value": [0.1, 0.2]})
    table = LearningCurveTable.from_frame(curves, pd.DataFrame({"config_id": ["a", "b"], "lr": [0.1, 0.2]}))
    build_problem(table, target="mine")
    assert "has no task but 'mine', the target" in caplog.text
    caplog.clear()
    build_problem(table, target="new")
    build_problem(table, target="mine", sources=[])
    assert not caplog.text
