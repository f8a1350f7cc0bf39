"""Controllers compared: cases, records, summaries, figures, and what the environment costs."""

import json
from pathlib import Path

import pandas as pd
import pytest

from at2.bench.control.controllers import (
    control_markdown,
    plan_cases,
    read_episodes,
    run_cases,
    summarize_control,
)
from at2.bench.control.figure import draw_control
from at2.bench.control.speed import measure_control
from at2.control import SGDInstance, write_instances
from at2.errors import At2Error, FileError


@pytest.fixture
def instances(tmp_path: Path) -> str:
    common = {"optimizer_params": {"lr": 0.01}, "batch_size": 32, "fraction": 0.25, "cutoff": 2}
    found = {f"i{seed}": SGDInstance("small-plain", "digits-few", seed=seed, **common) for seed in range(3)}
    write_instances(found, tmp_path / "mine.csv")
    return str(tmp_path / "mine.csv")


def test_cases_are_run_once_and_summarized(instances: str, tmp_path: Path) -> None:
    record = tmp_path / "record"
    cases = plan_cases(["constant", "random"], instances=instances, n_seed=2)
    assert len(cases) == 6
    assert run_cases(cases[:4], record=record) == 4
    assert run_cases(cases, record=record) == 2
    assert run_cases(cases, record=record) == 0
    first = (record / cases[0].file).read_text()
    assert run_cases(cases[:1], record=record, fresh=True) == 1
    again = (record / cases[0].file).read_text()
    strip = [[{**e, "seconds": 0} for e in json.loads(text)["episodes"]] for text in (first, again)]
    assert strip[0] == strip[1]
    episodes = read_episodes(record, instances=instances)
    assert len(episodes) == 12
    summary = summarize_control(episodes)
    assert set(summary["controller"]) == {"constant", "random"}
    assert summary["rank"].sum() == pytest.approx(3)
    assert summary["n_episode"].tolist() == [6, 6]
    assert control_markdown(summary).count("\n") == 3
    draw_control(episodes, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_changed_instance_or_broken_file_is_run_again(instances: str, tmp_path: Path) -> None:
    cases = plan_cases(["constant"], instances=instances, n_seed=1, only=["i0"])
    run_cases(cases, record=tmp_path)
    (tmp_path / cases[0].file).write_text("{")
    assert run_cases(cases, record=tmp_path) == 1
    text = Path(instances).read_text()
    Path(instances).write_text(text.replace("-10.0", "-20.0"))
    assert run_cases(cases, record=tmp_path) == 1


@pytest.mark.slow  # a new process imports torch
def test_work_is_spread_over_processes(instances: str, tmp_path: Path) -> None:
    cases = plan_cases(["constant"], instances=instances, n_seed=1)
    assert run_cases(cases, record=tmp_path, jobs=1) == 3


def test_unknown_names_and_empty_records_are_named(instances: str, tmp_path: Path) -> None:
    with pytest.raises(At2Error, match="no controller 'best'; there are constant"):
        plan_cases(["best"], instances=instances, n_seed=1)
    with pytest.raises(At2Error, match="no instance 'i9'; there are i0, i1, i2"):
        plan_cases(["constant"], instances=instances, n_seed=1, only=["i9"])
    with pytest.raises(FileError, match="holds no episode on 'test'; call `at2 control run` first"):
        read_episodes(tmp_path)


def _episode(controller: str, instance: str, loss: float | None) -> dict[str, object]:
    crashed = loss is None
    return {
        "controller": controller,
        "instance": instance,
        "seed": 0,
        "reward": -10.0 if loss is None else -loss,
        "crashed": crashed,
        "test_loss": loss,
        "test_top1": None if crashed else 0.5,
        "seconds": 1.0,
    }


def test_a_crash_counts_with_its_penalty_and_ranks_last() -> None:
    rows = [
        _episode("a", "x", 1.0),
        _episode("a", "y", 2.0),
        _episode("b", "x", 0.5),
        _episode("b", "y", None),
        _episode("c", "x", 3.0),
        _episode("c", "y", 3.0),
        _episode("c", "z", 3.0),
    ]
    summary = summarize_control(pd.DataFrame(rows)).set_index("controller")
    assert summary.loc["b", ["test_loss", "crashes", "rank"]].tolist() == [5.25, 1, 2.0]
    assert summary.loc["a", ["test_loss", "crashes", "rank"]].tolist() == [1.5, 0, 1.5]
    assert summary.loc["a", "half_width"] == pytest.approx(12.706 * 0.5, abs=1e-2)  # t with one degree of freedom
    assert summary.loc["c", "n_instance"] == 3
    with pytest.raises(At2Error, match="no instance was run with all controllers"):
        summarize_control(pd.DataFrame([_episode("a", "x", 1.0), _episode("b", "y", 1.0)]))


def test_the_cost_of_control_is_measured() -> None:
    readings = {reading.name: reading for reading in measure_control(n_round=1, n_reset=3)}
    assert len(readings) == 8
    assert all(reading.value >= 0 for reading in readings.values())
    assert readings["reset, median of the slowest network"].limit_text == "<= 50 ms"
    assert readings["throughput in step mode, small-plain, of the bare loop's"].limit_text == ">= 0.7"
