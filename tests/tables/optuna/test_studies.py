"""at2/tables/optuna/studies.py: studies become tables; what cannot be used is left out and said."""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from at2 import Budget, Recommender
from at2.cli.main import cli
from at2.errors import FileError, MissingExtraError, TableError, UnknownNameError
from at2.tables import LearningCurveTable, RunStatus, from_optuna

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
States = optuna.trial.TrialState
Float, Int, Choice = (getattr(optuna.distributions, f"{kind}Distribution") for kind in ("Float", "Int", "Categorical"))
LR = {"lr": Float(1e-4, 1e-1, log=True)}


def study(name: str = "a", *, direction: str = "maximize", storage=None):
    return optuna.create_study(study_name=name, direction=direction, storage=storage)


def add(to, params, reports, *, distributions=LR, state=States.COMPLETE, value=None) -> None:
    """Add a trial; one that completed has its last report as its value, unless another is given."""
    if value is None and state == States.COMPLETE:
        value = list(reports.values())[-1]
    to.add_trial(
        optuna.trial.create_trial(
            params=params, distributions=distributions, intermediate_values=reports, state=state, value=value
        )
    )


def test_trials_are_configurations_and_reports_are_curves() -> None:
    first, second = study("a"), study("b")
    add(first, {"lr": 0.01}, {0: 0.1, 1: 0.2, 2: 0.3})
    add(first, {"lr": 0.02}, {0: 0.4, 1: 0.5}, state=States.PRUNED)
    add(second, {"lr": 0.03}, {1: 0.6, 2: 0.7})  # counted from 1
    table = from_optuna([first, second], metric="accuracy")
    assert table.shape == (2, 1, 3, 3)
    assert table.get_metric().maximize
    assert table.curve("a", "a/0").to_dict() == {1: 0.1, 2: 0.2, 3: 0.3}
    assert table.curve("a", "a/1").to_dict() == {1: 0.4, 2: 0.5}
    assert table.curve("b", "b/0").to_dict() == {1: 0.6, 2: 0.7}
    assert table.config("b/0") == {"lr": 0.03}
    assert table.status[0, 0].tolist() == [RunStatus.OK, RunStatus.STOPPED_EARLY, RunStatus.NOT_RUN]
    assert table.seconds is not None


def test_the_space_is_that_of_the_distributions() -> None:
    wide = {
        "lr": Float(1e-5, 1.0, log=True),
        "depth": Int(1, 8),
        "act": Choice(["relu", "tanh"]),
        "batch": Choice([64, 16, 32]),
        "flag": Choice([True, False]),
    }
    one, other = study("a"), study("b")
    add(one, {"lr": 0.01}, {1: 0.5})
    add(other, {"lr": 0.1, "depth": 2, "act": "relu", "batch": 32, "flag": True}, {1: 0.6}, distributions=wide)
    space = from_optuna([one, other]).space
    shown = space.describe().set_index("hyperparameter")
    assert shown.loc["lr", "range"] == "log 1e-05 to 1"
    assert shown.loc["depth", "range"] == "integer 1 to 8"
    assert shown.loc["act", "range"] == "relu, tanh"
    assert "16" in shown.loc["batch", "range"]
    assert [name for name in space.names if "optional" in shown.loc[name, "active_when"]] == [
        "depth", "act", "batch", "flag",
    ]  # fmt: skip
    columns = [column.name for column in space.columns]
    assert "batch" in columns  # ordered: one column of ranks
    space.validate({"lr": 1e-5})


def test_whole_numbers_with_a_step_keep_it() -> None:
    one, other = study("a"), study("b")
    add(one, {"k": 3}, {1: 0.5}, distributions={"k": Int(1, 7, step=2)})
    add(other, {"k": 9, "n": 5}, {1: 0.6}, distributions={"k": Int(1, 9, step=2), "n": Int(0, 1000, step=5)})
    space = from_optuna([one, other]).space
    assert {config["k"] for config in space.sample(50, seed=0)} == {1, 3, 5, 7, 9}
    assert any(config["n"] % 5 for config in space.sample(50, seed=0) if "n" in config)  # too many to list


def test_numbers_and_texts_may_be_choices_of_one_hyperparameter() -> None:
    one = study()
    for k, share in enumerate(("sqrt", 0.5, "log2")):
        distributions = {**LR, "max_features": Choice(["sqrt", "log2", 0.5])}
        add(one, {"lr": 0.01 * (k + 1), "max_features": share}, {1: 0.5}, distributions=distributions)
    table = from_optuna(one)
    assert [table.config(name)["max_features"] for name in table.configs.index] == ["sqrt", 0.5, "log2"]


