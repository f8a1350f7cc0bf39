"""at2/cli/explain.py: text, JSON, CSV and a figure from a journal, which stays as it was."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import at2
from at2.cli.main import cli
from at2.recommend import Budget, Recommender
from at2.tables import LearningCurveTable, imported_path, load_table


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    candidates = [{"lr": 10.0**-k} for k in range(1, 7)]
    path = tmp_path / "run.jsonl"
    recommender = Recommender(target="t", candidates=candidates, n_epoch=4, budget=Budget(epochs=9), journal=path)
    for _ in range(5):
        query = recommender.ask()
        assert query is not None
        recommender.tell(query, query.config["lr"] * query.epoch)
    recommender.ask()
    return path


def test_text_and_a_figure(journal: Path, tmp_path: Path) -> None:
    before = journal.read_bytes()
    result = CliRunner().invoke(cli, ["explain", str(journal), "--out", str(tmp_path / "why.png")])
    assert result.exit_code == 0, result.output
    assert "Leading configurations" in result.stdout
    assert f"figure in {tmp_path / 'why.png'}" in result.stderr
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    assert journal.read_bytes() == before


def test_json_and_csv_can_be_read_by_machines(journal: Path) -> None:
    as_json = CliRunner().invoke(cli, ["explain", str(journal), "--format", "json", "--leading", "2"])
    values = json.loads(as_json.stdout)
    assert {row["rank"] for row in values["leaders"]} == {1, 2}
    as_csv = CliRunner().invoke(cli, ["explain", str(journal), "--format", "csv"])
    frame = pd.read_csv(io.StringIO(as_csv.stdout))
    assert set(frame["section"]) == {"hyperparameters", "leaders", "next_query"}


def past(folder: Path, task: str) -> Path:
    """A table of one task that at2 does not know by name."""
    rows = [(task, k, epoch, epoch * 10.0**-k) for k in range(1, 7) for epoch in range(1, 5)]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    configs = pd.DataFrame({"config_id": range(1, 7), "lr": [10.0**-k for k in range(1, 7)]})
    path = folder / f"{task}.h5"
    LearningCurveTable.from_frame(frame, configs, metric="accuracy", name=f"past-{task}").to_hdf5(path)
    return path


def tuned_on(histories: list[str], folder: Path) -> Path:
    """The journal of a tuning with these histories, given as the command line gives them."""
    at2.tune(
        lambda config, epochs, _: config["lr"] * epochs[-1],
        history=tuple(histories),
        target="new",
        budget="3 epochs",
        workdir=folder / "work",
    )
    return folder / "work" / "journal.jsonl"


def explained(*words: object) -> Result:
    return CliRunner().invoke(cli, ["explain", *map(str, words)])


def test_the_journal_of_a_tuning_on_one_known_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AT2_HOME", str(tmp_path / "home"))
    known = load_table(str(past(tmp_path, "first")))
    known.to_hdf5(imported_path("past-first"))
    result = explained(tuned_on(["past-first"], tmp_path))
    assert result.exit_code == 0, result.output
    assert "Leading configurations" in result.stdout


def test_the_journal_of_a_tuning_on_several_tables_takes_each(tmp_path: Path) -> None:
    files = [str(past(tmp_path, name)) for name in ("first", "second")]
    journal = tuned_on(files, tmp_path)
    found = explained(journal, "--table", files[0], "--table", files[1])
    assert found.exit_code == 0, found.output
    for given, came in (([], "there is none, or another, by that name"), (files[:1], f"{files[0]} gave another")):
        refused = explained(journal, *(word for file in given for word in ("--table", file)))
        assert refused.exit_code == 1
        assert f"written with the history 'history', and {came}; give the history" in refused.output
        assert "--table NAME|FILE, once for each --history" in refused.output


def test_a_table_for_a_journal_without_history_is_refused(journal: Path, tmp_path: Path) -> None:
    refused = explained(journal, "--table", past(tmp_path, "first"))
    assert refused.exit_code == 1
    assert "was written without a history; leave out --table" in refused.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["none.jsonl"], "cannot read the journal none.jsonl"),
        (["none.jsonl", "--format", "xml"], "'xml' is not one of 'text', 'json', 'csv'"),
        (["none.jsonl", "--leading", "0"], "0 is not in the range x>=1"),
        ([], "Missing argument 'JOURNAL'"),
    ],
)
def test_wrong_calls_are_said_in_a_line(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(cli, ["explain", *arguments])
    assert result.exit_code in (1, 2)
    assert text in result.output


def test_a_figure_of_an_unknown_kind_is_refused(journal: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["explain", str(journal), "--out", str(tmp_path / "why.gif")])
    assert result.exit_code == 1
    assert "a figure ends in .png, .pdf or .svg" in result.output
