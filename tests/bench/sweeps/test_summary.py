import dataclasses
from pathlib import Path

import pytest

from at2.bench.sweeps.execute import execute
from at2.bench.sweeps.figures import draw_regret
from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.summary import markdown, side_by_side, summarize, traces
from at2.errors import FileError


@pytest.fixture
def runs(tmp_path: Path, run: RunConfig) -> list[RunConfig]:
    """Two tuners on two targets, done."""
    runs = [
        dataclasses.replace(run, tuner=tuner, target=target, sources=sources, number=number)
        for number, target, sources in [(1, "target", ("a", "b")), (2, "a", ("b", "target"))]
        for tuner in ("random-search", "average-rank")
    ]
    for each in runs:
        execute(each, record=tmp_path)
    return runs


def test_a_row_for_each_run(tmp_path: Path, runs: list[RunConfig]) -> None:
    frame = summarize(tmp_path, runs)
    assert list(frame["target"]) == ["target", "target", "a", "a"]
    assert list(frame["n_epochs"]) == [6, 0, 6, 0]
    assert frame.loc[1, "regret"] == pytest.approx(0.2)
    assert frame["best_seen_regret"].isna().tolist() == [False, True, False, True]


def test_a_run_that_is_not_complete_is_named(tmp_path: Path, runs: list[RunConfig]) -> None:
    missing = dataclasses.replace(runs[0], seed=7)
    with pytest.raises(FileError, match=f"{missing.folder_name} is not complete"):
        summarize(tmp_path, [*runs, missing])


def test_tuners_side_by_side_with_the_mean_below(tmp_path: Path, runs: list[RunConfig]) -> None:
    pairs = side_by_side(summarize(tmp_path, runs))
    assert [target for _, target in pairs.index] == ["target", "a", "mean"]
    rule = pairs["average-rank"]["regret"].to_numpy()
    assert rule[2] == pytest.approx(rule[:2].mean())
    assert list(dict.fromkeys(pairs.columns.get_level_values(0))) == ["random-search", "average-rank"]


def test_a_tuner_that_spends_nothing_keeps_its_standing(tmp_path: Path, runs: list[RunConfig]) -> None:
    frame = traces(tmp_path, runs)
    rule = frame[(frame["tuner"] == "average-rank") & (frame["target"] == "target")]
    assert list(rule["n_epochs"]) == list(range(7))
    assert rule["regret"].nunique() == 1


def test_markdown(tmp_path: Path, runs: list[RunConfig]) -> None:
    lines = markdown(side_by_side(summarize(tmp_path, runs))).splitlines()
    assert lines[0] == "| database | target | random-search | average-rank |"
    assert lines[2].endswith("| 0.2000 (2) |")
    assert len(lines) == 5


def test_the_figure_is_a_picture(tmp_path: Path, runs: list[RunConfig]) -> None:
    draw_regret(traces(tmp_path, runs), tmp_path / "regret.png")
    content = (tmp_path / "regret.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000