def test_conditions_are_those_that_trials_show() -> None:
    one = study()
    kinds = {**LR, "optimizer": Choice(["adam", "sgd"]), "momentum": Float(0.0, 1.0)}
    for number in range(6):
        params = {"lr": 0.01 * (number + 1), "optimizer": "sgd" if number % 2 else "adam"}
        params |= {"momentum": 0.1 * number} if number % 2 else {}
        add(one, params, {1: 0.5}, distributions={key: kinds[key] for key in params})
    add(one, {"optimizer": "sgd"}, {}, distributions={"optimizer": kinds["optimizer"]}, state=States.FAIL)
    table = from_optuna(one)
    assert "optional" not in str(table.space.describe())
    assert "'momentum' is taken to depend on another: optimizer == 'sgd'" in str(table.report)
    assert all(("momentum" in config) == (config["optimizer"] == "sgd") for config in table.space.sample(20, seed=0))


def test_an_option_of_none_is_said_to_be_inactive(caplog: pytest.LogCaptureFixture) -> None:
    one = study()
    for k, depth in enumerate((None, 3, 5)):
        distributions = {**LR, "max_depth": Choice([None, 3, 5])}
        add(one, {"lr": 0.01 * (k + 1), "max_depth": depth}, {1: 0.5}, distributions=distributions)
    table = from_optuna(one)
    assert "None of hyperparameter 'max_depth' means that it is inactive" in caplog.text
    assert [table.config(name).get("max_depth") for name in table.configs.index] == [None, 3, 5]


def test_a_mixture_of_choices_is_left_out_and_a_changed_kind_is_read_from_the_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixed = {**LR, "odd": Choice([True, 3, "x"]), "width": Choice([8, 16])}
    changed = {**LR, "width": Int(4, 64)}
    one = study()
    add(one, {"lr": 0.01, "odd": 3, "width": 8}, {1: 0.5}, distributions=mixed)
    add(one, {"lr": 0.02, "width": 40}, {1: 0.5}, distributions=changed)
    table = from_optuna(one)
    assert table.space.names == ("lr", "width")
    assert "hyperparameter 'odd' is left out" in str(table.report)
    assert "hyperparameter 'odd' is left out" in caplog.text
    assert table.space.describe().set_index("hyperparameter").loc["width", "range"] == "integer 8 to 40"


def test_how_trials_ended_is_told() -> None:
    one = study()
    add(one, {"lr": 0.01}, {1: 0.5, 2: float("nan")}, value=0.5)
    add(one, {"lr": 0.02}, {1: 0.4}, state=States.FAIL)
    add(one, {"lr": 0.03}, {}, state=States.FAIL)
    add(one, {"lr": 0.04}, {}, value=0.9)  # nothing reported
    add(one, {"lr": 0.05}, {1: 0.1, 2: 0.2, 3: 0.3})
    one.enqueue_trial({"lr": 0.06})
    table = from_optuna(one)
    expected = [RunStatus.DIVERGED, RunStatus.CRASHED, RunStatus.CRASHED, RunStatus.OK, RunStatus.OK]
    assert table.status[0, 0].tolist() == expected
    assert table.curve("a", "a/3").to_dict() == {3: 0.9}
    assert "1 trials without hyperparameters left out" in str(table.report)
    assert "value is not a finite number" in str(table.report)


def test_studies_that_reported_nothing_have_one_epoch() -> None:
    one = study()
    add(one, {"lr": 0.01}, {}, value=0.5)
    add(one, {"lr": 0.02}, {}, value=0.6)
    assert from_optuna(one).shape == (1, 1, 2, 1)


def test_final_values_stand_after_a_full_training() -> None:
    one, other = study(), study("b")
    add(one, {"lr": 0.01}, {}, value=0.5)
    add(other, {"lr": 0.01}, {1: 0.2, 2: 0.3})
    add(other, {"lr": 0.02}, {}, value=0.6)
    table = from_optuna([one, other], n_epoch=4)
    assert table.n_epoch == 4
    assert table.curve("a", "a/0").to_dict() == {4: 0.5}
    assert table.curve("b", "b/0").to_dict() == {1: 0.2, 2: 0.3}
    assert table.curve("b", "b/1").to_dict() == {4: 0.6}


@pytest.mark.parametrize(("steps", "epochs"), [((100, 200, 300), [1, 2, 3]), ((0, 100, 200), [1, 2, 3])])
def test_steps_are_counted_in_epochs(steps: tuple[int, ...], epochs: list[int]) -> None:
    one = study()
    add(one, {"lr": 0.01}, dict.fromkeys(steps, 0.5))
    assert list(from_optuna(one, steps_per_epoch=100).curve("a", "a/0").index) == epochs


def test_parts_of_an_epoch_are_left_out() -> None:
    one = study()
    add(one, {"lr": 0.01}, {50: 0.1, 100: 0.5, 150: 0.7, 200: 0.6})
    table = from_optuna(one, steps_per_epoch=100)
    assert table.curve("a", "a/0").to_dict() == {1: 0.5, 2: 0.6}
    assert "2 left out: epoch is not a whole number" in str(table.report)


