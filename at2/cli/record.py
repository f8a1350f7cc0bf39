"""``at2 record``: train every configuration on every task and write everything down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from at2.training.recorder import Progress

_SPACES = ("hyperrec-small", "hyperrec")


@click.command()
@click.option(
    "--task",
    "tasks",
    multiple=True,
    default=("digits",),
    show_default=True,
    help="A digits task, an .npz, a folder of images per class, CIFAR-10's folder, or all-digits; again for more.",
)
@click.option("--space", type=click.Choice(_SPACES), default=_SPACES[0], show_default=True, help="What is varied.")
@click.option("--configs", type=click.IntRange(min=1), default=64, show_default=True, help="Configurations drawn.")
@click.option("--epochs", type=click.IntRange(min=1), default=40, show_default=True, help="Epochs of each run.")
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True, help="Trainings of each.")
@click.option("--config-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draw.")
@click.option(
    "--batch-values",
    type=click.IntRange(min=0),
    help="Values kept per epoch of the batch-wise series, as means; 0 for none.  [default: every batch]",
)
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes at a time.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--wait/--no-wait", default=True, help="Wait while another recorder holds the file.  [default: wait]")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The table, an .h5.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def record(
    tasks: tuple[str, ...],
    space: str,
    configs: int,
    epochs: int,
    seeds: int,
    config_seed: int,
    batch_values: int | None,
    jobs: int,
    device: str,
    wait: bool,
    out: Path,
    quiet: bool,
) -> None:
    """Record the learning curves of configurations on tasks into the table OUT.

    Killed or stopped at any moment it loses the epochs in flight and goes on with the same command. Tasks and seeds can
    be added to a recording; other options must stay what they were.
    """
    import numpy as np

    from at2.tables import RunStatus
    from at2.training import task_names
    from at2.training.recorder import Recipe
    from at2.training.recorder import record as record_tasks

    names = [name for task in tasks for name in (task_names() if task == "all-digits" else (task,))]
    recipe = Recipe(space, n_config=configs, n_epoch=epochs, config_seed=config_seed, batch_values=batch_values)
    with _shown(quiet=quiet) as tell:
        table = record_tasks(
            names,
            out,
            recipe=recipe,
            n_seed=seeds,
            jobs=jobs,
            device=device,
            wait=wait,
            on_wait=lambda line: click.echo(line, err=True),
            on_progress=tell,
        )
    counts = np.bincount(table.status.ravel(), minlength=len(RunStatus))
    said = ", ".join(f"{counts[s]} {s.name.lower().replace('_', ' ')}" for s in RunStatus if counts[s])
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, runs: {said}")
    if counts[RunStatus.CRASHED]:
        run, why = next(iter(table.notes["crashes"].items()))
        raise click.ClickException(f"{counts[RunStatus.CRASHED]} runs crashed, first {run}: {why}. Call again to retry")


@contextlib.contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show epochs, runs and the time left: a bar on a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs,"))
    times = (
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(elapsed_when_finished=False),
        TextColumn("left"),
    )
    lines = _Lines(quiet=quiet or console.is_terminal)
    with Bar(*columns, *times, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("runs", total=None)

        def tell(progress: Progress) -> None:
            runs = f"{progress.n_run_done}/{progress.n_run} runs"
            bar.update(task, total=progress.n_epoch, completed=progress.n_epoch_done, description=runs)
            lines.tell(progress)

        yield tell


class _Lines:
    """Progress for a log: a line a minute."""

    def __init__(self, *, quiet: bool) -> None:
        import time

        self._clock, self._quiet = time.monotonic, quiet
        self._start = self._last = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Write a line if a minute has passed."""
        now = self._clock()
        if self._quiet or now - self._last < 60 or not progress.n_epoch_done:
            return
        self._last = now
        left = (now - self._start) * (progress.n_epoch / progress.n_epoch_done - 1)
        runs = f"{progress.n_run_done}/{progress.n_run} runs, {progress.n_epoch_done}/{progress.n_epoch} epochs"
        click.echo(f"{runs}, about {left / 60:.0f} min left", err=True)
