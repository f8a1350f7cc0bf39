import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console

import at2
from at2.cli.main import cli
from at2.cli.tune_view import LineView, LiveView, sparkline
from at2.recommend import Budget, Query
from at2.recommend.live import Epoch, Leader, Progress
from at2.space import hyperrec_small_space
from at2.tables import LearningCurveTable, load_table

FOLDER = "tune/digits-low-train-seed-0"


def call(record: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        cli, ["tune", "--task", "digits-low", "--epochs", "3", "--draw", "6", "--record", str(record), *words]
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_tunes_a_task_and_goes_on_with_more(tmp_path: Path) -> None:
    code, said = call(tmp_path, "--budget", "4-epochs")
    assert code == 0, said
    assert "4/4 epochs:" in said
    assert "test accuracy at that epoch 0." in said
    folder = tmp_path / FOLDER
    assert json.loads((folder / "result.json").read_text())["n_epochs"] == 4
    code, said = call(tmp_path, "--budget", "6-epochs")
    assert code == 1
    assert "holds a tuning already; pass resume=True (--resume)" in said
    code, said = call(tmp_path, "--budget", "6-epochs", "--resume", "-q")
    assert code == 0, said
    assert json.loads((folder / "result.json").read_text())["n_epochs"] == 6
    table = load_table(str(folder / "curves.h5"))
    assert list(table.tasks.index) == ["digits-low"]


def test_the_table_of_one_tuning_is_history_for_the_next(tmp_path: Path) -> None:
    call(tmp_path, "--budget", "6-epochs")
    history = tmp_path / FOLDER / "curves.h5"
    words = [
        "tune",
        "--task",
        "digits-high",
        "--history",
        str(history),
        "--budget",
        "2-epochs",
        "--record",
        str(tmp_path),
    ]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "spent 2 of 2 epochs" in done.output


def past(path: Path, configs: list[dict[str, Any]], *, metric: str = "val_acc_top1", maximize: bool = True) -> Path:
    """A table of two tasks, each with three epochs of all configurations."""
    rows = [
        (task, k, epoch, 0.1 * k + 0.05 * epoch) for task in "ab" for k in range(len(configs)) for epoch in (1, 2, 3)
    ]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    known = pd.DataFrame([{"config_id": k, **config} for k, config in enumerate(configs)])
    LearningCurveTable.from_frame(frame, known, metric=metric, maximize=maximize, name="past").to_hdf5(path)
    return path


def tuned_with(history: Path, record: Path, *words: str) -> tuple[int, str]:
    words = ("--task", "digits-low", "--history", str(history), "--budget", "3-epochs", "--record", str(record), *words)
    done = CliRunner().invoke(cli, ["tune", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


FOREIGN = [{"learning_rate": 10.0**-k, "num_layers": k, "batch_size": 64} for k in range(1, 5)]


@pytest.mark.parametrize("words", [(), ("--draw", "5")])
def test_a_history_of_other_hyperparameters_is_refused_before_anything_runs(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, said = tuned_with(past(tmp_path / "past.h5", FOREIGN), tmp_path / "record", *words)
    assert code == 1
    assert "hyperparameters that the training does not know (learning_rate, num_layers)" in said
    assert "lack some that it needs (model, optimizer, scheduler, lr, weight_decay)" in said
    assert "say what to train with --space hyperrec-small or --space hyperrec, or take another history" in said
    assert not (tmp_path / "record").exists()


def test_a_history_of_values_that_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    configs = [{**config, "batch_size": 500} for config in hyperrec_small_space().sample(3, seed=0)]
    code, said = tuned_with(past(tmp_path / "past.h5", configs), tmp_path / "record")
    assert code == 1
    assert "none of the 3 configurations of table 'past' can be trained: 'batch_size' must be a number" in said


def test_such_a_history_is_taken_where_the_space_is_said(tmp_path: Path) -> None:
    history = past(tmp_path / "past.h5", FOREIGN, metric="accuracy")  # the history's name of what the training gives
    code, said = tuned_with(history, tmp_path / "record", "--space", "hyperrec-small", "--draw", "5")
    assert code == 0, said
    assert ": accuracy 0." in said
    assert load_table(str(tmp_path / "record" / FOLDER / "curves.h5")).metric == "accuracy"


def test_a_history_of_a_loss_that_the_training_does_not_give_is_refused(tmp_path: Path) -> None:
    configs = hyperrec_small_space().sample(3, seed=0)
    code, said = tuned_with(past(tmp_path / "past.h5", configs, metric="error", maximize=False), tmp_path / "record")
    assert code == 1
    assert "smaller is better for 'error', the metric of table 'past'; take a history of val_acc_top1" in said
    code, said = tuned_with(past(tmp_path / "past.h5", configs, metric="val_loss", maximize=False), tmp_path / "record")
    assert code == 0, said


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("at2.recommend.live.tune", interrupted)
    code, said = call(tmp_path)
    assert code == 1
    assert "the epoch in flight is lost, the rest is in" in said
    assert "--resume goes on" in said


@pytest.mark.slow
def test_a_real_ctrl_c_on_a_terminal_and_a_resume(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "at2", "tune", "--task", "digits-low", "--epochs", "20", "--record", str(tmp_path)]
    parent, child = pty.openpty()
    root = Path(at2.__file__).parents[1]
    process = subprocess.Popen([*words, "--budget", "100-epochs"], stdin=child, stdout=child, stderr=child, cwd=root)
    os.close(child)
    journal, deadline = tmp_path / FOLDER / "journal.jsonl", time.monotonic() + 120
    while not (journal.exists() and journal.read_text().count('"tell"') >= 3):
        assert time.monotonic() < deadline
        os.read(parent, 65536)
    process.send_signal(signal.SIGINT)
    said = b""
    while process.poll() is None or b"--resume goes on" not in said:
        try:
            said += os.read(parent, 65536)
        except OSError:
            break
    os.close(parent)
    assert process.wait(timeout=30) == 1
    assert b"--resume goes on" in said
    done = subprocess.run(
        [*words, "--budget", "8-epochs", "--resume"], capture_output=True, text=True, cwd=root, check=False
    )
    assert "spent" in done.stdout


def test_the_help_says_what_a_budget_in_seconds_counts() -> None:
    said = " ".join(CliRunner().invoke(cli, ["tune", "--help"]).output.split())
    assert "Times count what the trainings take, not what the tuner takes to decide" in said


def test_an_unknown_task_and_a_wrong_budget_are_answered(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["tune", "--task", "digit", "--record", str(tmp_path)])
    assert done.exit_code == 1
    assert "no task 'digit'" in done.output
    assert "wanted a budget such as '200 epochs'" in call(tmp_path, "--budget", "many")[1]
    assert "cannot compute on device 'abacus' here" in call(tmp_path, "--device", "abacus")[1]


def progress() -> Progress:
    found = Progress(Budget(epochs=10), n_epoch=4, metric="accuracy", maximize=True, spent=3)
    found.configs = {"a": {"lr": 0.1}, "b": {"lr": 0.2}}
    found.epochs = [
        Epoch(0, "a", 1, 0.5, "ok", 1.0),
        Epoch(1, "a", 2, 0.75, "ok", 1.0),
        Epoch(2, "b", 1, None, "crashed", 1.0, note="ValueError: no"),
    ]
    return found


def test_the_live_view_shows_leaders_curves_predictions_budget_and_failures() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True, record=True)
    now = progress()
    now.look = lambda n: [
        Leader("a", {"lr": 0.1}, [0.5, 0.75], 0.9, 0.85, 0.95),
        Leader("c", {"lr": 0.3}, [], 0.8, 0.5, 1.0),
    ]
    now.start_clock()
    now.add(now.epochs.pop(), spent=3.0)
    with LiveView("tuning mine", console=console) as view:
        view.show(now)
        view.begin(Query("c", {"lr": 0.3}, epoch=1, number=3), now)
        console.print(view.render(now))
    said = console.export_text()
    for part in (
        "tuning mine",
        "3 of 10 epochs",
        "left",
        "training c, epoch 1",
        "▁█",
        "0.900 (0.850 to 0.950)",
        "lr=0.3",
    ):
        assert part in said, part
    assert "1 failed, the last b in epoch 1: ValueError: no" in said


def test_the_lines_for_a_log_tell_the_news_only() -> None:
    lines: list[str] = []
    view = LineView(lines.append)
    now = progress()
    view.show(now)
    assert "b epoch 1: crashed: ValueError: no" in lines[0]
    now.epochs.append(Epoch(3, "a", 3, 0.8, "ok", 1.0))
    view.show(now)
    assert lines[1].startswith("3/10 epochs: a epoch 3: accuracy 0.8000, the best so far")
    now.epochs.append(Epoch(4, "a", 4, 0.7, "ok", 1.0))
    view.show(now)
    assert len(lines) == 2


@pytest.mark.parametrize(("values", "drawn"), [([1.0, 1.0], "▅▅"), (list(range(100)), "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███")])
def test_sparklines_of_flat_and_of_long_curves(values: list[float], drawn: str) -> None:
    assert sparkline(values, low=min(values), high=max(values)) == drawn
