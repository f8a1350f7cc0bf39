"""``at2 tables``: list, show, query, fetch, import and export learning-curve tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from at2.cli.facts import facts
from at2.cli.options import new_table_path, table_options
from at2.cli.tables_derived import concat_command, rescale_epochs_command
from at2.cli.tables_optuna import export_optuna, import_optuna

if TYPE_CHECKING:
    import pandas as pd

    from at2.tables import LearningCurveTable

__all__ = ["tables"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORMATS = ("table", "csv", "json", "parquet")
_SHOWN_ROWS = 50


@click.group(no_args_is_help=True)
def tables() -> None:
    """List, show, query, fetch, import and export learning-curve tables.

    A TABLE is a name that `at2 tables list` shows, or the path of an .h5 file.
    """


tables.add_command(facts)
tables.add_command(concat_command)
tables.add_command(rescale_epochs_command)
tables.add_command(import_optuna)
tables.add_command(export_optuna)


def _output_options(command: _Command) -> _Command:
    """Add --format, --out and --limit."""
    command = click.option(
        "--limit",
        type=click.IntRange(min=0),
        help=f"Most rows; 0: all.  [default: {_SHOWN_ROWS} on screen, else all]",
    )(command)
    command = click.option("-o", "--out", type=click.Path(path_type=Path), help="Write to this file.")(command)
    return click.option("--format", "fmt", type=click.Choice(_FORMATS), help="table on screen, else by --out's name.")(
        command
    )


_metric_option = click.option("--metric", help="Which metric; the table's default one if not given.")


@tables.command("list")
@_output_options
def list_command(fmt: str | None, out: Path | None, limit: int | None) -> None:
    """List the tables there are, with those that can be fetched."""
    import pandas as pd

    from at2.tables import list_tables

    rows = [(e.name, e.origin, *_size_and_state(e.path), str(e.path or "")) for e in list_tables()]
    columns = ["name", "origin", "tasks", "seeds", "configs", "epochs", "state", "path"]
    _emit(pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:6], "Int64")), fmt, out, limit)


def _size_and_state(path: Path | None) -> tuple[Any, ...]:
    from at2.errors import FileError
    from at2.tables import LearningCurveTable

    if path is None:
        return None, None, None, None, "not fetched"
    try:
        return *LearningCurveTable.from_hdf5(path).shape, "ready"
    except FileError:
        return None, None, None, None, "damaged"


@tables.command()
@click.argument("table")
@click.option(
    "--what",
    type=click.Choice(["summary", "tasks", "configs", "metrics", "space"]),
    default="summary",
    show_default=True,
)
@_output_options
def show(table: str, what: str, fmt: str | None, out: Path | None, limit: int | None) -> None:
    """Show what TABLE holds: a summary, its tasks, configurations, metrics, or search space."""
    from at2.tables import load_table

    loaded = load_table(table)
    frames: dict[str, Callable[[], pd.DataFrame]] = {
        "summary": lambda: _summary(loaded),
        "tasks": lambda: loaded.tasks,
        "configs": lambda: loaded.configs,
        "metrics": lambda: _metrics(loaded),
        "space": lambda: loaded.space.describe(),
    }
    _emit(frames[what](), fmt, out, limit)


def _summary(table: LearningCurveTable) -> pd.DataFrame:
    import json

    import numpy as np
    import pandas as pd

    from at2.tables import RunStatus

    n_task, n_seed, n_config, n_epoch = table.shape
    counts = np.bincount(table.status.ravel(), minlength=len(RunStatus))
    facts: dict[str, object] = {
        "name": table.name,
        "tasks": n_task,
        "seeds": n_seed,
        "configurations": n_config,
        "epochs": n_epoch,
        "hyperparameters": ", ".join(map(str, table.configs.columns)),
        "metrics": ", ".join(
            f"{m.name} ({'higher' if m.maximize else 'lower'} is better)" for m in table.metrics.values()
        ),
        "per-batch series": ", ".join(table.batches) or "none",
        "seconds per epoch": "none" if table.kept_seconds is None else "recorded",
        "runs": ", ".join(f"{counts[s]} {s.name.lower().replace('_', ' ')}" for s in RunStatus if counts[s]),
        **{name: v if isinstance(v, str) else json.dumps(v) for name, v in table.notes.items()},
    }
    return pd.DataFrame({"value": [str(value) for value in facts.values()]}, index=pd.Index(facts, name="fact"))


def _metrics(table: LearningCurveTable) -> pd.DataFrame:
    import dataclasses

    import pandas as pd

    series = [*table.metrics.values(), *(batches.metric for batches in table.batches.values())]
    per = ["epoch"] * len(table.metrics) + ["batch"] * len(table.batches)
    return pd.DataFrame([dataclasses.asdict(metric) for metric in series]).assign(per=per)


@tables.command()
@click.argument("table")
@click.argument("query", required=False)
@click.option(
    "--as",
    "shape",
    type=click.Choice(["long", "configs", "curves", "epoch"]),
    default="long",
    show_default=True,
    help="long: a value per row; configs: configurations; curves: configurations x epochs of one task; "
    "epoch: values after --epoch.",
)
@click.option("--task", "names", multiple=True, help="Only this task; may be given several times.")
@click.option("--epoch", type=int, help="Which epoch, for --as epoch.")
@click.option("--seed", type=int, help="Which seed, for --as curves; the mean over seeds if not given.")
@_metric_option
@_output_options
def query(
    table: str,
    query: str | None,
    shape: str,
    names: tuple[str, ...],
    epoch: int | None,
    seed: int | None,
    metric: str | None,
    fmt: str | None,
    out: Path | None,
    limit: int | None,
) -> None:
    """Show what in TABLE matches QUERY, such as "optimizer == 'adam' and lr < 1e-3".

    A long frame can be asked about task, seed, config_id, epoch and value, too; the others about hyperparameters.
    """
    from at2.tables import load_table

    if shape == "curves" and len(names) != 1:
        raise click.UsageError("--as curves shows one task; name it with --task")
    if shape == "epoch" and epoch is None:
        raise click.UsageError("--as epoch needs --epoch")
    loaded = load_table(table)
    if shape == "long":
        _emit(loaded.long(query, tasks=names or None, metric=metric), fmt, out, limit)
        return
    frame = loaded.configs
    if shape == "curves":
        frame = loaded.task_curves(names[0], seed=seed, metric=metric)
    elif shape == "epoch" and epoch is not None:
        frame = loaded.value_at(epoch, metric=metric, task=names[0] if len(names) == 1 else None)
        frame = frame[list(names)] if len(names) > 1 else frame
    _emit(frame.loc[loaded.find_configs(query)] if query else frame, fmt, out, limit)


@tables.command()
@click.argument("table")
@click.argument("task")
@click.option("-n", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--by", type=click.Choice(["max", "final"]), default="max", show_default=True, help="Best or last epoch.")
@_metric_option
@_output_options
def best(
    table: str, task: str, n: int, by: str, metric: str | None, fmt: str | None, out: Path | None, limit: int | None
) -> None:
    """Show the best configurations of TASK in TABLE, by their mean curve over seeds."""
    from at2.tables import load_table

    _emit(load_table(table).best(task, n, metric=metric, by="final" if by == "final" else "max"), fmt, out, limit)


@tables.command()
@click.argument("names", nargs=-1)
@click.option("--mirror", help="Folder or http address to take the files from; AT2_MIRROR if not given.")
@click.option("--force", is_flag=True, help="Fetch and convert again even what is there.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def fetch(names: tuple[str, ...], mirror: str | None, force: bool, quiet: bool) -> None:
    """Fetch the published tables NAMES (hyperrec, lcbench; both if none is named), check and convert them."""
    from rich.console import Console

    from at2.tables import fetch_tables

    console = Console(stderr=True, quiet=quiet, highlight=False)
    with console.status("fetching"):
        fetch_tables(
            names or ("hyperrec", "lcbench"),
            mirror=mirror,
            force=force,
            on_step=lambda line: console.print(line, markup=False, soft_wrap=True),
        )


@tables.command("import")
@click.argument("curves", type=click.Path(path_type=Path))
@click.argument("configs", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the new table.")
@click.option("--metric", default="value", show_default=True, help="What the column 'value' holds.")
@click.option("--maximize/--minimize", default=None, help="Whether larger is better.  [default: maximize]")
@click.option("--tasks", "tasks_file", type=click.Path(path_type=Path), help="File of facts about the tasks.")
@click.option("--rename", "renames", multiple=True, metavar="FROM=TO", help="Rename a column first.")
@click.option("--strict", is_flag=True, help="Take an unusable row for an error, instead of leaving it out.")
@click.option("--epochs", type=click.IntRange(min=1), help="Length of a full training.  [default: the longest curve]")
@table_options
def import_command(
    curves: Path,
    configs: Path,
    name: str,
    metric: str,
    maximize: bool | None,
    tasks_file: Path | None,
    renames: tuple[str, ...],
    strict: bool,
    epochs: int | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Make a table from two files, CSV, JSON or Parquet.

    CURVES has the columns task, config_id, epoch, value, and may have seed and seconds. CONFIGS has config_id and a
    column per hyperparameter. What cannot be used is left out and reported.
    """
    from at2.tables import LearningCurveTable
    from at2.tables.storage.formats import read_frame_file

    path = new_table_path(name, out, overwrite=overwrite)
    columns = _renames(renames)
    curve_frame, config_frame = _renamed([read_frame_file(file) for file in (curves, configs)], columns)
    table = LearningCurveTable.from_frame(
        curve_frame,
        config_frame,
        metric=metric,
        maximize=maximize,
        name=name,
        tasks=None if tasks_file is None else read_frame_file(tasks_file),
        bad_rows="raise" if strict else "report",
        n_epoch=epochs,
    )
    table.to_hdf5(path)
    click.echo(f"{table.report}\n{table!r}\nwritten to {path}")


