import functools
import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import at2
from at2.errors import FileError, TableError, TuneError
from at2.recommend.live import Progress
from at2.tables import LearningCurveTable, RunStatus
from tests.recommend.live.conftest import CONFIGS, N_EPOCH, Trainer, accuracy

Run = Callable[..., at2.TuneResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return functools.partial(
        at2.tune, candidates=CONFIGS, n_epoch=N_EPOCH, budget="12 epochs", workdir=tmp_path / "work"
    )


def test_finds_the_best_configuration_and_its_checkpoint(run: Run, trainer: Trainer) -> None:
    result = run(trainer)
    assert result.config == {"lr": 0.8}
    assert result.value == pytest.approx(accuracy({"lr": 0.8}, result.best.epoch))
    assert json.loads((result.checkpoint / "state.json").read_text()) == {"done": result.best.epoch}
    assert len(result.epochs) == len(trainer.calls) == 12
    assert result.frame.loc[0, "lr"] == 0.8
    assert "budget is spent" in str(result)


def test_a_function_trains_one_epoch_at_a_time_and_never_twice(run: Run, trainer: Trainer) -> None:
    run(trainer)
    assert all(first == last for _, first, last in trainer.calls)
    assert len(set(trainer.calls)) == len(trainer.calls)


def test_a_function_that_saves_nothing_is_trained_again_from_the_start(run: Run) -> None:
    trainer = Trainer(saves=False)
    result = run(trainer)
    assert all(first == 1 for _, first, _ in trainer.calls)
    assert result.config == {"lr": 0.8}
    assert result.checkpoint is None
    assert result.epochs["n_repeated"].max() == N_EPOCH - 1


def test_function_and_generator_are_tuned_alike(
    run: Run, trainer: Trainer, generator: Callable[..., Iterator[float]], tmp_path: Path
) -> None:
    one, two = run(trainer), run(generator, workdir=tmp_path / "other")
    columns = ["number", "config_id", "epoch", "value"]
    assert one.epochs[columns].equals(two.epochs[columns])
    assert two.checkpoint is not None
    assert (two.checkpoint / "state.txt").read_text() == str(two.best.epoch)


@pytest.mark.parametrize("most_alive", [1, 8])
def test_a_generator_that_had_to_be_closed_goes_on_from_its_checkpoint(
    run: Run, generator: Callable[..., Iterator[float]], most_alive: int
) -> None:
    result = run(generator, most_alive=most_alive)
    assert (result.epochs["status"] == "ok").all()
    assert (result.epochs["n_repeated"] == 0).all()


def test_functions_that_give_back_a_generator_are_generators(
    run: Run, generator: Callable[..., Iterator[float]]
) -> None:
    starts = []

    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> Iterator[float]:
        starts.append(len(epochs))
        return generator(config, epochs, checkpoint)

    assert (run(train, budget="3 epochs").epochs["status"] == "ok").all()
    assert starts[1] == N_EPOCH


def test_saving_every_other_epoch_is_allowed(run: Run) -> None:
    seen = []

    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        state = checkpoint / "done"
        done = int(state.read_text()) if state.exists() else 0
        assert done == epochs.start - 1
        seen.append(len(epochs))
        if epochs[-1] % 2 == 0:
            state.write_text(str(epochs[-1]))
        return accuracy(config, epochs[-1])

    assert (run(train).epochs["status"] == "ok").all()
    assert max(seen) == 2


@pytest.mark.parametrize(
    "number", [1, np.float32(0.5), np.array([0.5]), torch.tensor(0.5), torch.ones(1), {"acc": 0.5}]
)
def test_numbers_of_every_kind_are_taken(run: Run, number: object) -> None:
    assert run(lambda config, epochs, checkpoint: number, budget="1 epochs").value in (0.5, 1.0)


def test_a_dict_gives_the_metric_by_name_and_the_rest_is_kept(run: Run) -> None:
    result = run(lambda c, epochs, _: {"loss": 1.0 / epochs[-1], "lr": c["lr"]}, metric="loss", maximize=False)
    assert result.value == min(result.epochs["value"])
    assert set(result.epochs["metric_lr"]) <= {c["lr"] for c in CONFIGS}


def test_several_numbers_without_a_name_are_refused_and_cost_nothing(run: Run) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> dict[str, float]:
        value = accuracy(config, epochs[-1])
        return {"loss": 1.0 - value, "accuracy": value}

    with pytest.raises(TuneError, match=r"gave the metrics \['accuracy', 'loss'\]; pass metric= to say which"):
        run(train)
    result = run(train, metric="accuracy", resume=True)
    assert result.config == {"lr": 0.8}
    assert (result.progress.metric, len(result.epochs)) == ("accuracy", 12)


@pytest.mark.parametrize("bad", [None, "0.9", [0.9], True, {"accuracy": "high"}, {}])
def test_what_is_no_number_is_a_clear_error_and_costs_nothing(run: Run, bad: object, trainer: Trainer) -> None:
    with pytest.raises(TuneError, match=r"configuration 'new-\d', epoch 1, gave"):
        run(lambda config, epochs, checkpoint: bad)
    assert len(run(trainer, resume=True).epochs) == 12


def test_an_exception_costs_its_configuration_only(run: Run, trainer: Trainer) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        if config["lr"] == 0.8 and epochs[-1] == 2:
            raise ValueError("exploded\nin two lines")
        return trainer(config, epochs, checkpoint)

    result = run(train, budget="20 epochs")
    assert result.config == {"lr": 0.4}
    assert list(result.failed.values()) == ["ValueError: exploded"]
    (told,) = (result.workdir / "failures").iterdir()
    assert "raise ValueError" in told.read_text()
    assert not (result.workdir / "checkpoints" / next(iter(result.failed))).exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_costs_its_configuration_only(run: Run, bad: float) -> None:
    result = run(lambda c, epochs, _: bad if c["lr"] == 0.8 else accuracy(c, epochs[-1]), budget="20 epochs")
    assert result.config == {"lr": 0.4}
    assert result.epochs.query("value != value")["status"].tolist() == ["diverged"]


def test_a_generator_that_ends_early_costs_its_configuration(run: Run) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> Iterator[float]:
        for epoch in epochs[:2] if config["lr"] == 0.8 else epochs:
            yield accuracy(config, epoch)

    result = run(train, budget="20 epochs")
    assert "ended after epoch 2, 3 asked; it must yield a metric after each epoch" in result.failed[result_id(0.8)]


def result_id(lr: float) -> str:
    return f"new-{CONFIGS.index({'lr': lr})}"


def test_a_training_that_never_works_is_a_mistake_and_ends_soon(run: Run) -> None:
    with pytest.raises(TuneError, match=r"first 3 configurations all crashed, the last with NameError.*failures"):
        run(lambda c, e, f: undefined, max_crashes=3)  # noqa: F821


def test_when_all_diverge_the_error_says_so(run: Run) -> None:
    with pytest.raises(TuneError, match=r"all 5 configurations failed, the last in epoch 1 \(the metric was nan\)"):
        run(lambda c, e, f: math.nan)


def test_when_none_gives_a_value_the_error_says_so(run: Run) -> None:
    with pytest.raises(TuneError, match=r"none of the 3 configurations .* gave a value.*metric was nan") as told:
        run(lambda c, e, f: math.nan, budget="3 epochs")
    assert "failures" not in str(told.value)

    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        raise ValueError("exploded")

    said = r"none of the 4 configurations .* epoch 1 \(ValueError: exploded\); tracebacks are in .*failures\. Go on"
    with pytest.raises(TuneError, match=said):
        run(train, budget="4 epochs", resume=True)


def test_a_failure_beside_a_value_is_no_error(run: Run) -> None:
    result = run(lambda c, e, f: 0.5 if c["lr"] == 0.05 else math.nan, budget="200 epochs")
    assert (result.config, len(result.failed)) == ({"lr": 0.05}, 4)


def test_a_second_tuning_needs_another_folder_or_resume(run: Run, trainer: Trainer) -> None:
    run(trainer)
    with pytest.raises(FileError, match=r"holds a tuning already; pass resume=True"):
        run(trainer)
    assert len(run(trainer, resume=True).epochs) == 12


def test_resuming_with_more_budget_goes_on(run: Run, trainer: Trainer) -> None:
    first = run(trainer, budget="6 epochs")
    second = run(trainer, budget="12 epochs", resume=True)
    assert second.epochs.iloc[:6].drop(columns="seconds").equals(first.epochs.drop(columns="seconds"))
    assert len(second.epochs) == len(trainer.calls) == 12


def test_resuming_with_other_settings_says_which(run: Run, trainer: Trainer) -> None:
    run(trainer, budget="2 epochs")
    with pytest.raises(TableError, match=r"was started with seed=0 \(now 1\)"):
        run(trainer, budget="2 epochs", resume=True, seed=1)


def test_resuming_where_there_is_nothing_starts(run: Run, trainer: Trainer) -> None:
    assert len(run(trainer, resume=True).epochs) == 12


def test_a_folder_in_use_is_refused(run: Run, trainer: Trainer) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        with pytest.raises(FileError, match="another process tunes in"):
            run(trainer, resume=True)
        return 0.5

    assert (run(train, budget="1 epochs").epochs["status"] == "ok").all()


def test_callbacks_see_every_epoch_and_may_stop(run: Run, trainer: Trainer) -> None:
    seen = []

    def call(progress: Progress) -> None:
        seen.append((progress.last.number, progress.leading(1)[0].config_id, progress.spent))
        if len(seen) == 5:
            progress.stop()

    result = run(trainer, callbacks=[call])
    assert [number for number, _, _ in seen] == list(range(5))
    assert result.stopped_because == "a callback called for it"
    assert len(run(trainer, resume=True).epochs) == 12


def test_a_callback_that_raises_ends_the_tuning_and_loses_nothing(run: Run, trainer: Trainer) -> None:
    with pytest.raises(ZeroDivisionError):
        run(trainer, callbacks=[lambda progress: 1 / 0])
    assert len(run(trainer, resume=True).epochs) == len(trainer.calls) == 12


def test_ctrl_c_loses_the_epoch_in_flight_only(run: Run, trainer: Trainer) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        if len(trainer.calls) == 7:
            (checkpoint / "state.json").write_text("torn")
            trainer.calls.append((0.0, 0, 0))
            raise KeyboardInterrupt
        return trainer(config, epochs, checkpoint)

    with pytest.raises(KeyboardInterrupt):
        run(train)
    result = run(train, resume=True)
    assert len(result.epochs) == 12
    assert (result.epochs["status"] == "ok").all()
    assert len(trainer.calls) == 13


def test_checkpoints_stay_below_the_limit_and_the_best_stays(run: Run, tmp_path: Path) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        (checkpoint / "weights").write_bytes(bytes(1000))
        return accuracy(config, epochs[-1])

    sizes = []

    def measure(progress: Progress) -> None:
        folder = tmp_path / "work" / "checkpoints"
        sizes.append(sum(1000 for _ in folder.rglob("weights")))

    result = run(train, checkpoint_limit="4.5 kB", callbacks=[measure], budget="15 epochs")
    assert result.checkpoint is not None
    assert max(sizes) <= 4000
    assert result.checkpoint.name == f"epoch-{result.best.epoch:04d}"


def test_history_makes_the_first_choice_a_good_one(tmp_path: Path, trainer: Trainer, run: Run) -> None:
    first = run(trainer, budget="20 epochs")
    table = first.to_table()
    assert table.metric == "metric"
    result = at2.tune(trainer, history=table, target="new", budget="1 epochs", workdir=tmp_path / "new")
    assert result.config == {"lr": 0.8}


def test_task_after_task_each_with_what_was_learnt_before(tmp_path: Path) -> None:
    history: list[LearningCurveTable] = []
    for number, optimum in enumerate((0.3, 0.35, 0.32)):
        result = at2.tune(
            lambda config, epochs, folder, at=optimum: -((config["x"] - at) ** 2),
            {"x": (0.0, 1.0)},
            n_epoch=4,
            budget="12 epochs" if number < 2 else "1 epochs",
            workdir=tmp_path / str(number),
            target=f"task-{number}",
            candidates=20,
            history=history,
        )
        history.append(result.to_table())
    first, second, third = history
    assert all(name.startswith("task-0/sample-") for name in first.configs.index)
    assert {name.split("/")[0] for name in second.configs.index} == {"task-0", "task-1"}
    assert third.n_epoch == 4  # the length of a full training, whatever was trained
    assert abs(result.config["x"] - 0.32) < 0.1  # by the two tasks before it: of twenty random ones few are as close


def test_new_configurations_beside_those_of_a_history_of_numbers(tmp_path: Path, trainer: Trainer) -> None:
    rows = pd.DataFrame({"task": "a", "config_id": [0, 1], "epoch": 1, "value": [0.4, 0.5]})
    past = LearningCurveTable.from_frame(rows, pd.DataFrame({"config_id": [0, 1], "lr": [0.1, 0.8]}), metric="m")
    result = at2.tune(
        trainer, {"lr": (0.01, 1.0)}, history=past, n_epoch=3, target="b", budget="9 epochs", workdir=tmp_path / "w"
    )
    names = set(result.to_table().configs.index)
    assert names <= {"0", "1"} | {f"b/sample-{k}" for k in range(100)}
    assert at2.concat([past, result.to_table()]).configs.loc["1", "lr"] == 0.8


def test_how_trainings_ended_is_part_of_the_history(run: Run) -> None:
    def train(config: dict[str, Any], epochs: range, folder: Path) -> float:
        if config == CONFIGS[0]:
            return math.nan
        if config == CONFIGS[1] and epochs[-1] > 1:
            raise RuntimeError("out of memory")
        return accuracy(config, epochs[-1])

    table = run(train, budget="200 epochs", max_crashes=10).to_table()  # enough to train all that can be
    ends = {name: RunStatus(int(table.status[0, 0, k])).name for k, name in enumerate(table.configs.index)}
    assert ends["target/new-0"] == "DIVERGED"
    assert ends["target/new-1"] == "CRASHED"
    assert {"OK"} <= {ends[f"target/new-{k}"] for k in range(2, len(CONFIGS))} <= {"OK", "STOPPED_EARLY"}
    assert table.curve("target", "target/new-0").empty
    assert table.n_epoch == N_EPOCH


def test_a_budget_in_seconds_counts_the_training(run: Run, trainer: Trainer) -> None:
    result = run(trainer, budget="1h")
    assert result.progress.spent < 60
    assert result.progress.spent == pytest.approx(result.epochs["seconds"].sum())  # of deciding nothing
    assert result.tuner_s > 0


def test_a_space_is_enough(tmp_path: Path) -> None:
    result = at2.tune(
        lambda c, e, f: -((c["x"] - 0.3) ** 2),
        {"x": (0.0, 1.0), "kind": ["a", "b"], "n": (1, 3)},
        n_epoch=2,
        budget="6 epochs",
        workdir=tmp_path,
        candidates=20,
    )
    assert set(result.config) == {"x", "kind", "n"}


def test_without_length_or_space_the_way_out_is_said(tmp_path: Path, trainer: Trainer) -> None:
    with pytest.raises(TableError, match="pass n_epoch="):
        at2.tune(trainer, {"lr": (0.1, 0.2)}, budget="3 epochs", workdir=tmp_path)
    with pytest.raises(TableError, match="nothing to tune: pass a space"):
        at2.tune(trainer, n_epoch=3, budget="3 epochs", workdir=tmp_path)


def test_a_misspelt_argument_is_refused(run: Run, trainer: Trainer) -> None:
    with pytest.raises(TypeError, match="budgte"):
        run(trainer, budgte=3)


@pytest.mark.parametrize("seed", range(3))
def test_the_checkpoint_is_that_of_the_value_where_several_are_best(tmp_path: Path, seed: int) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> Iterator[float]:
        for epoch in epochs:
            value = (0.8, 0.9, 0.6, 0.55)[epoch - 1]
            (checkpoint / "state.txt").write_text(f"{epoch} {value}")
            yield value

    result = at2.tune(
        train, candidates=CONFIGS[:3], n_epoch=4, budget="12 epochs", workdir=tmp_path, goal="train", seed=seed
    )
    assert result.checkpoint is not None
    assert (result.best.epoch, result.best.value) == (2, 0.9)
    assert (result.checkpoint / "state.txt").read_text() == "2 0.9"


def test_an_exception_of_any_shape_costs_its_configuration_only(run: Run, trainer: Trainer) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        if config["lr"] == 0.4:
            error = FileNotFoundError("caf\udce9.jpg")  # a name that is not UTF-8, and an error that is its own cause
            raise error from error
        return trainer(config, epochs, checkpoint)

    result = run(train)
    assert list(result.failed) == ["new-3"]
    assert "caf\\udce9.jpg" in next((result.workdir / "failures").iterdir()).read_text()
    assert result.failed["new-3"] == r"FileNotFoundError: caf\udce9.jpg"


def test_links_in_a_checkpoint_are_kept_as_they_are(run: Run, trainer: Trainer) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        if epochs[0] == 1:
            (checkpoint / "latest").symlink_to("nowhere")
        return trainer(config, epochs, checkpoint)

    result = run(train)
    assert not result.failed
    assert (result.checkpoint / "latest").is_symlink()


def test_a_hyperparameter_may_be_called_like_a_column(run: Run) -> None:
    candidates = [{"best": 0.1 * k, "lr": 0.1} for k in range(1, 4)]
    result = run(lambda config, epochs, checkpoint: config["best"] / 10, candidates=candidates, budget="3 epochs")
    assert set(result.frame["config.best"]) <= {config["best"] for config in candidates}
    assert list(result.frame["best"]) == pytest.approx(sorted(0.1 * result.frame["config.best"], reverse=True))


def test_a_result_goes_to_another_process_and_one_callback_needs_no_list(run: Run, trainer: Trainer) -> None:
    seen: list[int] = []
    result = run(trainer, callbacks=lambda progress: seen.append(len(progress.epochs)))
    assert seen == list(range(1, len(result.epochs) + 1))
    twin = pickle.loads(pickle.dumps(result))
    assert (twin.config, twin.best, str(twin)) == (result.config, result.best, str(result))
    with pytest.raises(FileError, match="wanted a folder"):
        run(trainer, workdir=None)


@pytest.mark.parametrize("lrs", [(0.1, 0.01, 0.001), (0.1, 0.2)])
def test_a_training_that_fails_late_keeps_the_model_that_it_had(tmp_path: Path, lrs: tuple[float, ...]) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        (checkpoint / "model").write_text(f"{config['lr']} {epochs[-1]}")
        if config["lr"] > 0.05:
            return math.nan if epochs[-1] >= 3 else 0.8 + config["lr"]
        return 0.3 + 0.01 * epochs[-1]

    def tuned(goal: Any) -> at2.TuneResult:
        configs = [{"lr": lr} for lr in lrs]
        return at2.tune(train, candidates=configs, n_epoch=4, budget="12 epochs", workdir=tmp_path / goal, goal=goal)

    result = tuned("train")
    assert result.value == pytest.approx(0.8 + result.config["lr"])
    assert result.checkpoint is not None
    assert (result.checkpoint / "model").read_text() == f"{result.config['lr']} {result.best.epoch}"
    if len(lrs) == 2:
        with pytest.raises(TuneError, match=r"all 2 configurations failed, .*the metric was nan\)\. Mend"):
            tuned("recommend")
    else:
        assert tuned("recommend").config["lr"] < 0.05  # to train later one that does not fail


def test_the_best_checkpoint_of_what_goes_on_stays_though_one_that_failed_had_shown_more(tmp_path: Path) -> None:
    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        (checkpoint / "model").write_text(str(epochs[-1]))
        if config["lr"] > 0.05:
            return math.nan if epochs[-1] >= 2 else 0.9
        return 0.5 - 0.1 * abs(epochs[-1] - 2)  # best in its second epoch

    configs = [{"lr": 0.1}, {"lr": 0.01}]
    result = at2.tune(
        train, candidates=configs, n_epoch=4, budget="8 epochs", workdir=tmp_path / "work", goal="recommend"
    )
    assert (result.config["lr"], result.best.epoch) == (0.01, 2)
    assert result.checkpoint is not None
    assert (result.checkpoint / "model").read_text() == "2"