def test_several_objectives_and_two_directions() -> None:
    up, down = study("up"), study("down", direction="minimize")
    add(up, {"lr": 0.01}, {1: 0.5})
    add(down, {"lr": 0.01}, {1: 0.5})
    with pytest.raises(TableError, match=r"'up' \(maximize\) and 'down' \(minimize\) have two"):
        from_optuna([up, down])
    assert not from_optuna(down).get_metric().maximize
    several = optuna.create_study(study_name="several", directions=["maximize", "minimize"])
    assert "1 studies of several objectives left out" in str(from_optuna([up, several]).report)
    with pytest.raises(TableError, match=r"no trial of 1 studies .* 1 studies of several objectives"):
        from_optuna(several)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "wanted studies of Optuna, or a storage as text; got none"),
        ([3], {}, "got a int"),
        ("twice", {}, "two studies are called 'a'"),
        ("one", {"names": ["a"]}, "names= chooses among the studies of a storage"),
        ("one", {"steps_per_epoch": 0}, "positive whole number"),
        ("one", {"n_epoch": 0}, "n_epoch must be a positive whole number"),
        ("one", {}, "no trial of 1 studies has a value"),
    ],
)
def test_what_makes_no_table(given, options, message) -> None:
    studies = {"twice": [study(), study()], "one": study()}.get(given, given) if isinstance(given, str) else given
    with pytest.raises(TableError, match=message):
        from_optuna(studies, **options)


def fill(storage) -> None:
    for name, best in (("a", 0.8), ("b", 0.7)):
        one = study(name, storage=storage)
        for number, lr in enumerate(np.geomspace(2e-4, 5e-2, 6)):
            level = best - 0.1 * abs(np.log10(lr) + 2.5)
            add(one, {"lr": float(lr)}, {epoch: level * (1 - 0.5 / epoch) for epoch in range(1, 5 - number % 2)})


@pytest.mark.parametrize("kind", ["file", "address", "journal"])
def test_storages(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tuning.db"
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        fill(optuna.storages.JournalStorage(backend))
    else:
        fill(f"sqlite:///{path}")
    before = path.read_bytes()
    table = from_optuna(f"sqlite:///{path}" if kind == "address" else path)
    assert table.shape == (2, 1, 12, 4)
    assert from_optuna(str(path), names=["b"]).shape == (1, 1, 6, 4)
    with pytest.raises(UnknownNameError, match="no study 'c' in this storage; there are a, b"):
        from_optuna(path, names=["c"])
    with pytest.raises(TableError, match=r"not the single text 'b'; write \['b'\]"):
        from_optuna(path, names="b")
    if kind == "address":
        assert from_optuna(f"sqlite:///{path}?timeout=10").shape == (2, 1, 12, 4)
    assert path.read_bytes() == before


def test_files_that_are_no_storage(tmp_path: Path) -> None:
    import sqlite3

    missing, other, text, empty = (tmp_path / name for name in ("missing.db", "other.db", "text.log", "empty.log"))
    empty.touch()
    with sqlite3.connect(other) as database:
        database.execute("create table mine (x)")
    text.write_text("hello\nhello\n")
    before = other.read_bytes()
    for path, message in (
        (missing, "cannot be read"),
        (f"sqlite:///{missing}", "cannot be read as a database"),
        (other, "not a storage of Optuna"),
        (empty, "holds no study of Optuna"),
        (text, "neither an SQLite database nor a journal"),
        ("nonsense://x", "cannot be opened as a storage"),
    ):
        with pytest.raises(FileError, match=message):
            from_optuna(path)
    assert other.read_bytes() == before
    assert not missing.exists()


def test_a_new_task_learns_from_the_studies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, out = tmp_path / "tuning.db", tmp_path / "table.h5"
    fill(f"sqlite:///{path}")
    done = CliRunner().invoke(cli, ["tables", "import-optuna", str(path), "--name", "mine", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "2 tasks x 1 seed x 12 configurations x 4 epochs" in done.output
    with caplog.at_level(logging.WARNING):
        table = LearningCurveTable.from_hdf5(out)
        tuner = Recommender(table, target="new", budget=Budget(epochs=4))
        while (query := tuner.ask()) is not None:
            tuner.tell(query, 0.1)
    assert table.status[0, 0].tolist() == [RunStatus.OK] * 6 + [RunStatus.NOT_RUN] * 6
    best = tuner.recommend().config["lr"]
    assert 5e-4 < best < 2e-2
    assert json.dumps(tuner.recommend().config)


def test_without_optuna_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'at2\[optuna\]'"):
        from_optuna(tmp_path / "tuning.db")
