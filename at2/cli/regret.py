"""``at2 bench regret``: at2 and its rivals on the same work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from at2.bench.plan import DATABASES
from at2.cli.options import CommaList, NumberList

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.regret import Advance, Contest
    from at2.recommend import Budget


@click.command()
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(["loo", "pairs", "unseen"]),
    default="loo",
    show_default=True,
    help="Every task once as the target; the published pairs; or loo with half of the configurations unseen.",
)
@click.option("--database", "databases", multiple=True, help="A published table or an .h5 file.  [default: both]")
@click.option("--sources", default="4", show_default=True, help="Source tasks of each target, or 'all' others.")
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="Drawings of the sources.")
@click.option("--seeds", type=NumberList(), default="0", show_default=True, help="Repetitions.")
@click.option("--targets", type=CommaList(), default="all", show_default=True, help="Only these targets.")
@click.option(
    "--rivals",
    type=CommaList(),
    default="all",
    show_default=True,
    help="'all', 'cheap' (milliseconds a run), or names.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    default=("100",),
    show_default=True,
    help="Epochs, or seconds as 3600s; again for more.",
)
@click.option("--jobs", type=click.IntRange(min=0), default=2, show_default=True, help="Processes; 0 starts none.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for the results.",
)
@click.option(
    "--watch",
    type=CommaList(),
    default="first",
    show_default=True,
    help="Targets whose runs a report shows step by step: names, 'first' of each database, or 'none'.",
)
@click.option("--fresh", is_flag=True, help="Forget earlier results of these rivals.")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["table", "markdown"]),
    default="table",
    show_default=True,
    help="How the standings are shown.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, for logs.")
def regret(  # one argument for each option
    protocol_name: str,
    databases: tuple[str, ...],
    sources: str,
    draws: int,
    seeds: tuple[int, ...],
    targets: tuple[str, ...],
    rivals: tuple[str, ...],
    budgets: tuple[str, ...],
    jobs: int,
    record: Path,
    watch: tuple[str, ...],
    fresh: bool,
    fmt: str,
    quiet: bool,
) -> None:
    """Compare at2 with its rivals on the same targets, sources and budgets.

    Results go to RECORD/regret as they come; a bench that was stopped goes on when it is called again, and a rival
    that is added runs alone. RECORD/regret/summary.csv holds the standings of everything in the record.
    """
    from at2.bench.protocols import Protocol
    from at2.bench.regret import Contest, run_regret

    start = time.perf_counter()
    protocol = Protocol(
        protocol_name,
        n_source=_sources(sources),
        n_draw=draws,
        seeds=seeds,
        targets=() if targets == ("all",) else targets,
    )
    contest = Contest(
        databases=tuple(dict.fromkeys(databases)) or DATABASES,
        protocol=protocol,
        rivals=_choose_rivals(rivals),
        budgets=tuple(dict.fromkeys(_budget(text) for text in budgets)),
        watched=() if watch == ("none",) else watch,
    )
    with _progress(quiet=quiet) as note:
        done = run_regret(contest, record=record, jobs=jobs, fresh=fresh, on_progress=note)
    _close(record, contest, fmt=None if quiet else fmt)
    took = time.perf_counter() - start
    click.echo(f"runs: {done.n_done} done, {done.n_kept} kept, in {took:.1f} s; results in {record / 'regret'}")


def _sources(text: str) -> int | None:
    """Read a number of sources, None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"a number from 1 or 'all' wanted, {text!r} came", param_hint="--sources")
    return int(text)


def _budget(text: str) -> Budget:
    """Read a budget: 100 are epochs, 3600s are seconds."""
    from at2.recommend.budget import Budget

    try:
        return Budget(seconds=float(text[:-1])) if text.endswith("s") else Budget(epochs=int(text))
    except ValueError as error:
        raise click.BadParameter(
            f"epochs (100) or seconds (3600s) wanted, {text!r} came", param_hint="--budget"
        ) from error


