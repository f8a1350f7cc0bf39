from pathlib import Path

import pytest

from at2.bench.regret.standings import summarize_results
from at2.bench.report.comparisons import OVERALL, compare, headline
from at2.bench.report.curves import long_frame
from at2.bench.report.reading import read_record


def _row(rival: str, regret: float | None, low: float | None = None, high: float | None = None) -> dict:
    middle = None if low is None or high is None else (low + high) / 2
    return {"rival": rival, "regret": regret, "difference": middle, "difference_low": low, "difference_high": high}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([_row("at2", 0.01)], "On 3 targets, at2 ends with a mean regret of 0.0100. Nothing else was run beside it."),
        (
            [_row("at2", 0.01), _row("asha", 0.05, 0.02, 0.06)],
            "the best of 1 other is asha with 0.0500. Their difference is +0.0400, 95 % interval +0.0200 to +0.0600, "
            "which is more than chance.",
        ),
        ([_row("asha", 0.01, -0.02, 0.01), _row("at2", 0.02)], "interval -0.0200 to +0.0100, which may be chance."),
        ([_row("asha", 0.01), _row("smac", 0.02)], "Of 2 tuners on 3 targets, asha has the lowest regret, 0.0100."),
        ([_row("at2", 0.01), _row("asha", 0.05)], "asha with 0.0500."),
        ([_row("at2", 0.01), _row("smac", None)], "Nothing else was run beside it."),
    ],
)
def test_the_headline_says_who_is_best_and_how_sure_that_is(rows: list[dict], said: str) -> None:
    assert said in headline(rows, n_target=3)


def test_a_comparison_for_each_protocol_and_budget(record: Path) -> None:
    runs = read_record(record).runs
    one, two = compare(runs)
    assert (one["title"], two["title"]) == ("tiny · loo-1 · 5 epochs", "tiny · pairs, sweep · 6 epochs")
    assert (one["n_run"], one["n_target"], one["n_draw"]) == (18, 3, 2)
    assert [axis["name"] for axis in one["axes"]] == ["epochs", "seconds"]
    assert list(one["axes"][0]["curves"]) == [OVERALL, "a", "b", "target"]
    standings = summarize_results(runs[runs["protocol"] == "loo-1"]).set_index("rival")
    for row in one["rows"]:
        assert row["regret"] == pytest.approx(standings.loc[row["rival"], "regret"], rel=1e-5)
        assert row["relative"] == pytest.approx(row["n_epochs"] / 4)
        curve = one["axes"][0]["curves"][OVERALL][row["rival"]]["recommended"]
        assert curve["mean"][-1] == pytest.approx(row["regret"], abs=1e-4)
    assert one["critical_difference"] > 0
    assert one["notes"] == ["The table has no times of training: seconds are those of the tuners alone."]


def test_missing_cases_and_times_are_noted(record: Path) -> None:
    runs = read_record(record).runs
    runs = runs[(runs["rival"] != "mean-final") | (runs["target"] != "a")].reset_index(drop=True)
    runs["clock"] = None
    notes = compare(runs)[0]["notes"]
    assert "Regret against seconds is missing" in notes[0]
    assert "mean-final (4 of 6)" in notes[1]


def test_a_comparison_in_which_everything_failed(record: Path) -> None:
    runs = read_record(record).runs
    runs.loc[runs["protocol"] == "pairs, sweep", "error"] = "boom"
    two = compare(runs)[1]
    assert (two["axes"], two["notes"]) == ([], ["every run failed"])
    assert all(row["n_failed"] == 1 for row in two["rows"])


def test_the_drawn_curves_as_a_frame(record: Path) -> None:
    frame = long_frame(compare(read_record(record).runs))
    assert list(frame.columns[:4]) == ["database", "protocol", "unit", "budget"]
    assert set(frame["against"]) == {"epochs", "seconds"}
    assert set(frame["regret_of"]) == {"recommended", "seen"}
    assert frame["mean"].notna().all()
    assert frame.loc[(frame["target"] == OVERALL) & (frame["protocol"] == "loo-1"), "low"].notna().all()
