"""The page itself: one file with data, style, script and Plotly inside, and figures and tables beside it."""

from __future__ import annotations

import html
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from at2 import __version__
from at2.bench.report.comparisons import compare
from at2.bench.report.curves import long_frame
from at2.bench.report.reading import Record, read_record
from at2.bench.report.stories import choose_stories
from at2.bench.sweeps.record import write_text
from at2.errors import FileError, MissingExtraError
from at2.rivals.registry import is_snapped
from at2.tables.storage.formats import write_frame_file

_STATIC = Path(__file__).parent / "static"
_SCRIPTS = ("common.js", "regret.js", "standings.js", "story.js", "made.js", "main.js")


@dataclass(frozen=True)
class ReportFiles:
    """What a report consists of.

    Args:
        page: The HTML page.
        figure: Regret against epochs, of every comparison, as PNG.
        standings: The tables as CSV.
        curves: What the plots of regret show, as CSV.
        n_run: How many runs they show.
        left_out: A reason for each thing of the record that could not be used.
    """

    page: Path
    figure: Path
    standings: Path
    curves: Path
    n_run: int
    left_out: tuple[str, ...]


def write_report(record: Path, out: Path) -> ReportFiles:
    """Make a report of a record, without running anything again.

    Args:
        record: Folder that `at2 sweep`, `at2 bench regret`, or both have written.
        out: The page to write, such as ``report.html``; PNG and CSV files of the same name go beside it.

    Raises:
        FileError: If the record holds no run that can be shown, or a file cannot be written.
        MissingExtraError: If Plotly is not installed.
    """
    from at2.bench.regret.standings import summarize_results
    from at2.bench.sweeps.figures import draw_comparisons

    if out.suffix.lower() not in (".html", ".htm"):
        raise FileError(f"a report ends in .html, {out.name!r} given", path=out)
    plotly = _plotly()
    found = read_record(record)
    comparisons = compare(found.runs)
    files = ReportFiles(
        page=out,
        figure=out.with_suffix(".png"),
        standings=out.with_suffix(".csv"),
        curves=out.with_name(f"{out.stem}_curves.csv"),
        n_run=int(found.runs["error"].isna().sum()),
        left_out=tuple(found.left_out),
    )
    _make_folder(out.parent)
    write_frame_file(summarize_results(found.runs), files.standings)
    write_frame_file(long_frame(comparisons), files.curves)
    draw_comparisons(comparisons, files.figure)
    write_text(out, build_page(page_data(found, comparisons), plotly=plotly))
    return files


def page_data(record: Record, comparisons: list[dict[str, Any]]) -> dict[str, Any]:
    """Give everything that the page shows as plain JSON values."""
    stories, missing = choose_stories(record.stories)
    rivals = [row["rival"] for comparison in comparisons for row in comparison["rows"]]
    rivals = sorted(dict.fromkeys(rivals), key=lambda name: name != "at2")
    return {
        "version": __version__,
        "n_run": int(record.runs["error"].isna().sum()),
        "rivals": rivals,
        "snapped": [name for name in rivals if is_snapped(name)],
        "comparisons": comparisons,
        "stories": stories,
        "stories_missing": missing,
        "environments": [{**each, "command": command(each)} for each in record.environments],
        "left_out": record.left_out,
    }


def command(environment: dict[str, Any]) -> str | None:
    """Give the command that made a part of the record, None where it is not known.

    Example:
        >>> command({"arguments": ["sweep", "--record", "my record"]})
        "at2 sweep --record 'my record'"
    """
    arguments = environment.get("arguments")
    return shlex.join(["at2", *map(str, arguments)]) if isinstance(arguments, list) and arguments else None


def build_page(data: dict[str, Any], *, plotly: str) -> str:
    """Put a page together.

    Args:
        data: What `page_data` gave.
        plotly: The library plotly.js.
    """
    parts = {
        "title": html.escape(f"at2 report: {data['n_run']} runs"),
        "style": _read("style.css"),
        "plotly": _inline(plotly),
        "data": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "script": _inline("\n".join(_read(name) for name in _SCRIPTS)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def _inline(text: str) -> str:
    """Keep a text from ending the script element that it stands in."""
    return text.replace("</", "<\\/")


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise MissingExtraError("a report needs plotly, which is not installed; pip install 'at2[report]'") from error
    return str(get_plotlyjs())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {folder}: {error}; choose another --out", path=folder) from error
