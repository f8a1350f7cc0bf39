"""``at2 compare``: ways of getting a trained network, run live beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.cli.options import CommaList, NumberList, format_option, record_option, summary_option
from at2.cli.show import show_rows

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.option("--task", default="digits-rotated", show_default=True, metavar="NAME|PATH", help="What is trained on.")
@click.option(
    "--history",
    default="digits",
    show_default=True,
    metavar="NAME|FILE",
    help="The configurations that all methods choose from; at2 learns from its other tasks.",
)
@click.option("--methods", type=CommaList(), default="all", show_default=True, help="'all', or names with commas.")
@click.option(
    "--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs that BOHB and at2 may spend."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Length of a full training.  [default: the history's]")
@click.option(
    "--seeds", type=NumberList(), default="0,1,2,3,4", show_default=True, help="Seeds of weights and choices."
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at a time.")
@record_option("results")
@summary_option
@click.option("--fresh", is_flag=True, help="Do complete runs again.")
@format_option("results are", more=("csv",))
def compare(  # one argument for each option
    task: str,
    history: str,
    methods: tuple[str, ...],
    budget: int,
    epochs: int | None,
    seeds: tuple[int, ...],
    jobs: int,
    record: Path,
    summary: Path | None,
    fresh: bool,
    fmt: str,
) -> None:
    """Train a network on a task in several ways: what accuracy comes of it, and what it costs.

    Runs that are complete are kept, so that a comparison that was stopped goes on. Writes compare.csv and
    compare.png into RECORD/compare.
    """
    from at2.bench.live.compare import CompareRun, draw, summarize
    from at2.bench.live.kept import run_missing
    from at2.bench.live.methods import METHODS
    from at2.tables.storage.formats import write_frame_file

    names = _choose(methods)
    runs = [
        CompareRun(name, task, history, budget if METHODS[name].is_free else None, seed, epochs, str(record))
        for name in names
        for seed in seeds
    ]
    try:
        run_missing(runs, jobs=jobs, fresh=fresh, note=lambda done, n: click.echo(f"runs: {done}/{n}", err=True))
    finally:
        frame = summarize(runs, {name: METHODS[name].label for name in names})
        if len(frame):
            folder = record / "compare"
            write_frame_file(frame, folder / "compare.csv")
            draw(frame, folder / "compare.png", title=f"{Path(task).stem}, {len(seeds)} seeds")
            if summary is not None:
                write_frame_file(frame, summary)
            _show(frame, fmt, title=f"{Path(task).stem}: {len(seeds)} seeds, budget {budget} epochs")


def _choose(methods: tuple[str, ...]) -> list[str]:
    """Check the names; those that lack a library are left out, and said so."""
    from at2.bench.live.methods import METHODS
    from at2.errors import UnknownNameError
    from at2.rivals.libraries import is_installed

    wanted = list(METHODS) if methods == ("all",) else list(methods)
    for name in wanted:
        if name not in METHODS:
            raise UnknownNameError(f"no method {name!r}; the methods are {', '.join(METHODS)}")
    chosen = []
    for name in wanted:
        needs = METHODS[name].needs
        if needs is not None and not is_installed(needs):
            click.echo(f"{name} is left out: it needs {needs}; pip install 'at2[rivals]'", err=True)
        else:
            chosen.append(name)
    return chosen


def _show(frame: pd.DataFrame, fmt: str, *, title: str) -> None:
    from at2.bench.live.compare import HEADER, cells

    if fmt == "csv":
        click.echo(frame.to_csv(index=False), nl=False)
    else:
        show_rows(HEADER, (cells(row) for _, row in frame.iterrows()), fmt=fmt, title=title)
