"""``at2 bench regret``: at2 and its rivals on the same work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.bench.sweeps.plan import DATABASES
from at2.cli.options import CommaList, NumberList, format_option, quiet_option, record_option, summary_option
from at2.cli.progress import run_bar

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.regret.run import Advance, Contest
    from at2.recommend import Budget


@click.command()
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(["loo", "pairs", "unseen", "halved", "apart", "few", "sweeps", "thinned", "finals", "units"]),
    default="loo",
    show_default=True,
    help="Every task once as the target; the published pairs; or loo with half of the configurations unseen, "
    "with sources cut by successive halving, with configurations of its own, or five of them, or 27 cut by halving, "
    "or every fifth epoch, or the last reading of each training alone, or a unit of its own, on every source.",
)
@click.option("--database", "databases", multiple=True, help="A published table or an .h5 file.  [default: both]")
@click.option(
    "--sources",
    multiple=True,
    default=("4",),
    show_default=True,
    help="Source tasks of each target, 0 for none, or 'all' others; again for more.",
)
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="Drawings of the sources.")
@click.option("--seeds", type=NumberList(), default="0", show_default=True, help="Repetitions.")
@click.option("--targets", type=CommaList(), default="all", show_default=True, help="Only these targets.")
@click.option(
    "--rivals",
    type=CommaList(),
    default="all",
    show_default=True,
    help="'all', 'cheap' (milliseconds a run), or names; at2-train plays for the best trained model.",
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
@record_option("the results")
@click.option(
    "--watch",
    type=CommaList(),
    default="first",
    show_default=True,
    help="Targets whose runs a report shows step by step: names, 'first' of each database, or 'none'.",
)
@summary_option
@click.option("--fresh", is_flag=True, help="Forget earlier results of these rivals.")
@format_option("standings are")
@quiet_option
def regret(  # one argument for each option
    protocol_name: str,
    databases: tuple[str, ...],
    sources: tuple[str, ...],
    draws: int,
    seeds: tuple[int, ...],
    targets: tuple[str, ...],
    rivals: tuple[str, ...],
    budgets: tuple[str, ...],
    jobs: int,
    record: Path,
    watch: tuple[str, ...],
    summary: Path | None,
    fresh: bool,
    fmt: str,
    quiet: bool,
) -> None:
    """Compare at2 with its rivals on the same targets, sources and budgets.

    Results go to RECORD/regret as they come; a bench that was stopped goes on when it is called again, and a rival
    that is added runs alone. RECORD/regret/summary.csv holds the standings of everything in the record.
    """
    from at2.bench.regret.run import Contest, run_regret
    from at2.bench.replay.protocols import Protocol

    start = time.perf_counter()
    chosen = _choose_rivals(rivals)
    contests = [
        Contest(
            databases=tuple(dict.fromkeys(databases)) or DATABASES,
            protocol=Protocol(
                protocol_name,
                n_source=_sources(text),
                n_draw=draws,
                seeds=seeds,
                targets=() if targets == ("all",) else targets,
            ),
            rivals=chosen,
            budgets=tuple(dict.fromkeys(_budget(text) for text in budgets)),
            watched=() if watch == ("none",) else watch,
        )
        for text in dict.fromkeys(sources)
    ]
    n_done = n_kept = 0
    for contest in contests:
        with _progress(quiet=quiet) as note:
            done = run_regret(contest, record=record, jobs=jobs, fresh=fresh, on_progress=note)
        n_done, n_kept = n_done + done.n_done, n_kept + done.n_kept
    _close(record, contests, also=summary, fmt=None if quiet else fmt)
    took = time.perf_counter() - start
    click.echo(f"runs: {n_done} done, {n_kept} kept, in {took:.1f} s; results in {record / 'regret'}")


def _sources(text: str) -> int | None:
    """Read a number of sources, None for all."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise click.BadParameter(f"a number from 0 or 'all' wanted, {text!r} came", param_hint="--sources")
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
    with run_bar(quiet=quiet) as bar:
        task, said = bar.add_task("runs", total=None), time.monotonic()

        def note(progress: Advance) -> None:
            nonlocal said
            name = "runs" if progress.last is None else progress.last.rival
            bar.update(task, description=name, total=progress.n_run, completed=progress.n_kept + progress.n_done)
            if progress.error is not None and progress.last is not None:
                click.echo(f"failed: {name} on {progress.last.case.target}: {progress.error}", err=True)
            if not quiet and not bar.console.is_terminal and time.monotonic() - said > 30:
                said = time.monotonic()
                click.echo(f"{progress.n_kept + progress.n_done}/{progress.n_run} runs, now {name}", err=True)

        yield note


def _close(record: Path, contests: Sequence[Contest], *, also: Path | None, fmt: str | None) -> None:
    """Write the standings of the whole record, and show those of the contests."""
    from at2.bench.regret.results import FOLDER, read_results
    from at2.bench.regret.standings import summarize_results
    from at2.cli.standings import show_standings
    from at2.tables.storage.formats import write_frame_file

    results = read_results(record)
    for reason in results.attrs["left_out"]:
        click.echo(f"left out: {reason}", err=True)
    write_frame_file(summarize_results(results), record / FOLDER / "summary.csv")
    standings = summarize_results(results[_played(results, contests)])
    if also is not None:
        write_frame_file(standings, also)
    if fmt is not None:
        show_standings(standings, markdown=fmt == "markdown")


def _played(results: pd.DataFrame, contests: Sequence[Contest]) -> pd.Series[bool]:
    """Say which results of a record belong to some contests of the same databases, rivals and budgets."""
    import pandas as pd

    from at2.bench.regret.run import budget_amount

    amounts = {budget_amount(budget) for budget in contests[0].budgets}
    pairs = zip(results["budget"], results["unit"], strict=True)
    return (
        pd.Series([pair in amounts for pair in pairs], index=results.index)
        & results["rival"].isin(contests[0].rivals)
        & results["database"].isin(contests[0].databases)
        & results["protocol"].isin([contest.protocol.label for contest in contests])
    )
