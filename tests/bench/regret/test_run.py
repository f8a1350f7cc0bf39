"""The regret bench on a tiny table: what it keeps, what it does again, and what it says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.regret.contest import Match, _SharedFit, check_contestant, play_match
from at2.bench.regret.results import ResultFile, Series, read_results
from at2.bench.regret.run import Advance, Contest, run_regret
from at2.bench.regret.standings import summarize_results
from at2.bench.replay.objective import TableObjective, play
from at2.bench.replay.protocols import Case, Protocol
from at2.cli.main import cli
from at2.errors import BudgetError, FileError, UnknownNameError
from at2.recommend import Budget, Recommender
from at2.recommend.acquisition.ucb import UpperConfidenceBound
from at2.tables import LearningCurveTable, Metric, load_table

TIMES = ["overhead_s", "clock"]
PROTOCOL = Protocol("loo", n_source=1, n_draw=2)


def _contest(table_path: Path, *rivals: str, epochs: tuple[int, ...] = (5,)) -> Contest:
    budgets = tuple(Budget(epochs=number) for number in epochs)
    return Contest((str(table_path),), PROTOCOL, rivals or ("random-search",), budgets)


def test_results_come_as_written_and_are_kept(tmp_path: Path, table_path: Path) -> None:
    contest = _contest(table_path, "random-search", "mean-final", epochs=(3, 5))
    seen: list[Advance] = []
    done = run_regret(contest, record=tmp_path, jobs=0, on_progress=seen.append)
    assert (done.n_run, done.n_kept, done.n_done, done.error) == (24, 0, 24, None)  # 2 rivals, 2 draws, 3 targets
    assert [advance.n_done for advance in seen] == list(range(25))
    again = run_regret(
        _contest(table_path, "random-search", "mean-final", "asha", epochs=(3, 5)), record=tmp_path, jobs=0
    )
    assert (again.n_kept, again.n_done) == (24, 12)  # the new rival alone
    frame = read_results(tmp_path)
    assert len(frame) == 36
    assert set(frame["protocol"]) == {"loo-1"}


def test_a_result_is_what_the_table_says(tmp_path: Path, table: LearningCurveTable, table_path: Path) -> None:
    run_regret(_contest(table_path), record=tmp_path, jobs=0)
    objective = {target: TableObjective(table, target) for target in table.tasks.index}
    for row in read_results(tmp_path).to_dict("records"):
        assert row["regret"] == pytest.approx(objective[row["target"]].regret(row["config_id"]))
        assert row["true_rank"] == objective[row["target"]].rank(row["config_id"])
        assert row["n_epochs"] == 5
        assert row["n_configs"] == 2  # four epochs of one, one of the next
        assert [mark[0] for mark in row["trace"]] == [0, 1, 2, 3, 5]
        assert row["trace"][-1][1:] == [row["regret"], row["best_seen_regret"]]


def test_one_loss_that_diverged_hides_no_difference(tmp_path: Path) -> None:
    curves = np.random.default_rng(0).uniform(0.1, 0.2, (3, 1, 6, 4))
    curves[:, :, 5] = 1e12
    configs = pd.DataFrame({"lr": np.logspace(-3, 0, 6)}, index=pd.Index(range(6), name="config_id"))
    metric = Metric("loss", maximize=False)
    losses = LearningCurveTable({"loss": curves}, tasks=["a", "b", "c"], configs=configs, metrics=[metric])
    losses.to_hdf5(tmp_path / "losses.h5")
    run_regret(_contest(tmp_path / "losses.h5"), record=tmp_path, jobs=0)
    found = read_results(tmp_path)
    assert found["regret"].nunique() > 1
    assert found["regret"].max() < 1e-12


def test_a_cut_line_is_done_again(tmp_path: Path, table_path: Path) -> None:
    run_regret(_contest(table_path), record=tmp_path, jobs=0)
    (path,) = (tmp_path / "regret").glob("*.jsonl")
    before = path.read_text()
    path.write_text(before[:-40])
    done = run_regret(_contest(table_path), record=tmp_path, jobs=0)
    assert (done.n_kept, done.n_done) == (5, 1)
    last, mended = (json.loads(text.splitlines()[-1]) for text in (before, path.read_text()))
    assert {k: v for k, v in last.items() if k not in TIMES} == {k: v for k, v in mended.items() if k not in TIMES}


def test_processes_play_alike(tmp_path: Path, table_path: Path) -> None:
    run_regret(_contest(table_path, "random-search", "asha"), record=tmp_path / "one", jobs=0)
    run_regret(_contest(table_path, "random-search", "asha"), record=tmp_path / "two", jobs=2)
    one, two = (read_results(tmp_path / name) for name in ("one", "two"))
    keys = ["rival", "draw", "target"]
    one, two = (frame.drop(columns=TIMES).sort_values(keys, ignore_index=True) for frame in (one, two))
    assert one.equals(two)


def test_fresh_forgets(tmp_path: Path, table_path: Path) -> None:
    run_regret(_contest(table_path), record=tmp_path, jobs=0)
    assert run_regret(_contest(table_path), record=tmp_path, jobs=0, fresh=True).n_done == 6


def test_results_of_another_table_are_not_mixed_in(
    tmp_path: Path, table_path: Path, losses: LearningCurveTable
) -> None:
    run_regret(_contest(table_path), record=tmp_path, jobs=0)
    losses.to_hdf5(table_path)
    with pytest.raises(FileError, match="written with another table; pass --fresh"):
        run_regret(_contest(table_path), record=tmp_path, jobs=0)


def test_a_failing_run_costs_itself_only(tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("target", ("a", "b"))
    both = play_match(Match(str(table_path), "mean-final", case, (Budget(seconds=3), Budget(epochs=3))))
    assert "BudgetError" in both[0]["error"]
    assert both[1]["regret"] == pytest.approx(0.2)


def test_unseen_configurations_are_hidden_and_alone_are_candidates(table_path: Path) -> None:
    case = Case("target", ("a", "b"), held_out=(0, 1))
    (result,) = play_match(Match(str(table_path), "mean-final", case, (Budget(epochs=3),)))
    assert result["config_id"] in (0, 1)
    assert result["regret"] in (0.0, 1.0)  # the better or the worse of the two


def test_at2_plays_all_budgets_on_one_fit(table_path: Path) -> None:
    case = Case("target", ("a", "b"))
    alone = play_match(Match(str(table_path), "at2", case, (Budget(epochs=4),)))
    both = play_match(Match(str(table_path), "at2", case, (Budget(epochs=2), Budget(epochs=4))))
    assert [result["n_epochs"] for result in both] == [2, 4]
    assert both[1]["trace"] == alone[0]["trace"]


def test_at2_plays_for_the_best_trained_model_under_a_name_of_its_own(table_path: Path) -> None:
    assert _SharedFit("at2-train").goal == "train"
    check_contestant("at2-train:kronecker")
    (result,) = play_match(Match(str(table_path), "at2-train", Case("target", ("a", "b")), (Budget(epochs=4),)))
    assert result["best_seen_regret"] == pytest.approx(result["regret"])  # the best reading is a whole curve's


def test_a_surrogate_brings_its_own_rule_and_the_default_goes_with_the_history(table_path: Path) -> None:
    assert isinstance(_SharedFit("at2:at2-2021").acquisition(), UpperConfidenceBound)
    assert _SharedFit("at2").acquisition() is None
    case = Case("target", (), seed=3)
    (result,) = play_match(Match(str(table_path), "at2", case, (Budget(epochs=2),)))
    own = Recommender(
        load_table(str(table_path)), target="target", sources=[], budget=Budget(epochs=2), seed=case.tuner_seed
    )
    play(own, TableObjective(load_table(str(table_path)), "target"))
    assert result["config_id"] == own.recommend().config_id


def test_standings_of_nothing_but_failures(tmp_path: Path, table_path: Path) -> None:
    call = ["bench", "regret", "--database", str(table_path), "--sources", "0", "--rivals", "average-rank"]
    result = CliRunner().invoke(cli, [*call, "--budget", "2", "--jobs", "0", "--record", str(tmp_path)])
    assert "average-rank (" in result.output
    assert "needs at least one source task with curves" in result.output
    assert result.exit_code == 0, result.output


def test_the_clock_runs_with_the_trace(tmp_path: Path, table_path: Path) -> None:
    run_regret(_contest(table_path), record=tmp_path, jobs=0)
    for row in read_results(tmp_path).to_dict("records"):
        assert len(row["clock"]) == len(row["trace"])
        trained, own = zip(*row["clock"], strict=True)
        assert set(trained) == {None}  # the tiny table has no times
        assert list(own) == sorted(own)
        assert own[-1] == pytest.approx(row["overhead_s"], abs=1e-4)
        assert row["n_epoch"] == 4


@pytest.mark.parametrize(("watched", "targets"), [(("first",), {"a"}), (("b", "target"), {"b", "target"}), ((), set())])
def test_watched_runs_leave_their_story(
    tmp_path: Path, table_path: Path, watched: tuple[str, ...], targets: set[str]
) -> None:
    contest = replace(_contest(table_path, "random-search", "mean-final"), watched=watched)
    run_regret(contest, record=tmp_path, jobs=0)
    stories = [json.loads(path.read_text()) for path in (tmp_path / "regret" / "stories").glob("*.json")]
    assert {story["target"] for story in stories} == targets
    assert len(stories) == 2 * len(targets)  # two rivals, the first draw only
    for story in stories:
        assert (story["protocol"], story["budget"], story["unit"]) == ("loo-1", 5, "epochs")
        assert len(story["standings"]) == len(story["observations"]) + 1
    assert "story" not in read_results(tmp_path)


def test_a_target_to_watch_that_is_never_tuned_for(tmp_path: Path, table_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no target 'cat' to watch; there are a, b, first, target"):
        run_regret(replace(_contest(table_path), watched=("cat",)), record=tmp_path, jobs=0)


def test_standings(tmp_path: Path, table_path: Path) -> None:
    run_regret(_contest(table_path, "random-search", "mean-final", "average-rank"), record=tmp_path, jobs=0)
    frame = summarize_results(read_results(tmp_path), reference="mean-final").set_index("rival")
    assert list(frame["regret"]) == sorted(frame["regret"])
    assert frame["won"].sum() == pytest.approx(1.0)
    assert frame["rank"].sum() == pytest.approx(6.0)
    assert frame.loc["average-rank", "difference"] == pytest.approx(0.0)
    assert frame["difference"].isna().tolist() == [name == "mean-final" for name in frame.index]
    assert (frame["n_case"] == 6).all()
    assert (frame["n_draw"] == 2).all()
    assert frame["regret_se"].notna().all()


def test_contests_that_cannot_be(tmp_path: Path, table_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no rival 'nobody'; there are at2, at2-train, average-rank"):
        _contest(table_path, "nobody")
    with pytest.raises(UnknownNameError, match="no surrogate is named 'nobody'"):
        _contest(table_path, "at2:nobody")
    with pytest.raises(BudgetError, match="at least one budget"):
        Contest((str(table_path),), PROTOCOL, ("asha",), ())
    with pytest.raises(BudgetError, match="has no times"):
        run_regret(Contest((str(table_path),), PROTOCOL, ("asha",), (Budget(seconds=9),)), record=tmp_path, jobs=0)


def test_a_record_without_results(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no result of `at2 bench regret`; run it first"):
        read_results(tmp_path)
    (tmp_path / "regret").mkdir()
    (tmp_path / "regret" / "old.jsonl").write_text('{"schema": 0}\n')
    with pytest.raises(FileError, match=r"old\.jsonl: version 0 instead of 1"):
        read_results(tmp_path)


def test_the_command(tmp_path: Path, table_path: Path) -> None:
    call = ["bench", "regret", "--database", str(table_path), "--sources", "1", "--record", str(tmp_path / "record")]
    call += ["--jobs", "0"]
    result = CliRunner().invoke(cli, [*call, "--rivals", "mean-final,asha", "--budget", "3", "--format", "markdown"])
    assert result.exit_code == 0, result.output
    assert "3 cases in 1 draw" in result.output
    assert "| mean-final |" in result.output
    assert "(1 draw)" in result.output
    assert "runs: 6 done, 0 kept" in result.output
    assert (tmp_path / "record" / "regret" / "summary.csv").exists()
    assert "6 kept" in CliRunner().invoke(cli, [*call, "--rivals", "mean-final,asha", "--budget", "3"]).output


def test_one_call_for_several_numbers_of_sources(tmp_path: Path, table_path: Path) -> None:
    call = ["bench", "regret", "--database", str(table_path), "--record", str(tmp_path / "record"), "--jobs", "0"]
    call += ["--rivals", "mean-final", "--draws", "2", "--budget", "3", "--sources", "all"]
    result = CliRunner().invoke(cli, [*call, "--sources", "1", "--summary", str(tmp_path / "standings.csv"), "--quiet"])
    assert result.exit_code == 0, result.output
    assert "runs: 9 done, 0 kept" in result.output  # one draw of all sources
    standings = pd.read_csv(tmp_path / "standings.csv").set_index("protocol")
    assert standings["n_draw"].to_dict() == {"loo-1": 2, "loo-all": 1}
    again = CliRunner().invoke(cli, [*call, "--format", "markdown"])
    assert "runs: 0 done, 3 kept" in again.output
    assert "loo-1" not in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rivals", "nobody"], "no rival 'nobody'"),
        (["--sources", "few"], "a number from 0 or 'all' wanted, 'few' came"),
        (["--budget", "ten"], "epochs (100) or seconds (3600s) wanted, 'ten' came"),
        (["--budget", "-3"], "epochs (100) or seconds (3600s) wanted, '-3' came"),
        (["--sources", "9", "--rivals", "asha"], "9 sources and a target need 10 tasks"),
    ],
)
def test_a_wrong_call_is_answered_in_words(
    tmp_path: Path, table_path: Path, arguments: list[str], message: str
) -> None:
    call = ["bench", "regret", "--database", str(table_path), "--record", str(tmp_path), *arguments]
    result = CliRunner().invoke(cli, call)
    assert result.exit_code != 0
    assert message in result.output


def test_a_budget_in_seconds_and_the_steps_of_a_task(tmp_path: Path, table: LearningCurveTable) -> None:
    timed = LearningCurveTable(
        {"score": table.curves()},
        tasks=table.tasks.assign(n_images=[100.0, 200.0, 1000.0]),
        configs=table.configs.assign(batch_size=[64, 64, 64]),
        metrics=list(table.metrics.values()),
        seconds=2.0 + 0.0 * table.curves(),
        notes={"split": {"train": 0.5}},
    )
    timed.to_hdf5(tmp_path / "timed.h5")
    match = Match(str(tmp_path / "timed.h5"), "random-search", Case("target", ("a",)), (Budget(seconds=11.0),))
    (result,) = play_match(match)
    assert (result["n_epochs"], result["train_s"]) == (5, 10.0)
    assert result["n_steps"] == 5 * 8  # 500 samples in batches of 64


def test_two_benches_do_not_write_the_same_file(tmp_path: Path) -> None:
    series = Series("loo-1", "mine", "score", "f00", "asha", 5)
    one, two = ResultFile(tmp_path, series), ResultFile(tmp_path, series)
    one.open(environment={})
    with pytest.raises(FileError, match="written by another process"):
        two.open(environment={})
    one.close()
    two.open(environment={})
    two.close()
