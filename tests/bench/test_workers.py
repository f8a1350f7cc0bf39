from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.replay.objective import TableObjective
from at2.bench.replay.protocols import Protocol
from at2.bench.replay.runner import play
from at2.bench.workers import WorkersPlan, measure_workers, play_with_workers, summarize_workers
from at2.cli.main import cli
from at2.errors import BudgetError
from at2.recommend import Budget, Recommender
from at2.tables import LearningCurveTable


def _recommender(table: LearningCurveTable, n_epochs: int = 8) -> Recommender:
    return Recommender(table, target="target", sources=["a", "b"], budget=Budget(epochs=n_epochs), seed=0)


def test_one_worker_asks_what_a_run_without_workers_asks(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    alone, worked = _recommender(table), _recommender(table)
    asked = [step.query for step in play(alone, objective, budget_epochs=8)][1:]
    course = play_with_workers(worked, objective, n_worker=1, seed=0)
    assert worked.recommend() == alone.recommend()
    assert (course.n_epochs, course.most_at_once) == (8, 1)
    assert course.n_configs == len({query.config_id for query in asked if query is not None})


def test_several_workers_spend_the_same_and_take_less_time(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    alone = play_with_workers(_recommender(table), objective, n_worker=1, seed=0)
    three = play_with_workers(_recommender(table), objective, n_worker=3, seed=0)
    assert three.n_epochs == alone.n_epochs == 8
    assert three.most_at_once == 3
    assert three.duration < alone.duration


def test_a_worker_without_work_waits_for_the_next_result(table: LearningCurveTable) -> None:
    course = play_with_workers(_recommender(table, 100), TableObjective(table, "target"), n_worker=9, seed=0)
    assert course.most_at_once == 3  # no configuration is trained twice at a time
    assert course.n_epochs == 12  # every curve in full


def test_the_same_seed_gives_the_same_run(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    courses = [play_with_workers(_recommender(table), objective, n_worker=2, seed=s) for s in (1, 1, 2)]
    assert courses[0] == courses[1] != courses[2]


def test_every_number_of_workers_is_played(table_path: Path) -> None:
    plan = WorkersPlan(str(table_path), Protocol(n_source=2, targets=("target",)), 6, (1, 2))
    frame = measure_workers(plan, jobs=0)
    assert list(frame["workers"]) == [1, 2]
    assert frame["regret"].between(0.0, 1.0).all()
    assert (frame["n_epochs"] == 6).all()


def test_differences_are_paired_and_to_the_fewest_workers() -> None:
    rows = [
        (target, 0, workers, regret)
        for target, x, y in (("a", 0.1, 0.2), ("b", 0.5, 0.8))
        for workers, regret in ((1, x), (4, y))
    ]
    frame = pd.DataFrame(rows, columns=["target", "draw", "workers", "regret"])
    frame = frame.assign(duration=1.0, n_epochs=1, n_configs=1, most_at_once=1)
    summary = summarize_workers(frame)
    assert summary["difference"].tolist() == pytest.approx([0.0, 0.2])
    assert summary["difference_error"].tolist() == pytest.approx([0.0, 0.1])


@pytest.mark.parametrize(("budget", "workers"), [(0, (1,)), (5, (0, 1)), (5, ())])
def test_what_makes_no_sense_is_refused(budget: int, workers: tuple[int, ...]) -> None:
    with pytest.raises(BudgetError, match="at least 1 worker and 1 epoch are wanted"):
        WorkersPlan(budget_epochs=budget, workers=workers)


def test_the_command_writes_and_shows(table_path: Path, tmp_path: Path) -> None:
    arguments = ["--database", str(table_path), "--sources", "2", "--budget", "5", "--jobs", "0", "--workers", "1,2"]
    arguments += ["--targets", "target", "--record", str(tmp_path / "record")]
    result = CliRunner().invoke(cli, ["bench", "workers", *arguments])
    assert result.exit_code == 0, result.output
    assert "minus the fewest" in result.stdout
    assert len(pd.read_csv(tmp_path / "record" / "workers.csv")) == 2
