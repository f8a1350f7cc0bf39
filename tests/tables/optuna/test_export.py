"""at2/tables/optuna/export.py: tables become studies, and studies of a table that table again."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.errors import FileError, MissingExtraError, TableError, UnknownNameError
from at2.space import hyperrec_space
from at2.tables import LearningCurveTable, Metric, RunStatus, from_optuna, to_optuna
from tests.tables.conftest import make_table

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
States = optuna.trial.TrialState


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


def ended() -> LearningCurveTable:
    """Two tasks, six configurations, each of which ended in another way on the first."""
    values = np.full((2, 1, 6, 3), np.nan)
    values[0, 0, :5, 0] = [0.5, 0.4, 0.3, 0.2, 0.1]
    values[0, 0, 0] = [0.5, 0.9, 0.7]
    values[1, 0, 0] = 0.25
    statuses = [RunStatus.OK, RunStatus.STOPPED_EARLY, RunStatus.CRASHED, RunStatus.TIMEOUT, RunStatus.DIVERGED]
    status = np.array([[[*statuses, RunStatus.DIVERGED]], [[1, 0, 0, 0, 0, 0]]])
    configs = pd.DataFrame({"lr": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "kind": ["a", "b", "a", "b", "a", "b"]})
    return LearningCurveTable(
        {"acc": values}, tasks=["a", "b"], configs=configs, metrics=[Metric("acc", maximize=True)], status=status
    )


def test_each_task_is_a_study_and_each_run_a_trial(storage) -> None:
    assert to_optuna(ended(), storage) == ["a", "b"]
    first, second = (optuna.load_study(study_name=name, storage=storage) for name in "ab")
    assert [t.state for t in first.trials] == [States.COMPLETE, States.PRUNED, *[States.FAIL] * 4]
    assert first.direction == optuna.study.StudyDirection.MAXIMIZE
    assert first.best_value == 0.9
    assert first.best_params == {"lr": 0.1, "kind": "a"}
    assert first.trials[0].intermediate_values == {1: 0.5, 2: 0.9, 3: 0.7}
    assert first.trials[1].user_attrs == {"config_id": "1", "seed": 0}
    assert math.isnan(first.trials[5].intermediate_values[1])
    assert len(second.trials) == 1


def test_and_comes_back(storage) -> None:
    table = ended()
    to_optuna(table, storage)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in "ab"]
    again = from_optuna(studies, metric="acc")
    assert again.curve("a", "a/0").to_dict() == {1: 0.5, 2: 0.9, 3: 0.7}
    ends = [RunStatus(int(again.status[0, 0, k])).name for k in range(6)]
    assert ends == ["OK", "STOPPED_EARLY", "CRASHED", "CRASHED", "DIVERGED", "DIVERGED"]
    assert again.config("b/0") == {"lr": 0.1, "kind": "a"}


@pytest.mark.parametrize("name", ["new.db", "new.log", "what? 100%20 #1.db"])
def test_a_new_file(tmp_path: Path, name: str) -> None:
    seen: list[int] = []
    table = make_table()
    to_optuna(table, tmp_path / name, metric="val_loss", progress=seen.append)
    again = from_optuna(tmp_path / name, metric="val_loss")
    assert seen == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list(again.tasks.index) == list(table.tasks.index)
    assert not again.get_metric().maximize
    assert len(again.configs) == int((table.status != RunStatus.NOT_RUN).sum())  # each seed is a trial of its own
    np.testing.assert_allclose(np.nansum(again.curves()), np.nansum(table.curves("val_loss")))
    assert again.seconds is not None
    assert np.nanmax(again.seconds) == pytest.approx(1.5, rel=1e-3)


def test_nested_spaces_keep_their_conditions(tmp_path: Path) -> None:
    space = hyperrec_space()
    configs = space.sample(60, seed=0)
    values = np.random.default_rng(0).uniform(size=(1, 1, 60, 2))
    table = LearningCurveTable(
        {"acc": values}, tasks=["t"], configs=pd.DataFrame(configs), metrics=[Metric("acc", maximize=True)], space=space
    )
    to_optuna(table, tmp_path / "s.log")
    again = from_optuna(tmp_path / "s.log")
    assert [again.config(f"t/{k}") for k in range(60)] == [table.config(k) for k in range(60)]
    assert "optimizer ==" in again.space.describe().set_index("hyperparameter").loc["beta_0", "active_when"]


def test_whole_numbers_and_logarithms(storage) -> None:
    space = hyperrec_space()
    found = to_optuna(
        LearningCurveTable(
            {"acc": np.full((1, 1, 9, 1), 0.5)},
            tasks=["t"],
            configs=pd.DataFrame(space.sample(9, seed=1)),
            metrics=[Metric("acc", maximize=True)],
            space=space,
        ),
        storage,
    )
    lr = optuna.load_study(study_name=found[0], storage=storage).trials[0].distributions["lr"]
    assert isinstance(lr, optuna.distributions.FloatDistribution)
    assert lr.log


class TestWhatCannotBeWritten:
    def test_a_file_that_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "x.db").write_text("mine")
        with pytest.raises(FileError, match="is there already; take another name, or pass a storage of Optuna"):
            to_optuna(ended(), tmp_path / "x.db")
        assert (tmp_path / "x.db").read_text() == "mine"

    def test_a_name_that_says_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match=r"a new storage ends in .db, .sqlite, .sqlite3 \(a database\)"):
            to_optuna(ended(), tmp_path / "x.h5")

    def test_a_study_that_is_there(self, storage) -> None:
        to_optuna(ended().subset(["b"]), storage)
        with pytest.raises(TableError, match="the storage has a study 'b' already"):
            to_optuna(ended(), storage)
        assert optuna.get_all_study_names(storage) == ["b"]

    def test_a_metric_that_is_not_there(self, storage) -> None:
        with pytest.raises(UnknownNameError, match="loss"):
            to_optuna(ended(), storage, metric="loss")

    def test_without_optuna(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'at2\[optuna\]'"):
            to_optuna(ended(), tmp_path / "x.db")
        assert not list(tmp_path.iterdir())

    def test_nothing_is_left_where_writing_fails(self, tmp_path: Path) -> None:
        def fail(n: int) -> None:
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            to_optuna(ended(), tmp_path / "x.log", progress=fail)
        assert not list(tmp_path.iterdir())


def test_on_the_command_line(tmp_path: Path) -> None:
    ended().to_hdf5(tmp_path / "t.h5")
    result = CliRunner().invoke(
        cli, ["tables", "export-optuna", str(tmp_path / "t.h5"), str(tmp_path / "t.log"), "--metric", "acc"]
    )
    assert result.exit_code == 0, result.output
    assert "2 studies written to" in result.output
    assert from_optuna(tmp_path / "t.log").shape == (2, 1, 7, 3)
