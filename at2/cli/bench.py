"""``at2 bench``: at2 measured, by itself and beside its rivals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from at2.bench.sweeps.plan import DATABASES
from at2.cli.beliefs import calibration, misleading
from at2.cli.control_speed import control
from at2.cli.drawn import drawn
from at2.cli.options import record_option
from at2.cli.regret import regret
from at2.cli.scale import scale
from at2.cli.utility import utility
from at2.cli.workers import workers

if TYPE_CHECKING:
    from at2.bench.speed.readings import Reading


@click.group()
def bench() -> None:
    """Measure at2: regret, speed, growth, calibration, bad sources, drawn collections, stopping, workers, reports."""


bench.add_command(regret)
bench.add_command(utility)
bench.add_command(calibration)
bench.add_command(misleading)
bench.add_command(drawn)
bench.add_command(scale)
bench.add_command(control)
bench.add_command(workers)


@bench.command()
@click.option(
    "--database", "databases", multiple=True, type=click.Choice(DATABASES), help="Again for more.  [default: both]"
)
@click.option("--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs to take medians of.")
@record_option("speed.csv")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, only the CSV.")
def speed(databases: tuple[str, ...], budget: int, record: Path, quiet: bool) -> None:
    """Time fit, step and sweep, take the peak memory; times also as ratios to a fixed Cholesky factorization."""
    from at2.bench.speed.readings import measure_speed

    chosen = tuple(dict.fromkeys(databases)) or DATABASES
    _measure(measure_speed(chosen, budget_epochs=budget), record / "speed.csv", quiet=quiet)


@bench.command()
@click.option("--train", type=click.IntRange(min=20), default=1200, show_default=True, help="Curves to train on.")
@click.option("--predict", type=click.IntRange(min=1), default=10_000, show_default=True, help="Curves to predict.")
@record_option("curve_speed.csv")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, only the CSV.")
def curves(train: int, predict: int, record: Path, quiet: bool) -> None:
    """Time the default curve predictor, and the LSTM beside a plain torch loop on the same work."""
    from at2.bench.curves.speed import measure_curve_speed

    _measure(measure_curve_speed(n_train=train, n_predict=predict), record / "curve_speed.csv", quiet=quiet)


@bench.command()
@click.argument("record", type=click.Path(file_okay=False, path_type=Path), default=Path("record"))
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="How often it is opened.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, only the CSV.")
def report(record: Path, repeats: int, quiet: bool) -> None:
    """Time the report of RECORD: to make it, to open it in headless Chromium, to move its slider."""
    from at2.bench.report.speed import measure_report

    _measure(measure_report(record, repeats=repeats), record / "report_speed.csv", quiet=quiet)


@bench.command()
@click.option(
    "--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Epochs of each small network."
)
@click.option("--resnet-epochs", type=click.IntRange(min=0), default=2, show_default=True, help="Epochs of ResNet34.")
@record_option("training_speed.csv")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table, only the CSV.")
def training(epochs: int, resnet_epochs: int, record: Path, quiet: bool) -> None:
    """Time the recorder beside a bare PyTorch loop, stepping by batches, and checkpoints."""
    import torch

    from at2.bench.speed.training import measure_training

    torch.set_num_threads(1)  # as in the recorder's processes
    found = measure_training(epochs=epochs, resnet_epochs=resnet_epochs)
    _measure(found, record / "training_speed.csv", quiet=quiet)


def _measure(found: Iterator[Reading], path: Path, *, quiet: bool) -> None:
    """Take readings one by one, write them and show them."""
    import pandas as pd
    from rich.console import Console

    from at2.tables.storage.formats import write_frame_file

    readings: list[Reading] = []
    with Console(stderr=True, quiet=quiet).status("measuring") as status:
        for reading in found:
            readings.append(reading)
            status.update(f"measured {reading.name}")
    write_frame_file(pd.DataFrame([vars(reading) for reading in readings]), path)
    if not quiet:
        _show(readings)
    click.echo(f"{len(readings)} readings in {path}")


def _show(readings: list[Reading]) -> None:
    """Print the readings with their limits."""
    from rich.console import Console
    from rich.table import Table

    from at2.bench.speed.readings import REFERENCE

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
