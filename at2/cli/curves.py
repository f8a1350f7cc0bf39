"""``at2 curves``: predict where learning curves end, compare predictors, tune their networks, study early stopping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from at2.cli.options import CommaList, NumberList, quiet_option, record_option

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.curves.cases import CurveCase

_DATA = "A table's name, an .h5 file, or the .npz of LCBench's Fashion-MNIST."
_BASELINES = (
    "boosting:log,ridge:log,latent-kronecker,"
    "last,best,power-law,exponential,logarithmic,inverse-log,weibull,hill,parametric-any"
)
_NETWORKS = "cnn:log,lstm:log,cnn-lstm:log,cnn-tuned:log,lstm-tuned:log"


@click.group()
def curves() -> None:
    """Predict where learning curves end."""


@curves.command()
@click.argument("data", metavar="TABLE")
@click.option("--task", required=True, help="The task whose curves are cut and continued.")
@click.option("--prefix", type=click.IntRange(min=0), default=10, show_default=True, help="Epochs that are known.")
@click.option("--at", type=click.IntRange(min=1), help="The wanted epoch.  [default: the last]")
@click.option("--metric", help="Metric of the table.  [default: its own]")
@click.option("--predictor", default="default", show_default=True, help="Which predictor.")
@click.option("--load", "load_path", type=click.Path(dir_okay=False, path_type=Path), help="Use a saved predictor.")
@click.option("--save", "save_path", type=click.Path(dir_okay=False, path_type=Path), help="Save what was fitted.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the fit.")
@click.option("--format", "fmt", type=click.Choice(["table", "csv"]), default="table", show_default=True)
def predict(
    data: str,
    task: str,
    prefix: int,
    at: int | None,
    metric: str | None,
    predictor: str,
    load_path: Path | None,
    save_path: Path | None,
    seed: int,
    fmt: str,
) -> None:
    """Predict the curves of a task from their beginnings, trained on the table's other tasks.

    In a table with one task, the complete curves train, and those that have not got far are predicted.
    """
    from at2.bench.curves.predict import predict_task
    from at2.tables.storage.formats import frame_bytes

    frame = predict_task(
        data,
        task,
        prefix=prefix,
        at=at,
        metric=metric,
        predictor=predictor,
        seed=seed,
        load_path=load_path,
        save_path=save_path,
    )
    if fmt == "csv":
        click.echo(frame_bytes(frame, "csv").decode(), nl=False)
    else:
        _show(frame, title=f"{task}: epoch {frame.attrs['at']} after {prefix} epochs")


@curves.command()
@click.option("--data", required=True, metavar="NAME|FILE", help=_DATA)
@click.option(
    "--protocol",
    type=click.Choice(["split", "tasks", "accuracy"]),
    default="split",
    show_default=True,
    help="60/20/20 of one task; 20 tasks in training and the others tested, with 0 and 20 own curves; "
    "or 60/20/20 in squared percentage points.",
)
@click.option("--task", "tasks", multiple=True, help="Task of a split; again for more, 'all' for all in one.")
@click.option("--predictors", type=CommaList(), default="all", show_default=True, help="Names, each with :scaling.")
@click.option("--seeds", type=NumberList(), default="0,1,2,3,4", show_default=True, help="Repetitions.")
@click.option("--prefix", type=click.IntRange(min=1), default=10, show_default=True, help="Epochs that are known.")
@click.option("--jobs", type=click.IntRange(min=0), default=1, show_default=True, help="Processes; 0 starts none.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary there.")
@click.option("--fresh", is_flag=True, help="Measure again what the record holds.")
@record_option("curves-runs.csv, which holds every run")
@quiet_option
def results(
    data: str,
    protocol: str,
    tasks: tuple[str, ...],
    predictors: tuple[str, ...],
    seeds: tuple[int, ...],
    prefix: int,
    jobs: int,
    csv_path: Path | None,
    fresh: bool,
    record: Path,
    quiet: bool,
) -> None:
    """Compare predictors on the same curves; a run that was made is not made again."""
    from at2.bench.curves.cases import run_cases
    from at2.bench.curves.tables import curves_markdown, summarize_curves
    from at2.tables.storage.formats import write_frame_file

    cases = [
        case
        for task in tasks or ("all",)
        for case in _plan(data, protocol, task=task, predictors=predictors, seeds=seeds, prefix=prefix)
    ]

    def note(case: CurveCase, text: str) -> None:
        if not quiet or text.startswith("failed"):
            click.echo(f"{case.predictor} {case.scaling} seed {case.seed}: {text}", err=True)

    found = run_cases(cases, results=record / "curves-runs.csv", jobs=jobs, fresh=fresh, on_case=note)
    if found.empty:
        raise click.ClickException("no run succeeded; the messages above say why")
    summary = summarize_curves(found)
    if csv_path is not None:
        write_frame_file(summary, csv_path)
    accuracy = protocol == "accuracy"
    click.echo(curves_markdown(summary, unit=100.0 if accuracy else 1.0, with_validation=accuracy))


def _plan(
    data: str, protocol: str, *, task: str, predictors: tuple[str, ...], seeds: tuple[int, ...], prefix: int
) -> list[CurveCase]:
    """Return the cases of a protocol."""
    from at2.bench.curves.cases import plan_cases

    every = f"default,{_NETWORKS},{_BASELINES}".split(",")
    names = [each for name in predictors for each in (every if name == "all" else [name])]
    own = (0, 20) if protocol == "tasks" else (0,)
    settings: dict[str, Any] = {
        "protocol": "tasks" if protocol == "tasks" else "split",
        "task": "" if task == "all" else task,
        "prefix": prefix,
    }
    return [
        case
        for n_own in own
        for name, _, scaling in (name.partition(":") for name in names)
        for case in plan_cases(data, [name], seeds, scaling=scaling, n_own=n_own, **settings)
    ]


@curves.command()
@click.option(
    "--data", multiple=True, required=True, metavar="NAME|FILE", help="Tables of several tasks; again for more."
)
@click.option("--train-tasks", type=click.IntRange(min=2), default=12, show_default=True, help="Tasks to learn from.")
@click.option("--checks", type=NumberList(), default="3,6,10,20,35", show_default=True, help="Epochs of decisions.")
@click.option("--predictor", default="default", show_default=True, help="A predictor that knows uncertainty.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides tasks and orders.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary there.")
def stopping(
    data: tuple[str, ...], train_tasks: int, checks: tuple[int, ...], predictor: str, seed: int, csv_path: Path | None
) -> None:
    """Replay trainings that a predictor or the median rule stops: epochs saved, regret lost."""
    import pandas as pd

    from at2.bench.curves.stopping import StoppingStudy, run_stopping, stopping_markdown, summarize_stopping
    from at2.curves.data import CurveSet
    from at2.tables import load_table
    from at2.tables.storage.formats import write_frame_file

    study = StoppingStudy(predictor, checks, n_train=train_tasks, seed=seed)
    parts = []
    for name in data:
        found = run_stopping(CurveSet.from_table(load_table(name), seed=0), study)
        parts.append(summarize_stopping(found).assign(database=Path(name).stem))
    summary = pd.concat(parts, ignore_index=True)
    if csv_path is not None:
        write_frame_file(summary, csv_path)
    click.echo(stopping_markdown(summary))


@curves.command()
@click.option("--data", required=True, metavar="NAME|FILE", help=_DATA)
@click.option("--task", help="Task, where the data have several.")
@click.option(
    "--network", "networks", type=CommaList(), default="cnn", show_default=True, help="'cnn', 'lstm' or both."
)
@click.option(
    "--tuner",
    "tuners",
    type=CommaList(),
    default="bohb",
    show_default=True,
    help="'bohb' (TPE under Hyperband), 'random', 'at2'; several with commas.",
)
@click.option("--budget", type=click.IntRange(min=1), default=945, show_default=True, help="Training epochs to spend.")
@click.option("--epochs", type=click.IntRange(min=3), default=27, show_default=True, help="Epochs of a full training.")
@click.option("--prefix", type=click.IntRange(min=1), default=10, show_default=True, help="Epochs that are known.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Runs of bohb at most; configurations of the others.",
)
@click.option("--history", metavar="NAME|FILE", help="For at2: a table whose tasks it is warm-started from.")
@click.option("--sources", type=CommaList(), help="Tasks of the history.  [default: the first six others]")
@click.option("--seeds", type=NumberList(), default="0", show_default=True, help="Repetitions.")
@record_option("curves-tune.csv and curves-tune.png")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the table there.")
def tune(
    data: str,
    task: str | None,
    networks: tuple[str, ...],
    tuners: tuple[str, ...],
    budget: int,
    epochs: int,
    prefix: int,
    runs: int,
    history: str | None,
    sources: tuple[str, ...] | None,
    seeds: tuple[int, ...],
    record: Path,
    csv_path: Path | None,
) -> None:
    """Tune networks; the training epochs are what the budget counts. What the record holds is not run again."""
    from at2.bench.curves.figures import draw_tuning
    from at2.bench.curves.tuning import (
        TuningStudy,
        compare_tuners,
        summarize_proposals,
        summarize_tuning,
        tuning_markdown,
    )
    from at2.tables.storage.formats import write_frame_file

    frame = compare_tuners(
        TuningStudy(data, task or "", budget, epochs, prefix, runs, history or "", sources or ()),
        networks=networks,
        tuners=tuners,
        seeds=seeds,
        results=record / "curves-tune.csv",
        on_step=lambda text: click.echo(text, err=True),
    )
    draw_tuning(frame, record / "curves-tune.png")
    summary = summarize_tuning(frame)
    if csv_path is not None:
        write_frame_file(summary, csv_path)
    click.echo(tuning_markdown(summary))
    for kind in summarize_proposals(frame).to_dict("records"):
        how = "drawn at random" if kind["is_random"] else "proposed by a model"
        numbers = f"median {kind['median']:.3g}, best {kind['best']:.3g} on validation"
        click.echo(f"{kind['network']}, {kind['tuner']}: {kind['n_config']} configurations {how}, {numbers}")
    for network, runs_of in frame.groupby("network", sort=False):
        best = runs_of.iloc[int(runs_of["validation"].to_numpy().argmin())]
        click.echo(f"best {network}: {json.dumps(json.loads(best['config']))}, by {best['tuner']}")


@curves.command()
@click.option("--data", required=True, metavar="NAME|FILE", help=_DATA)
@click.option("--task", help="Task, where the data have several.")
@click.option("--predictor", default="default", show_default=True, help="A predictor that knows uncertainty.")
@click.option("--prefix", type=click.IntRange(min=1), default=10, show_default=True, help="Epochs that are known.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the parts.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder for curves-scatter.png and curves-bands.png.",
)
def figures(data: str, task: str | None, predictor: str, prefix: int, seed: int, out: Path) -> None:
    """Draw predicted against true values, and some curves with their predictive bands."""
    from at2.bench.curves.figures import draw_predictions

    for path in draw_predictions(data, out, task=task, predictor=predictor, prefix=prefix, seed=seed):
        click.echo(str(path))


def _show(frame: pd.DataFrame, *, title: str) -> None:
    """Print a frame on the screen."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for name in frame.columns:
        table.add_column(str(name), justify="right")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(table)
