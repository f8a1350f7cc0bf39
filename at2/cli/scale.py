"""``at2 bench scale``: fit, step and memory on histories drawn from the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from at2.cli.beliefs import show_rows
from at2.cli.options import goal_option, record_option

if TYPE_CHECKING:
    from at2.recommend.settings import Goal


@click.command()
@click.option(
    "--what",
    type=click.Choice(["all", "growth", "large", "ragged", "sweeps", "studies", "long", "wide", "many"]),
    default="all",
    show_default=True,
    help="Growing sizes, the large history, ragged ones, sweeps, studies, long trainings, configurations or tasks.",
)
@click.option("--steps", type=click.IntRange(min=1), default=50, show_default=True, help="Steps to take medians of.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draws.")
@click.option("--device", default="cpu", show_default=True, help="Where the surrogate computes: cpu or cuda.")
@goal_option("recommend")
@record_option("scale.csv and scale_growth.csv")
def scale(what: str, steps: int, seed: int, device: str, goal: Goal, record: Path) -> None:
    """Measure how fit, step and memory grow with tasks, configurations and epochs, and the largest sizes promised."""
    import pandas as pd
    from rich.console import Console

    from at2.bench.speed.readings import REFERENCE
    from at2.bench.speed.scale import LARGEST, growing_sizes, growth, measure_scale
    from at2.tables.storage.formats import write_frame_file

    sizes = [*growing_sizes()] if what in ("all", "growth") else []
    sizes += [size for size in LARGEST if what in ("all", size.name)]
    rows = []
    with Console(stderr=True).status("measuring") as status:
        for row in measure_scale(sizes, n_step=steps, seed=seed, device=device, goal=goal):
            rows.append(row)
            status.update(f"measured {row['name']}")
    frame = pd.DataFrame(rows)
    write_frame_file(frame, record / "scale.csv")
    names = ("history", "readings", "fit", "ratio", "step", "ratio", "peak", "limits")
    show_rows(f"Scale; ratios to the {REFERENCE}", names, [_words(row) for row in rows])
    slopes = growth(frame)
    if len(slopes):
        write_frame_file(slopes, record / "scale_growth.csv")
        lines = [
            (row["grows"], *(f"{row[key]:.2f}" for key in ("fit_ratio", "step_ratio", "peak_mb")))
            for row in slopes.to_dict("records")
        ]
        show_rows("Log-log slopes", ("history", "fit", "step", "peak"), lines)
    click.echo(f"{len(frame)} rows in {record / 'scale.csv'}")


def _words(row: dict[str, Any]) -> tuple[str, ...]:
    """Write one measured size; limits only where something was promised."""
    from at2.bench.speed.scale import LIMITS

    promised = LIMITS.get(row["name"], {})
    limits = [f"{'ok' if row[key] <= limit else 'MISSED'} {key} <= {limit:g}" for key, limit in promised.items()]
    shape = f"{row['n_source']} x {row['n_config']} x {row['n_epoch']}{' ragged' if row['ragged'] else ''}"
    return (
        shape,
        f"{row['n_reading']}",
        f"{row['fit_s']:.2f} s",
        f"{row['fit_ratio']:.1f}",
        f"{row['step_ms']:.1f} ms",
        f"{row['step_ratio']:.3f}",
        f"{row['peak_mb']:.0f} MB",
        ", ".join(limits),
    )
