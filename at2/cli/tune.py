"""``at2 tune``: tune a live training on a task, pausing and resuming configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from at2.cli.options import CommaList, goal_option

if TYPE_CHECKING:
    from at2.cli.tune_view import LineView, LiveView
    from at2.recommend.live import TuneResult
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

_N_EPOCH = 40


@click.command()
@click.option(
    "--task",
    "task_name",
    required=True,
    metavar="NAME|PATH",
    help="What is trained on: a task of the digits family, an .npz, a folder of images, a CIFAR-10 folder.",
)
@click.option(
    "--history",
    metavar="NAME|FILE",
    multiple=True,
    help="Learning curves of earlier tasks, once or more often; those of the task itself are not read. Without --space "
    "its configurations are those to choose from. Its metric must be an accuracy or one that the training gives.",
)
@click.option("--sources", type=CommaList(), help="Tasks of the history to learn from.  [default: all others]")
@click.option(
    "--budget",
    default="200-epochs",
    show_default=True,
    help="'200-epochs', '90s', '30min' or '2h'. Times count what the trainings take, not what the tuner takes to "
    "decide (some tens of milliseconds an epoch); in Python a callback with progress.stop() ends it by the clock.",
)
@click.option(
    "--space",
    type=click.Choice(["hyperrec-small", "hyperrec"]),
    help="What can be tuned.  [default: the history's space, else hyperrec-small]",
)
@click.option(
    "--draw", type=click.IntRange(min=1), help="Draw so many new configurations from the space, beside the history's."
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help=f"Length of a full training.  [default: the history's, else {_N_EPOCH}]",
)
@goal_option("train")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of weights, batches and choices."
)
@click.option("--device", default="cpu", show_default=True, help="Where to train.")
@click.option("--checkpoint-limit", default="5 GB", show_default=True, help="Most bytes of checkpoints.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for the run's folder.",
)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped, also with a larger budget.")
@click.option("-q", "--quiet", is_flag=True, help="No view, for logs.")
def tune(  # one argument for each option
    task_name: str,
    history: tuple[str, ...],
    sources: tuple[str, ...] | None,
    budget: str,
    space: str | None,
    draw: int | None,
    epochs: int | None,
    goal: str,
    seed: int,
    device: str,
    checkpoint_limit: str,
    record: Path,
    resume: bool,
    quiet: bool,
) -> None:
    """Tune the training of a network on a task, one epoch at a time.

    Ctrl-C is safe: everything that was told is on disk, and --resume goes on.
    """
    from at2.recommend.live import tune as run
    from at2.recommend.settings import as_budget, as_history
    from at2.training import load_task
    from at2.training.tunable import GIVEN, METRIC, TunableTraining

    amount = as_budget(budget)
    task, table = load_task(task_name), as_history(history)
    if space is None and table is not None:
        _check_configs(table)
    folder = run_folder(record, task.name, goal=goal, seed=seed)
    further: dict[str, Any] = {} if sources is None else {"sources": sources}
    metric = _metric(table)
    accuracy = METRIC if metric in GIVEN else metric
    try:
        with _view(f"tuning {task.name}", quiet=quiet) as view:
            result = run(
                TunableTraining(task, seed=seed, device=device, metric=accuracy),
                _space(space, table),
                budget=amount,
                n_epoch=epochs if epochs is not None or table is not None else _N_EPOCH,
                history=table,
                target=task.name,
                candidates=_candidates(draw, table),
                metric=metric,
                goal=goal,  # type: ignore[arg-type]
                seed=seed,
                workdir=folder,
                resume=resume,
                checkpoint_limit=checkpoint_limit,
                view=view,
                **further,
            )
    except KeyboardInterrupt:
        click.echo(f"\nstopped; the epoch in flight is lost, the rest is in {folder}: --resume goes on", err=True)
        raise click.Abort from None
    _write(result, folder)
    _show(result, folder)


def run_folder(record: Path, task: str, *, goal: str, seed: int) -> Path:
    """Where a run keeps its files."""
    return record / "tune" / f"{task}-{goal}-seed-{seed}"


def _space(name: str | None, table: LearningCurveTable | None) -> SearchSpace | None:
    """The space that was named; where none was, the history's own (None), or HyperRec's small one without a history."""
    from at2.space import hyperrec_small_space, hyperrec_space

    if name is not None:
        return hyperrec_space() if name == "hyperrec" else hyperrec_small_space()
    return None if table is not None else hyperrec_small_space()


def _check_configs(table: LearningCurveTable) -> None:
    """Refuse a history whose configurations would all crash, before any is trained."""
    from at2.errors import SpaceError
    from at2.training.tunable import check_trainable

    try:
        check_trainable(table)
    except SpaceError as error:
        message = f"{error}; say what to train with --space hyperrec-small or --space hyperrec, or take another history"
        raise SpaceError(message, parameter=error.parameter) from error


def _metric(table: LearningCurveTable | None) -> str:
    """What is tuned for: the history's metric if the training gives it, else its accuracy by the history's name."""
    from at2.errors import TableError
    from at2.training.tunable import GIVEN, METRIC

    if table is None:
        return METRIC
    default = table.get_metric()
    if default.name in GIVEN:
        return default.name
    if METRIC in table.metrics:
        return METRIC
    if not default.maximize:
        raise TableError(
            f"the training gives an accuracy, and smaller is better for {default.name!r}, the metric of table "
            f"{table.name!r}; take a history of {', '.join(GIVEN)} or of another accuracy"
        )
    return default.name


def _candidates(draw: int | None, table: LearningCurveTable | None) -> Any:
    from at2.recommend import SampledCandidates

    if draw is None:
        return None
    return SampledCandidates(draw, also="history") if table is not None else draw


def _view(title: str, *, quiet: bool) -> LiveView | LineView:
    from rich.console import Console

    from at2.cli.tune_view import LineView, LiveView

    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        return LiveView(title, console=console)
    return LineView((lambda line: None) if quiet else (lambda line: click.echo(line, err=True)))


def _write(result: TuneResult, folder: Path) -> None:
    """Leave the result beside the journal: as JSON, as CSV, and as a table for the next history."""
    from at2.tables.storage.files import whole_file
    from at2.tables.storage.formats import write_frame_file

    write_frame_file(result.epochs, folder / "epochs.csv")
    write_frame_file(result.frame, folder / "configurations.csv")
    with whole_file(folder / "result.json") as temporary:
        temporary.write_text(result.to_json(), encoding="utf-8")
    result.to_table().to_hdf5(folder / "curves.h5")


def _show(result: TuneResult, folder: Path) -> None:
    from rich.console import Console

    from at2.cli.tune_view import leader_table

    console = Console()
    if console.is_terminal:
        console.print(leader_table(result.leaders, result.progress))
    click.echo(str(result))
    best = result.best
    if best is not None and "test_acc_top1" in best.metrics:
        click.echo(f"test accuracy at that epoch {best.metrics['test_acc_top1']:.4f}")
    click.echo(f"seconds deciding {result.tuner_s:.1f}; record in {folder}")
