"""``at2 bench control``: what the environment costs beside the bare loop."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Trainings to compare.")
@click.option("--resets", type=click.IntRange(min=1), default=1000, show_default=True, help="Resets to watch.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for control_speed.csv.",
)
def control(rounds: int, resets: int, record: Path) -> None:
    """Measure throughput of both modes beside the bare loop, the time of a reset, and memory over many resets.

    Times are of the processor, so that other work on the machine does not count.
    """
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from at2.bench.control.speed import measure_control
    from at2.tables.storage.formats import write_frame_file

    with Console(stderr=True).status("measuring"):
        readings = list(measure_control(n_round=rounds, n_reset=resets))
    write_frame_file(pd.DataFrame([vars(reading) for reading in readings]), record / "control_speed.csv")
    table = Table(title="What control costs")
    for name in ("measured", "value", "limit"):
        table.add_column(name, justify="left" if name == "measured" else "right")
    for reading in readings:
        table.add_row(reading.name, f"{reading.value:.3g} {reading.unit}", reading.limit_text)
    Console().print(table)
    click.echo(f"{len(readings)} readings in {record / 'control_speed.csv'}")
