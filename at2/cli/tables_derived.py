"""``at2 tables concat`` and ``rescale-epochs``: tables that are made of tables."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.options import new_table_path, table_options


@click.command("concat")
@click.argument("names", metavar="TABLE...", nargs=-1, required=True)
@click.option("--name", required=True, help="Name of the new table.")
@click.option("--metric", help="Keep this metric; a table without it takes part with its default one.")
@table_options
def concat_command(names: tuple[str, ...], name: str, metric: str | None, out: Path | None, overwrite: bool) -> None:
    """Make one table of several: those of earlier tunings, as history for the next.

    Tasks of one name are one task, configurations of one id are one if they are equal. Kept are the metrics that all
    tables have.
    """
    from at2.tables import concat, load_table

    path = new_table_path(name, out, overwrite=overwrite)
    table = concat([load_table(each) for each in names], metric=metric, name=name)
    table.to_hdf5(path)
    click.echo(f"{table!r}\nwritten to {path}")


@click.command("rescale-epochs")
@click.argument("table")
@click.option("--name", required=True, help="Name of the new table.")
@click.option("--epochs", type=click.IntRange(min=1), required=True, help="Epochs of a full training in it.")
@click.option(
    "--length",
    "lengths",
    metavar="TASK=EPOCHS",
    multiple=True,
    help="A full training of this task; for one that is not named its longest curve. May be given several times.",
)
@table_options
def rescale_epochs_command(
    table: str, name: str, epochs: int, lengths: tuple[str, ...], out: Path | None, overwrite: bool
) -> None:
    """Bring the full trainings of all tasks in TABLE to one number of epochs.

    Where schedules end with the training, a tenth of a training is comparable between tasks and the tenth epoch is not.
    """
    from at2.tables import load_table, rescale_epochs

    path = new_table_path(name, out, overwrite=overwrite)
    rescaled = rescale_epochs(load_table(table), epochs, lengths=_lengths(lengths), name=name)
    rescaled.to_hdf5(path)
    click.echo(f"{rescaled!r}\nwritten to {path}")


def _lengths(pairs: tuple[str, ...]) -> dict[str, int]:
    split = [pair.rpartition("=") for pair in pairs]
    for pair, (task, _, epochs) in zip(pairs, split, strict=True):
        if not task or not epochs.isdecimal():
            raise click.UsageError(f"--length takes TASK=EPOCHS, such as digits=20, not {pair!r}")
    return {task: int(epochs) for task, _, epochs in split}