def _renames(renames: tuple[str, ...]) -> dict[str, str]:
    wrong = [rename for rename in renames if "=" not in rename]
    if wrong:
        raise click.UsageError(f"--rename takes FROM=TO, not {wrong[0]!r}")
    return dict(rename.split("=", 1) for rename in renames)


def _renamed(frames: list[pd.DataFrame], columns: dict[str, str]) -> list[pd.DataFrame]:
    known = list(dict.fromkeys(str(column) for frame in frames for column in frame.columns))
    if unknown := [column for column in columns if column not in known]:
        raise click.UsageError(f"--rename names no column {unknown[0]!r}; there are {', '.join(known)}")
    return [frame.rename(columns=columns) for frame in frames]


@tables.command()
@click.argument("table")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--what",
    type=click.Choice(["curves", "configs", "tasks"]),
    default="curves",
    show_default=True,
    help="Which part; an .h5 file holds all.",
)
@click.option("--format", "fmt", type=click.Choice([*_FORMATS[1:], "h5"]), help="By the file's name if not given.")
@_metric_option
def export(table: str, out: Path, what: str, fmt: str | None, metric: str | None) -> None:
    """Write TABLE, or a part of it, to the file OUT: .h5, .csv, .json or .parquet."""
    from at2.tables import load_table
    from at2.tables.storage.formats import format_of, write_frame_file

    loaded = load_table(table)
    if fmt == "h5" or (fmt is None and out.suffix.lower() in (".h5", ".hdf5")):
        loaded.to_hdf5(out)
    else:
        frame = {"configs": loaded.configs, "tasks": loaded.tasks}[what] if what != "curves" else None
        frame = loaded.long(metric=metric) if frame is None else frame
        write_frame_file(frame, out, format_of(f"x.{fmt}") if fmt else None)
    click.echo(f"written to {out}")


