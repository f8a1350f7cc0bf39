import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.live import kept, methods
from at2.bench.live.compare import CompareRun, markdown, summarize
from at2.bench.live.kept import do_and_keep, read_result
from at2.bench.live.methods import METHODS, Setting, Trail, run_method
from at2.cli.main import cli
from at2.errors import UnknownNameError
from at2.recommend import Budget
from at2.recommend.live import Epoch, Progress
from at2.space import hyperrec_small_space
from at2.tables import LearningCurveTable

N_EPOCH = 3


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three tasks with made-up curves over twelve real configurations."""
    space = hyperrec_small_space()
    configs = pd.DataFrame(space.sample(12, seed=0))
    level = np.random.default_rng(0).uniform(0.3, 0.9, (3, 12))
    rows = [
        (task, config, epoch, level[k, config] * epoch / N_EPOCH)
        for k, task in enumerate(("digits", "digits-high", "digits-low"))
        for config in range(12)
        for epoch in range(1, N_EPOCH + 1)
    ]
    curves = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    table = LearningCurveTable.from_frame(
        curves, configs.rename_axis("config_id").reset_index(), space, metric="val_acc_top1", name="small"
    )
    path = tmp_path_factory.mktemp("history") / "small.h5"
    table.to_hdf5(path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "relative"),
    [("random", 1), ("hypergradient", 1), ("population", 10), ("at2-cold", 2), ("at2", 2)],
)
def test_every_method_trains_what_it_says(history: str, name: str, relative: int) -> None:
    found = run_method(name, Setting("digits-low", history, budget_epochs=2 * N_EPOCH, seed=0))
    assert found["relative"] == relative
    assert found["n_epochs"] == relative * N_EPOCH
    assert found["n_step"] >= 4 * found["n_epochs"]
    assert 0.2 <= found["test"] <= 1.0


def test_the_libraries_tuner_and_the_grid_stay_within_their_budgets(history: str) -> None:
    setting = Setting("digits-low", history, budget_epochs=4, seed=0, n_epoch=2)
    assert run_method("bohb", setting)["n_epochs"] <= 4
    assert run_method("grid", setting)["n_epochs"] <= 27 * 2


def test_random_and_hypergradient_begin_with_the_same_configuration(history: str) -> None:
    setting = Setting("digits-low", history, budget_epochs=4, seed=3)
    assert setting.draw(1) == setting.draw(10)[:1]
    assert len({str(Setting("digits-low", history, 4, seed).draw(1)) for seed in range(5)}) > 2


def test_equal_seeds_give_equal_accuracies(history: str) -> None:
    setting = Setting("digits-low", history, budget_epochs=4, seed=0)
    one, two = (run_method("at2", setting) for _ in range(2))
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in two.items() if k != "seconds"}


def test_the_test_accuracy_is_that_of_the_best_epoch_by_validation() -> None:
    trail = Trail()
    for validation, test in ((0.5, 0.6), (0.9, 0.7), (0.9, 0.8), (None, 1.0), (0.8, 0.9)):
        trail.add(validation, test, n_step=2)
    assert trail == Trail(n_epochs=5, n_step=10, validation=0.9, test=0.7)


def test_an_epoch_that_crashed_takes_no_updates_away() -> None:
    progress = Progress(Budget(epochs=9), n_epoch=3, metric="val_acc_top1", maximize=True)
    shown = {"val_acc_top1": 0.5, "test_acc_top1": 0.6}
    progress.epochs = [
        Epoch(0, "a", 1, 0.5, "ok", 1.0, metrics={**shown, "n_step": 10.0}),
        Epoch(1, "b", 1, None, "diverged", 1.0, metrics={**shown, "n_step": 7.0}),
        Epoch(2, "a", 2, 0.5, "ok", 1.0, metrics={**shown, "n_step": 20.0}),
        Epoch(3, "a", 3, None, "crashed", 1.0, note="RuntimeError: out of luck"),
    ]
    assert [n_step for *_, n_step in methods._epochs(progress)] == [10, 7, 10, 0]


def test_a_method_that_only_diverges_guesses(history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = methods.Method("random", "", lambda setting: Trail(n_epochs=3))
    monkeypatch.setitem(METHODS, "random", lost)
    assert run_method("random", Setting("digits-low", history, 4, 0))["test"] == 0.2


def test_an_unknown_method_is_answered_with_those_there_are(history: str) -> None:
    with pytest.raises(UnknownNameError, match="no method 'gridd'; the methods are random, hypergradient, grid"):
        run_method("gridd", Setting("digits-low", history, 4, 0))
    done = CliRunner().invoke(cli, ["compare", "--methods", "gridd"])
    assert "no method 'gridd'" in done.output


def test_results_are_kept_summarized_and_drawn(history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "run_all", lambda work, items, *, jobs, lost: map(work, items))
    words = ["compare", "--task", "digits-low", "--history", history, "--methods", "random,at2", "--seeds", "0,1"]
    words += [
        "--budget",
        "4",
        "--record",
        str(tmp_path),
        "--summary",
        str(tmp_path / "also.csv"),
        "--format",
        "markdown",
    ]
    first = CliRunner().invoke(cli, words)
    assert first.exit_code == 0, first.output
    assert "runs: 4/4" in first.output
    table = pd.read_csv(tmp_path / "also.csv")
    assert list(table["method"]) == ["random", "at2"]
    assert list(table["n_seed"]) == [2, 2]
    assert markdown(table) in first.output
    assert (tmp_path / "compare" / "compare.png").read_bytes()[1:4] == b"PNG"
    monkeypatch.setattr(kept, "do_and_keep", lambda run: pytest.fail("it was complete"))
    again = CliRunner().invoke(cli, words)
    assert markdown(table) in again.output


def test_a_result_of_other_settings_does_not_count(history: str, tmp_path: Path) -> None:
    run = CompareRun("random", "digits-low", history, 4, 0, 1, str(tmp_path))
    assert do_and_keep(run) is None
    other = CompareRun("random", "digits-low", history, 4, 0, 2, str(tmp_path))
    assert other.path == run.path
    assert read_result(run) is not None
    assert read_result(other) is None
    run.path.write_text(json.dumps({"run": run.to_json()})[:-5])
    assert read_result(run) is None


def test_a_run_that_fails_costs_itself_only(history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(setting: Setting) -> Trail:
        raise ValueError("no such thing")

    monkeypatch.setattr(kept, "run_all", lambda work, items, *, jobs, lost: map(work, items))
    monkeypatch.setitem(METHODS, "population", methods.Method("population", "broken", broken))
    words = ["compare", "--task", "digits-low", "--history", history, "--methods", "population,random", "--seeds", "0"]
    done = CliRunner().invoke(cli, [*words, "--epochs", "1", "--record", str(tmp_path)])
    assert done.exit_code == 1
    assert "1 of 2 runs failed, the first: population, seed 0: ValueError('no such thing')" in done.output
    assert (
        len(summarize([CompareRun("random", "digits-low", history, None, 0, 1, str(tmp_path))], {"random": "r"})) == 1
    )
