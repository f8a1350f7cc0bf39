"""``at2 sweep``: a recommendation for each published pair, with a record, a summary and a figure."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from at2.bench.sweeps.plan import DATABASES, EMBEDDED
from at2.cli.options import CommaList, NumberList, format_option, quiet_option, record_option, summary_option
from at2.cli.progress import run_bar
from at2.cli.published import SURROGATES, choose_tuners, published_options
from at2.errors import ChecksumError, FileError

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.sweeps.execute import Outcome
    from at2.bench.sweeps.plan import RunConfig


@click.command()
@click.option(
    "--database",
    "databases",
    multiple=True,
    type=click.Choice((*DATABASES, EMBEDDED)),
    help="Which; give again for more.  [default: the two published ones; with --fetch the embedded one in their place]",
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
@record_option("the runs")
@summary_option
@click.option("--fetch", is_flag=True, help="Fetch the published tables first; without them, sweep the embedded one.")
@click.option("--fresh", is_flag=True, help="Do complete runs again.")
@click.option(
    "--predictions/--no-predictions",
    default=True,
    show_default=True,
    help="Keep what at2 expected at each step, for the report.",
)
@format_option("summary is")
@quiet_option
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
    predictions: bool,
    fmt: str,
    quiet: bool,
    settings: dict[str, int | float],
) -> None:
    """Recommend a configuration for the target of each published pair, and keep the record.

    Of the table that ships with at2, digits, every task is a target once, with all others as its sources.

    A sweep that was stopped goes on where it was when it is called again. Beside the runs' folders it writes
    RECORD/summary.csv, RECORD/regret.csv and RECORD/regret.png.
    """
    from at2.bench.sweeps.plan import plan_pairs
    from at2.bench.sweeps.run import run_sweep
    from at2.bench.sweeps.tuners import check_tuner

    tuners = choose_tuners(tuners, surrogates, settings)
    for tuner in tuners:
        check_tuner(tuner)
    start = time.perf_counter()
    databases = _at_hand(tuple(dict.fromkeys(databases)), fetch=fetch, quiet=quiet)
    options = {"at2-2021": settings}
    plan = plan_pairs(databases, pairs=pairs, tuners=tuners, budget_epochs=budget, seeds=seeds, options=options)
    with _progress(len(plan), quiet=quiet) as note:
        outcomes = run_sweep(plan, record=record, jobs=jobs, fresh=fresh, predictions=predictions, on_outcome=note)
    complete = [outcome.run for outcome in outcomes if outcome.status != "failed"]
    if complete:
        _report(record, complete, also=summary, fmt=None if quiet else fmt)
    _close(outcomes, record=record, seconds=time.perf_counter() - start)


def _at_hand(asked: tuple[str, ...], *, fetch: bool, quiet: bool) -> tuple[str, ...]:
    """Give the databases to sweep; those not asked for by name may be replaced by the embedded one, which is said.

    Raises:
        FileError: If a table that was asked for, or a folder that AT2_MIRROR names, is not there.
    """
    if not fetch:
        return asked or DATABASES
    got: list[str] = []
    missing: list[str] = []
    why = ""
    for name in asked or DATABASES:
        try:
            if name != EMBEDDED:
                _fetch(name, only_cached=bool(missing), quiet=quiet)
            got.append(name)
        except FileError as error:
            mirror = os.environ.get("AT2_MIRROR", "")
            if asked or (mirror and not mirror.startswith(("http://", "https://"))):
                raise
            missing.append(name)
            why = why or _reason(error)
    if missing:
        instead = "" if got else f"; sweeping the embedded table {EMBEDDED!r} in their place"
        click.echo(f"{' and '.join(missing)} cannot be had ({why}; AT2_MIRROR may name a copy){instead}", err=True)
    return tuple(got) or (EMBEDDED,)


def _reason(error: FileError) -> str:
    """Say in a few words why a table cannot be had: the network's own word for it, where that is the cause."""
    cause = error.__cause__
    if isinstance(cause, OSError) and not isinstance(error, ChecksumError):
        return f"{type(cause).__name__} at {urlsplit(str(error.path)).netloc or error.path}"
    return str(error).partition(";")[0][:200]


def _fetch(name: str, *, only_cached: bool, quiet: bool) -> None:
    """Get a published table that is not on this machine, and say so while it lasts."""
    from rich.console import Console

    from at2.tables import fetch_tables, list_tables

    if only_cached and not any(entry.name == name and entry.path for entry in list_tables()):
        raise FileError(f"table {name!r} is not on this machine", path=name)  # the network has failed a moment ago
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("looking for the published tables") as status:
            fetch_tables([name], on_step=status.update)
    else:
        fetch_tables([name], on_step=functools.partial(_say, quiet=quiet))


@contextlib.contextmanager
def _progress(n_run: int, *, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    """Show how many runs are through, with the time left: a bar on a terminal, else a line for each run."""
    with run_bar(quiet=quiet) as progress:
        task = progress.add_task("runs", total=n_run)
        numbers = itertools.count(1)

        def note(outcome: Outcome) -> None:
            number, name = next(numbers), outcome.run.folder_name
            progress.advance(task)
            if outcome.status == "failed":
                _say(f"failed: {name}: {outcome.message}", quiet=False)
            elif not progress.console.is_terminal:
                _say(f"{number}/{n_run} {outcome.status}: {name}", quiet=quiet)

        yield note


def _say(line: str, *, quiet: bool) -> None:
    """Print a line to stderr, unless quiet."""
    if not quiet:
        click.echo(line, err=True)


def _report(record: Path, runs: list[RunConfig], *, also: Path | None, fmt: str | None) -> None:
    """Write the summary, the regret of each epoch and the figure; show the summary."""
    from at2.bench.sweeps.figures import draw_regret
    from at2.bench.sweeps.summary import markdown, side_by_side, summarize, traces
    from at2.tables.storage.formats import write_frame_file

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

    from at2.bench.sweeps.summary import cells

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
