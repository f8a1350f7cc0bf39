"""The page and the files beside it, without looking at it in a browser."""

import builtins
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.report import write_report
from at2.bench.report.page import build_page, command
from at2.bench.report.stories import choose_stories
from at2.cli.main import cli
from at2.errors import FileError, MissingExtraError


def _data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(text)


def test_a_report_is_a_page_a_figure_and_two_tables(record: Path, tmp_path: Path) -> None:
    files = write_report(record, tmp_path / "new" / "report.html")
    assert (files.n_run, files.left_out) == (20, ())
    assert files.figure.read_bytes().startswith(b"\x89PNG")
    assert set(pd.read_csv(files.standings)["protocol"]) == {"loo-1", "pairs, sweep"}
    assert len(pd.read_csv(files.curves)) > 50
    data = _data(files.page.read_text(encoding="utf-8"))
    assert (data["n_run"], data["rivals"][0], len(data["comparisons"])) == (20, "at2", 2)
    assert data["stories"][0]["label"].startswith("at2 on ")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "report.html",
        "report.png",
        "report.csv",
        "report_curves.csv",
    }


def test_the_page_refers_to_nothing_outside_itself(record: Path, tmp_path: Path) -> None:
    page = write_report(record, tmp_path / "report.html").page.read_text(encoding="utf-8")
    own = re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)  # all but Plotly
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", own)
    assert "http" not in own.replace("http-equiv", "")
    assert "default-src 'none'" in own
    assert 'name="viewport"' in own


def test_names_cannot_break_out_of_the_data() -> None:
    data = {"n_run": 1, "name": "</script><script>alert(1)</script><!--"}
    page = build_page(data, plotly="const x = '</script>';")
    assert _data(page) == data
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == 3


def test_the_command_that_repeats_it() -> None:
    assert command({"arguments": ["bench", "regret", "--rivals", "at2,asha"]}) == "at2 bench regret --rivals at2,asha"
    assert command({}) is None


def test_snapped_rivals_are_named(record: Path, tmp_path: Path) -> None:
    (path,) = (record / "regret").glob("*_mean-final_*.jsonl")
    path.write_text(path.read_text().replace("mean-final", "optuna-tpe"))
    data = _data(write_report(record, tmp_path / "report.html").page.read_text(encoding="utf-8"))
    assert data["snapped"] == ["optuna-tpe"]


def test_a_record_without_stories_says_so(record: Path, tmp_path: Path) -> None:
    assert "holds no run in detail" in str(choose_stories([])[1])
    for path in [*record.glob("*/story.json"), *(record / "regret" / "stories").glob("*")]:
        path.unlink()
    data = _data(write_report(record, tmp_path / "report.html").page.read_text(encoding="utf-8"))
    assert "Predicted curves are missing" in data["stories_missing"]


def _story(rival: str, target: str, *, expected: object = (), n: int = 5) -> dict[str, Any]:
    return {
        "rival": rival,
        "target": target,
        "database": "d",
        "budget": 9,
        "unit": "epochs",
        "seed": 0,
        "expected": expected,
        "observations": [0] * n,
    }


def test_the_stories_of_at2_come_first_and_rivals_get_their_share() -> None:
    stories = [_story("asha", str(k)) for k in range(9)] + [_story("at2", str(k)) for k in range(9)]
    chosen, said = choose_stories(stories, most=6)
    assert [story["rival"] for story in chosen] == ["at2"] * 4 + ["asha"] * 2
    assert said == "6 of the 18 runs that were recorded in detail are listed."


def test_all_stories_are_shown_where_they_are_few() -> None:
    chosen, said = choose_stories([_story("asha", "a"), _story("at2", "a")])
    assert [story["rival"] for story in chosen] == ["at2", "asha"]
    assert said is None


def test_a_report_without_plotly_names_the_extra(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("plotly"):
            raise ModuleNotFoundError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"needs plotly, .*pip install 'at2\[report\]'"):
        write_report(record, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_command_writes_and_says_what(record: Path, tmp_path: Path) -> None:
    folder = next(record.glob("tiny_target_at2_*"))
    (folder / "result.json").unlink()
    result = CliRunner().invoke(cli, ["report", str(record), "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 0, result.output
    assert f"left out: {folder.name}: not complete" in result.output
    assert "19 runs on" in result.output
    assert "beside it: r.png, r.csv, r_curves.csv" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no record at nowhere; make one with"),
        (["."], "holds no complete run; run `at2 sweep"),
        ([".", "--out", "report.pdf"], "a report ends in .html, 'report.pdf' given"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["report", *arguments])
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_report_that_cannot_be_written(record: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="choose another"):
        write_report(record, tmp_path / "file" / "report.html")
