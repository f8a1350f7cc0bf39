"""``at2 sweep``: a recommendation for each published pair, with a record, a summary and a figure."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.bench.plan import DATABASES
from at2.cli.options import CommaList, NumberList
from at2.cli.published import SURROGATES, choose_tuners, published_options

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.execute import Outcome
    from at2.bench.plan import RunConfig


@click.command()
@click.option(
    "--database",
    "databases",
    multiple=True,
    type=click.Choice(DATABASES),
    help="Which; give again for more.  [default: both]",
)
@click.option(
    "--pairs", type=CommaList(), default="all", show_default=True, help="'all', or targets and numbers: CIFAR100,3"
)
@click.option("--tuners", type=CommaList(), default="at2,average-rank", show_default=True, help="Who recommends.")
@click.option(
    "--surrogate",
    "surrogates",
    multiple=True,
    type=click.Choice(list(SURROGATES)),
    help="What the tuner at2 believes with; give again to compare.  [default: default]",
)
@click.option(
    "--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Training epochs for each target."
)
@click.option(
    "--seeds",
    type=NumberList(),
    default="0",
    show_default=True,
    help="Seeds of the tuner and of the replayed training.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes at a time.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for the runs.",
)
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path), help="A second place for the summary CSV.")
@click.option("--fetch", is_flag=True, help="Fetch the published tables first where they are not at hand.")
@click.option("--fresh", is_flag=True, help="Do complete runs again.")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["table", "markdown"]),
    default="table",
    show_default=True,
    help="How the summary is shown.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no table, for logs.")
@published_options
def sweep(  # one argument for each option
    databases: tuple[str, ...],
    pairs: tuple[str, ...],
    tuners: tuple[str, ...],
    surrogates: tuple[str, ...],
    budget: int,
    seeds: tuple[int, ...],
    jobs: int,
    record: Path,
    summary: Path | None,
    fetch: bool,
    fresh: bool,
    fmt: str,
    quiet: bool,
    settings: dict[str, int | float],
) -> None:
    """Recommend a configuration for the target of each published pair, and keep the record.

    A sweep that was stopped goes on where it was when it is called again. Beside the runs' folders it writes
    RECORD/summary.csv, RECORD/regret.csv and RECORD/regret.png.
    """
    from at2.bench.plan import plan_pairs
    from at2.bench.sweep import run_sweep
    from at2.bench.tuners import check_tuner

    tuners = choose_tuners(tuners, surrogates, settings)
    for tuner in tuners:
        check_tuner(tuner)
    start = time.perf_counter()
    databases = tuple(dict.fromkeys(databases)) or DATABASES
    if fetch:
        _fetch(databases, quiet=quiet)
    options = {"at2-2021": settings}
    plan = plan_pairs(databases, pairs=pairs, tuners=tuners, budget_epochs=budget, seeds=seeds, options=options)
    with _progress(len(plan), quiet=quiet) as note:
        outcomes = run_sweep(plan, record=record, jobs=jobs, fresh=fresh, on_outcome=note)
    complete = [outcome.run for outcome in outcomes if outcome.status != "failed"]
    if complete:
        _report(record, complete, also=summary, fmt=None if quiet else fmt)
    _close(outcomes, record=record, seconds=time.perf_counter() - start)


def _fetch(databases: tuple[str, ...], *, quiet: bool) -> None:
    """Get the published tables that are not on this machine, and say so while it lasts."""
    from rich.console import Console

    from at2.tables import fetch_tables

    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("looking for the published tables") as status:
            fetch_tables(databases, on_step=status.update)
    else:
        fetch_tables(databases, on_step=functools.partial(_say, quiet=quiet))


@contextlib.contextmanager
def _progress(n_run: int, *, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    """Show how many runs are through, with the time left: a bar on a terminal, else a line for each run."""
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
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("runs", total=n_run)
        numbers = itertools.count(1)

        def note(outcome: Outcome) -> None:
            number, name = next(numbers), outcome.run.folder_name
            progress.advance(task)
            if outcome.status == "failed":
                _say(f"failed: {name}: {outcome.message}", quiet=False)
            elif not console.is_terminal:
                _say(f"{number}/{n_run} {outcome.status}: {name}", quiet=quiet)

        yield note


def _say(line: str, *, quiet: bool) -> None:
    """Print a line to stderr, unless quiet."""
    if not quiet:
        click.echo(line, err=True)


def _report(record: Path, runs: list[RunConfig], *, also: Path | None, fmt: str | None) -> None:
    """Write the summary, the regret of each epoch and the figure; show the summary."""
    from at2.bench.figures import draw_regret
    from at2.bench.summary import markdown, side_by_side, summarize, traces
    from at2.tables.formats import write_frame_file

    frame = summarize(record, runs)
    regrets = traces(record, runs)
    write_frame_file(frame, record / "summary.csv")
    write_frame_file(regrets, record / "regret.csv")
    draw_regret(regrets, record / "regret.png")
    if also is not None:
        write_frame_file(frame, also)
    if fmt == "markdown":
        click.echo(markdown(side_by_side(frame)))
    elif fmt is not None:
        _show(side_by_side(frame), budget_epochs=runs[0].budget_epochs)


def _show(pairs: pd.DataFrame, *, budget_epochs: int) -> None:
    """Print the tuners side by side, a row for each target."""
    from rich.console import Console
    from rich.table import Table

    from at2.bench.summary import cells

    tuners = list(dict.fromkeys(pairs.columns.get_level_values(0)))
    table = Table(title=f"Regret of the recommendation after {budget_epochs} epochs (true rank)")
    table.add_column("database")
    table.add_column("target")
    for tuner in tuners:
        table.add_column(tuner, justify="right")
    for database, target in pairs.index.to_list():
        is_mean = target == "mean"
        row = cells(pairs, database, target)
        table.add_row(database, target, *row, style="bold" if is_mean else None, end_section=is_mean)
    Console().print(table)


def _close(outcomes: list[Outcome], *, record: Path, seconds: float) -> None:
    """Say what became of the runs; a failure makes the command fail."""
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in ("done", "kept", "failed")}
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    click.echo(f"runs: {said}, in {seconds:.1f} s; record in {record}")
    if counts["failed"]:
        raise click.ClickException(
            f"{counts['failed']} runs failed; the error.txt of each says why. Call again to retry them"
        )
