"""``at2 tables import-optuna`` and ``export-optuna``: Optuna's studies as a table, and the other way."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.options import new_table_path, table_options
from at2.cli.progress import run_bar


@click.command("import-optuna")
@click.argument("storage")
@click.option("--name", required=True, help="Name of the new table.")
@click.option("--study", "studies", multiple=True, help="Only this study; may be given several times.")
@click.option("--metric", default="value", show_default=True, help="What to call the objective.")
@click.option("--steps-per-epoch", type=click.IntRange(min=1), default=1, show_default=True, help="Of reported steps.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of a full training, where trials have final values alone.")
@table_options
def import_optuna(
    storage: str,
    name: str,
    studies: tuple[str, ...],
    metric: str,
    steps_per_epoch: int,
    epochs: int | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Make a table from the studies in STORAGE, a database's address or a file of Optuna.

    Each study is a task, each trial a configuration, and what it reported its curve. Pruned and failed trials count as
    such. What cannot be used is left out and reported.
    """
    from at2.tables import from_optuna

    path = new_table_path(name, out, overwrite=overwrite)
    table = from_optuna(
        storage, names=studies or None, metric=metric, steps_per_epoch=steps_per_epoch, n_epoch=epochs, name=name
    )
    table.to_hdf5(path)
    click.echo(f"{table.report}\n{table!r}\nwritten to {path}")


@click.command("export-optuna")
@click.argument("table")
@click.argument("storage", type=click.Path(path_type=Path))
@click.option("--metric", help="Name of the metric.  [default: the table's first]")
def export_optuna(table: str, storage: Path, metric: str | None) -> None:
    """Write TABLE to the new file STORAGE as Optuna's studies, for optuna-dashboard.

    Each task is a study, each run a trial. A name that ends in .db makes a database, one in .log a journal, which is
    faster to write.
    """
    from at2.tables import load_table, to_optuna

    loaded = load_table(table)
    with run_bar(quiet=False) as bar:
        task = bar.add_task("studies", total=len(loaded.tasks))
        studies = to_optuna(loaded, storage, metric=metric, progress=lambda n: bar.update(task, completed=n))
    click.echo(f"{len(studies)} studies written to {storage}; optuna-dashboard {storage} shows them")