def _emit(frame: pd.DataFrame, fmt: str | None, out: Path | None, limit: int | None) -> None:
    """Show a frame, or write it to the output or to a file."""
    from at2.tables.storage.formats import format_of, frame_bytes, write_frame_file

    on_screen = out is None and fmt in (None, "table")
    limit = limit if limit is not None else _SHOWN_ROWS if on_screen else 0
    if limit and not on_screen:
        frame = frame.head(limit)
    if out is not None:
        if fmt == "table":
            raise click.UsageError("--format table is for the screen; a file takes csv, json or parquet")
        write_frame_file(frame, out, format_of(f"x.{fmt}") if fmt else None)
    elif fmt in (None, "table"):
        _show(frame, limit)
    elif fmt == "parquet" and sys.stdout.isatty():
        raise click.UsageError("parquet is not for the screen; give a file with --out")
    else:
        data = frame_bytes(frame, format_of(f"x.{fmt}"))
        click.echo(data, nl=fmt == "json")


def _show(frame: pd.DataFrame, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width; nothing is cut
        console.width = 10_000
    shown = frame.head(limit) if limit else frame
    named = shown.reset_index(drop=shown.index.name is None)
    grid = Table(*map(_cell, named.columns), header_style="bold")
    for row in named.itertuples(index=False):
        grid.add_row(*map(_cell, row))
    console.print(grid)
    if len(shown) < len(frame):
        console.print(f"{len(frame) - len(shown):,} more rows; --limit 0 shows all")


def _cell(value: object) -> str:
    import pandas as pd
    from rich.markup import escape

    if value is None or value is pd.NA or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))