def _choose_rivals(names: tuple[str, ...]) -> tuple[str, ...]:
    """Resolve 'all' and 'cheap', and say what has to be left out, and how to get it."""
    from at2.rivals.registry import cheap_names, missing_library, rival_names

    groups = {"all": ("at2", *rival_names()), "cheap": ("at2", *cheap_names())}
    chosen = dict.fromkeys(each for name in names for each in groups.get(name, (name,)))
    for name in list(chosen):
        library = missing_library(name)
        if library is not None:
            click.echo(f"left out: {name} needs {library}; pip install 'at2[rivals]'", err=True)
            del chosen[name]
    return tuple(chosen)


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Advance], None]]:
    """Show a bar on a terminal, else a line every half minute; failures always."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task, said = bar.add_task("runs", total=None), time.monotonic()

        def note(progress: Advance) -> None:
            nonlocal said
            name = "runs" if progress.last is None else progress.last.rival
            bar.update(task, description=name, total=progress.n_run, completed=progress.n_kept + progress.n_done)
            if progress.error is not None and progress.last is not None:
                click.echo(f"failed: {name} on {progress.last.case.target}: {progress.error}", err=True)
            if not quiet and not console.is_terminal and time.monotonic() - said > 30:
                said = time.monotonic()
                click.echo(f"{progress.n_kept + progress.n_done}/{progress.n_run} runs, now {name}", err=True)

        yield note


def _close(record: Path, contest: Contest, *, fmt: str | None) -> None:
    """Write the standings of the whole record and show those of the contest."""
    import pandas as pd

    from at2.bench.regret import budget_amount
    from at2.bench.results import FOLDER, read_results
    from at2.bench.standings import summarize_results
    from at2.tables.formats import write_frame_file

    results = read_results(record)
    for reason in results.attrs["left_out"]:
        click.echo(f"left out: {reason}", err=True)
    write_frame_file(summarize_results(results), record / FOLDER / "summary.csv")
    if fmt is not None:
        amounts = {budget_amount(budget) for budget in contest.budgets}
        played = pd.Series(list(zip(results["budget"], results["unit"], strict=True)), index=results.index).isin(
            amounts
        )
        played &= results["rival"].isin(contest.rivals)
        played &= results["database"].isin(contest.databases)
        played &= results["protocol"] == contest.protocol.label
        _show(summarize_results(results[played]), markdown=fmt == "markdown")


_COLUMNS = {
    "rival": "rival",
    "regret": "regret +- s.e.",
    "best_seen": "best seen +- s.e.",
    "rank": "rank",
    "won": "won",
    "difference": "minus at2 [95 %]",
    "p_value": "p",
    "overhead_s": "overhead",
    "n_epochs": "epochs",
    "n_configs": "configs",
}


def _show(summary: pd.DataFrame, *, markdown: bool) -> None:
    """Print a table for each database, protocol and budget."""
    from rich.console import Console
    from rich.table import Table

    from at2.bench.standings import GROUP

    for (database, protocol, unit, budget), rows in summary.groupby(GROUP, sort=False):
        n_case, n_draw = int(rows["n_case"].max()), int(rows["n_draw"].max())
        title = f"{database}, {protocol}, {budget:g} {unit}: {n_case} cases in {n_draw} draw{'s' if n_draw > 1 else ''}"
        cells = [_cells(row) for row in rows.to_dict("records")]
        if markdown:
            click.echo(f"\n{title}\n\n| {' | '.join(_COLUMNS.values())} |\n|---{'|--:' * (len(_COLUMNS) - 1)}|")
            click.echo("\n".join(f"| {' | '.join(line)} |" for line in cells))
            continue
        distance = rows.get("critical_difference")
        caption = None if distance is None or distance.isna().all() else f"ranks differ from {distance.max():.2f} on"
        table = Table(title=title, caption=caption)
        for name, heading in _COLUMNS.items():
            table.add_column(heading, justify="left" if name == "rival" else "right", no_wrap=True)
        for line in cells:
            table.add_row(*line, style="bold" if line[0] == "at2" else None)
        console = Console()
        Console(width=max(console.width, 160)).print(table)


def _cells(row: dict[Hashable, Any]) -> list[str]:
    """Write one rival's row; what is not known stays empty."""

    def number(name: str, digits: int) -> str:
        value = row.get(name)
        return f"{value:.{digits}f}" if isinstance(value, float) and value == value else ""

    def with_error(name: str, error: str) -> str:
        spread = number(error, 4)
        value = number(name, 4)
        return value + (f" +- {spread}" if spread else " (1 draw)" if value else "")

    low, high = number("difference_low", 4), number("difference_high", 4)
    failed = row.get("n_failed")
    return [
        str(row["rival"]) + (f" ({failed} failed)" if failed else ""),
        with_error("regret", "regret_se"),
        with_error("best_seen_regret", "best_seen_se"),
        number("rank", 2),
        "" if not (won := number("won", 6)) else f"{100 * float(won):.0f} %",
        number("difference", 4) + (f" [{low}, {high}]" if low else ""),
        number("p_value", 3),
        "" if not (seconds := number("overhead_s", 3)) else f"{seconds} s",
        number("n_epochs", 1),
        number("n_configs", 1),
    ]
