"""``at2 explain``: why the recommender behind a journal answers as it does."""

from __future__ import annotations

import json
from pathlib import Path

import click

_FORMATS = ("text", "json", "csv")


@click.command()
@click.argument("journal", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--table",
    metavar="NAME|FILE",
    help="The table that the run was made with, if it is no published one.  [default: by the name in the journal]",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Draw a figure too: .png, .pdf or .svg.")
@click.option("--format", "fmt", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to print.")
@click.option("--leading", type=click.IntRange(min=1), default=3, show_default=True, help="Number of curves to show.")
def explain(journal: Path, table: str | None, out: Path | None, fmt: str, leading: int) -> None:
    """Explain the recommendation and the next query of the run in JOURNAL, which is left as it is.

    Similarity of the sources, hyperparameters by importance, predicted curves of the leading configurations, and the
    gain of the next query beside its runners-up.
    """
    from at2.recommend import Recommender
    from at2.tables import load_table

    known = None if table is None else load_table(table)
    found = Recommender.resume(journal, known).explain(n_leading=leading)
    if fmt == "json":
        click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    elif fmt == "csv":
        click.echo(found.long().to_csv(index=False), nl=False)
    else:
        click.echo(found.text, nl=False)
    if out is not None:
        found.save_figure(out)
        click.echo(f"figure in {out}", err=True)
