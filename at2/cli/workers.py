"""``at2 bench workers``: several trainings at a time."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.options import CommaList, NumberList, record_option


@click.command()
@click.option("--database", default="lcbench", show_default=True, help="A published table or an .h5 file.")
@click.option("--sources", type=click.IntRange(min=0), default=4, show_default=True, help="Source tasks of a target.")
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="Drawings of the sources.")
@click.option("--targets", type=CommaList(), default="all", show_default=True, help="Only these targets.")
@click.option("--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs of all together.")
@click.option("--workers", type=NumberList(), default="1,4,8,16", show_default=True, help="Trainings at a time.")
@click.option("--jobs", type=click.IntRange(min=0), default=2, show_default=True, help="Processes; 0 starts none.")
@record_option("workers.csv")
def workers(
    database: str,
    sources: int,
    draws: int,
    targets: tuple[str, ...],
    budget: int,
    workers: tuple[int, ...],
    jobs: int,
    record: Path,
) -> None:
    """Measure regret and duration with several trainings at a time, whose results come back in any order.

    The duration is simulated: an epoch takes a random time of mean 1.
    """
    from rich.console import Console

    from at2.bench.protocols import Protocol
    from at2.bench.workers import WorkersPlan, measure_workers, summarize_workers
    from at2.cli.beliefs import show_rows
    from at2.tables.formats import write_frame_file

    only = () if targets == ("all",) else targets
    plan = WorkersPlan(database, Protocol("loo", n_source=sources, n_draw=draws, targets=only), budget, workers)
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
