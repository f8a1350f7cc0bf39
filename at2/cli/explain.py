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
    "tables",
    metavar="NAME|FILE",
    multiple=True,
    help="The history that the run was made with, once or more often as with `at2 tune --history`.  "
    "[default: the table named in the journal]",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Draw a figure too: .png, .pdf or .svg.")
@click.option("--format", "fmt", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to print.")
@click.option("--leading", type=click.IntRange(min=1), default=3, show_default=True, help="Number of curves to show.")
def explain(journal: Path, tables: tuple[str, ...], out: Path | None, fmt: str, leading: int) -> None:
    """Explain the recommendation and the next query of the run in JOURNAL, which is left as it is.

    Similarity of the sources, hyperparameters by importance, predicted curves of the leading configurations, and the
    gain of the next query beside its runners-up.
    """
    from at2.errors import HistoryError
    from at2.recommend import Recommender
    from at2.recommend.settings import as_history

    try:
        recommender = Recommender.resume(journal, as_history(tables))
    except HistoryError as error:
        raise click.ClickException(_wanted(journal, error.table, given=tables)) from error
    found = recommender.explain(n_leading=leading)
    if fmt == "json":
        click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    elif fmt == "csv":
        click.echo(found.long().to_csv(index=False), nl=False)
    else:
        click.echo(found.text, nl=False)
    if out is not None:
        found.save_figure(out)
        click.echo(f"figure in {out}", err=True)


def _wanted(journal: Path, table: str | None, *, given: tuple[str, ...]) -> str:
    """Which history the journal wants, and by which option it comes."""
    if table is None:
        return f"the journal {journal} was written without a history; leave out --table"
    came = f"{' and '.join(given)} gave another" if given else "there is none, or another, by that name"
    return (
        f"the journal {journal} was written with the history {table!r}, and {came}; give the history of that run with "
        "--table NAME|FILE, once for each --history of `at2 tune` and in that order"
    )
