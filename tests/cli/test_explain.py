"""at2/cli/explain.py: text, JSON, CSV and a figure from a journal, which stays as it was."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.recommend import Budget, Recommender


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
