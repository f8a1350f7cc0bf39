"""``at2 bench calibration`` and ``at2 bench misleading``: what the default recommender believes, and from whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from at2.cli.options import CommaList, NumberList

if TYPE_CHECKING:
    from at2.bench.replay.protocols import Protocol

Command = TypeVar("Command", bound=Callable[..., Any])


def common_options(*, least_sources: int = 1) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that these commands share."""
    options = (
        click.option("--database", default="lcbench", show_default=True, help="A published table or an .h5 file."),
        click.option(
            "--sources", type=click.IntRange(min=least_sources), default=4, show_default=True, help="Source tasks."
        ),
        click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="Source drawings."),
        click.option("--targets", type=CommaList(), default="all", show_default=True, help="Only these targets."),
        click.option("--jobs", type=click.IntRange(min=0), default=2, show_default=True, help="Processes; or 0."),
        click.option(
            "--record",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("record"),
            show_default=True,
            help="Folder for the CSV.",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@common_options(least_sources=0)
@click.option("--epochs", type=click.IntRange(min=1), default=50, show_default=True, help="Epochs that are observed.")
@click.option(
    "--probability",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Of the intervals.",
)
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(["loo", "halved", "apart", "few", "sweeps", "thinned", "finals", "units"]),
    default="loo",
    show_default=True,
    help="Every task once as the target; with sources cut by successive halving, with configurations of its own, "
    "or five of them, or 27 cut by halving, or every fifth epoch, or the last reading of each training alone, or a "
    "unit of its own, on every source.",
)
@click.option("--with-sources", is_flag=True, help="Also BoTorch's process on sources and target: slow.")
def calibration(
    database: str,
    sources: int,
    draws: int,
    targets: tuple[str, ...],
    jobs: int,
    record: Path,
    epochs: int,
    probability: float,
    protocol_name: str,
    with_sources: bool,
) -> None:
    """Compare intervals and densities of unobserved cells with the truth, beside BoTorch's LatentKroneckerGP."""
    from rich.console import Console

    from at2.bench.calibration import PREDICTORS, CalibrationPlan, measure_calibration, summarize_calibration
    from at2.tables.storage.formats import write_frame_file

    predictors = PREDICTORS if with_sources else PREDICTORS[:2]
    plan = CalibrationPlan(
        database, protocol_of(sources, draws, targets, protocol_name), epochs, probability, predictors
    )
    with Console(stderr=True).status("playing") as status:
        frame = measure_calibration(plan, jobs=jobs, on_case=lambda case: status.update(f"played {case.target}"))
    write_frame_file(frame, record / "calibration.csv")
    rows = [
        (
            row["predictor"],
            row["by"],
            row["band"],
            f"{row['coverage']:.3f} +- {row['coverage_error']:.3f}",
            f"{row['log_density']:.3f} +- {row['log_density_error']:.3f}",
            str(row["n_cell"]),
            str(row["n_run"]),
        )
        for row in summarize_calibration(frame).to_dict("records")
    ]
    title = f"{100 * probability:g} % intervals of unobserved cells after {epochs} epochs, {database}"
    show_rows(title, ("predictor", "by", "band", "coverage", "log density", "cells", "runs"), rows)
    click.echo(f"{len(frame)} rows in {record / 'calibration.csv'}")


@click.command()
@common_options()
@click.option("--budgets", type=NumberList(), default="100,400", show_default=True, help="Budgets in epochs.")
def misleading(
    database: str,
    sources: int,
    draws: int,
    targets: tuple[str, ...],
    jobs: int,
    record: Path,
    budgets: tuple[int, ...],
) -> None:
    """Measure regret with sources whose labels are shuffled, and with one helpful source among them.

    The helpful source is the task whose configurations rank most like the target's.
    """
    from rich.console import Console

    from at2.bench.misleading import MisleadingPlan, measure_misleading, summarize_misleading
    from at2.tables.storage.formats import write_frame_file

    plan = MisleadingPlan(database, protocol_of(sources, draws, targets), budgets)
    with Console(stderr=True).status("playing") as status:
        frame = measure_misleading(plan, jobs=jobs, on_case=lambda case: status.update(f"played {case.target}"))
    write_frame_file(frame, record / "misleading.csv")
    rows = [
        (
            f"{row['budget_epochs']}",
            row["arm"],
            f"{row['regret']:.4f} +- {row['error']:.4f}",
            f"{row['ratio']:.2f}",
            f"{row['difference']:+.4f} +- {row['difference_error']:.4f}",
            "" if row["found"] != row["found"] else f"{100 * row['found']:.0f} %",
            f"{row['n_run']}",
        )
        for row in summarize_misleading(frame).to_dict("records")
    ]
    names = ("epochs", "sources", "regret", "ratio to none", "minus none", "found", "runs")
    show_rows(f"Misleading sources, {database}", names, rows)
    click.echo(f"{len(frame)} rows in {record / 'misleading.csv'}")


def protocol_of(sources: int, draws: int, targets: tuple[str, ...], name: str = "loo") -> Protocol:
    """Give the protocol that these options mean."""
    from at2.bench.replay.protocols import Protocol

    return Protocol(name, n_source=sources, n_draw=draws, targets=() if targets == ("all",) else targets)


def show_rows(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text as a table, numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for name in names:
        words = name in ("predictor", "by", "band", "sources", "history", "limits")
        table.add_column(name, justify="left" if words else "right", no_wrap=name != "limits")
    for row in rows:
        table.add_row(*row)
    console = Console()
    Console(width=max(console.width, 120)).print(table)
