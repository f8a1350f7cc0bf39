"""``at2 bench``: at2 measured, by itself and beside its rivals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.bench.plan import DATABASES
from at2.cli.beliefs import calibration, misleading
from at2.cli.regret import regret
from at2.cli.scale import scale
from at2.cli.utility import utility

if TYPE_CHECKING:
    from at2.bench.speed import Reading


@click.group()
def bench() -> None:
    """Measure at2: regret beside its rivals', speed, memory and growth, calibration, misleading sources, stopping."""


bench.add_command(regret)
bench.add_command(utility)
bench.add_command(calibration)
bench.add_command(misleading)
bench.add_command(scale)


@bench.command()
@click.option(
    "--database", "databases", multiple=True, type=click.Choice(DATABASES), help="Again for more.  [default: both]"
)
@click.option("--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs to take medians of.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for speed.csv.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, only the CSV.")
def speed(databases: tuple[str, ...], budget: int, record: Path, quiet: bool) -> None:
    """Time fit, step and sweep, take the peak memory; times also as ratios to a fixed Cholesky factorization."""
    import pandas as pd
    from rich.console import Console

    from at2.bench.speed import measure_speed
    from at2.tables.formats import write_frame_file

    readings: list[Reading] = []
    with Console(stderr=True, quiet=quiet).status("measuring") as status:
        for reading in measure_speed(tuple(dict.fromkeys(databases)) or DATABASES, budget_epochs=budget):
            readings.append(reading)
            status.update(f"measured {reading.name}")
    write_frame_file(pd.DataFrame([vars(reading) for reading in readings]), record / "speed.csv")
    if not quiet:
        _show(readings)
    click.echo(f"{len(readings)} readings in {record / 'speed.csv'}")


def _show(readings: list[Reading]) -> None:
    """Print the readings with their limits."""
    from rich.console import Console
    from rich.table import Table

    from at2.bench.speed import REFERENCE

    table = Table(title="Speed and memory", caption=f"ratio: to the {REFERENCE}, timed in the same process")
    table.add_column("measured")
    for name in ("value", "limit", "ratio"):
        table.add_column(name, justify="right")
    for reading in readings:
        limit = "" if reading.limit is None else f"{reading.limit:g} {reading.unit}"
        ratio = "" if reading.ratio is None else f"{reading.ratio:.3g}"
        late = reading.limit is not None and reading.value > reading.limit
        value = f"{reading.value:.3g} {reading.unit}"
        table.add_row(reading.name, value, limit, ratio, style="red" if late else None)
    Console().print(table)
