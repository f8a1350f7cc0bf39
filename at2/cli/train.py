"""``at2 train``: trainings of their own, without tuning."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.options import CommaList, NumberList, format_option, record_option, summary_option
from at2.cli.show import show_rows


@click.group()
def train() -> None:
    """Train networks and look at their curves."""


@train.command()
@click.option(
    "--task",
    default="digits32",
    show_default=True,
    metavar="NAME|PATH",
    help="What is trained on: digits32, or the folder of CIFAR-10's python batches, or any task of 32 x 32 pixels.",
)
@click.option("--networks", type=CommaList(), help="Networks with equal cycles.  [default: the four published ones]")
@click.option(
    "--longer",
    type=CommaList(),
    default="patch-4x40",
    show_default=True,
    help="Networks with doubling cycles, or 'none'.",
)
@click.option(
    "--half-cycle",
    "n_s",
    type=click.IntRange(min=1),
    default=800,
    show_default=True,
    help="Updates of the first half-cycle.",
)
@click.option("--cycles", type=click.IntRange(min=1), default=3, show_default=True, help="Number of cycles.")
@click.option("--seeds", type=NumberList(), default="0,1,2", show_default=True, help="Seeds of weights and batches.")
@click.option("--device", default="cpu", show_default=True, help="Where to train.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at a time.")
@record_option("results")
@summary_option
@click.option("--fresh", is_flag=True, help="Do complete runs again.")
@format_option("results are")
def architectures(  # one argument for each option
    task: str,
    networks: tuple[str, ...] | None,
    longer: tuple[str, ...],
    n_s: int,
    cycles: int,
    seeds: tuple[int, ...],
    device: str,
    jobs: int,
    record: Path,
    summary: Path | None,
    fresh: bool,
    fmt: str,
) -> None:
    """Train small networks with cyclical learning rates, and one for longer with cycles that double.

    L2 penalty 0.003, label smoothing 0.1, batches of 100, learning rate from 1e-5 to 1e-1. Writes architectures.csv,
    curves.csv, curves.png (loss and accuracy against updates) and bars.png (test accuracy and time) into
    RECORD/architectures.
    """
    from at2.bench.live.architectures import FOUR, HEADER, cells, curves_of, draw_bars, draw_curves, plan, summarize
    from at2.bench.live.kept import run_missing
    from at2.devices import usable_device
    from at2.tables.storage.formats import write_frame_file

    usable_device(device)
    doubling = () if longer == ("none",) else longer
    runs = plan(
        networks or FOUR, doubling, task=task, seeds=seeds, record=record, n_s=n_s, cycles=cycles, device=device
    )
    run_missing(runs, jobs=jobs, fresh=fresh, note=lambda done, n: click.echo(f"runs: {done}/{n}", err=True))
    folder, frame, curves = record / "architectures", summarize(runs), curves_of(runs)
    write_frame_file(frame, folder / "architectures.csv")
    write_frame_file(curves, folder / "curves.csv")
    title = f"{Path(task).stem}, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    draw_curves(curves, folder / "curves.png", title=title)
    draw_bars(frame, folder / "bars.png", title=title)
    if summary is not None:
        write_frame_file(frame, summary)
    show_rows(HEADER, (cells(row) for _, row in frame.iterrows()), fmt=fmt, title=title)
    click.echo(f"figures in {folder}", err=True)
