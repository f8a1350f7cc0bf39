"""``at2 bench drawn``: at2 and rivals on collections of learning curves drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.cli.beliefs import show_rows
from at2.cli.options import CommaList, NumberList, record_option, summary_option

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.option("--collections", type=click.IntRange(min=1), default=100, show_default=True, help="How many are drawn.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the first one.")
@click.option("--budgets", type=NumberList(), default="25,100", show_default=True, help="Budgets in epochs.")
@click.option("--rivals", type=CommaList(), default=None, help="Who plays.  [default: at2, the rules and Hyperband]")
@click.option("--alone", is_flag=True, help="Without the sources; then beside ASHA, halving and random search.")
@click.option("--by", type=CommaList(), default="kept", show_default=True, help="Traits by which to split the table.")
@click.option("--jobs", type=click.IntRange(min=0), default=2, show_default=True, help="Processes; or 0.")
@summary_option
@record_option("drawn.csv")
def drawn(
    collections: int,
    first: int,
    budgets: tuple[int, ...],
    rivals: tuple[str, ...] | None,
    alone: bool,
    by: tuple[str, ...],
    jobs: int,
    summary: Path | None,
    record: Path,
) -> None:
    """Measure at2 and rivals on random collections: tasks, curves, metrics and gaps of many kinds.

    The gap is how far the recommended configuration lies below the best one, in units of how far the median one does.
    """
    import pandas as pd
    from rich.progress import Progress

    from at2.bench.drawn.contest import DrawnPlan, measure_drawn, summarize_drawn
    from at2.bench.drawn.traits import check_traits
    from at2.tables.storage.formats import write_frame_file

    check_traits(by)
    plan = DrawnPlan(collections, first, rivals, budgets, with_sources=not alone)
    with Progress(transient=True) as progress:
        task = progress.add_task("collections", total=collections)
        frame = measure_drawn(plan, jobs=jobs, on_collection=lambda _: progress.advance(task))
    write_frame_file(frame, record / "drawn.csv")
    standings = [summarize_drawn(frame), *(summarize_drawn(frame, (name,)) for name in by)]
    _show("All collections", standings[0], ())
    for name, part in zip(by, standings[1:], strict=True):
        _show(f"By {name}", part, (name,))
    if summary is not None:
        write_frame_file(pd.concat(standings, ignore_index=True), summary)
    click.echo(f"{len(frame)} rows in {record / 'drawn.csv'}")


def _show(title: str, summary: pd.DataFrame, by: tuple[str, ...]) -> None:
    rows = [
        (
            f"{row['budget_epochs']}",
            *(f"{row[name]}" for name in by),
            row["rival"],
            f"{row['gap']:.3f} +- {row['error']:.3f}",
            "" if row["low"] != row["low"] else f"{row['difference']:+.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            f"{100 * row['won']:.0f} %",
            f"{row['n_collection']}",
        )
        for row in summary.reindex(columns=[*summary.columns.union(["difference", "low", "high"])]).to_dict("records")
    ]
    show_rows(title, ("epochs", *by, "rival", "gap", "minus at2", "won", "collections"), rows)
