"""``at2 bench workers``: several trainings at a time."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.beliefs import common_options, protocol_of, show_rows
from at2.cli.options import NumberList


@click.command()
@common_options()
@click.option("--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs of all together.")
@click.option("--workers", type=NumberList(), default="1,4,8,16", show_default=True, help="Trainings at a time.")
def workers(
    database: str,
    sources: int,
    draws: int,
    targets: tuple[str, ...],
    jobs: int,
    record: Path,
    budget: int,
    workers: tuple[int, ...],
) -> None:
    """Measure regret and duration with several trainings at a time, whose results come back in any order.

    The duration is simulated: an epoch takes a random time of mean 1.
    """
    from rich.console import Console

    from at2.bench.workers import WorkersPlan, measure_workers, summarize_workers
    from at2.tables.storage.formats import write_frame_file

    plan = WorkersPlan(database, protocol_of(sources, draws, targets), budget, workers)
    with Console(stderr=True).status("playing") as status:
        frame = measure_workers(plan, jobs=jobs, on_case=lambda case: status.update(f"played {case.target}"))
    write_frame_file(frame, record / "workers.csv")
    rows = [
        (
            f"{row['workers']:.0f}",
            f"{row['regret']:.4f} +- {row['error']:.4f}",
            f"{row['difference']:+.4f} +- {row['difference_error']:.4f}",
            f"{row['duration']:.1f}",
            f"{row['n_configs']:.1f}",
            f"{row['n_run']:.0f}",
        )
        for row in summarize_workers(frame).to_dict("records")
    ]
    names = ("workers", "regret", "minus the fewest", "duration", "configurations", "runs")
    show_rows(f"{budget} epochs by several workers, {database}", names, rows)
    click.echo(f"{len(frame)} rows in {record / 'workers.csv'}")
