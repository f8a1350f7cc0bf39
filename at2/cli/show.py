"""How several commands show rows of text: a table on the terminal, or Markdown."""

from collections.abc import Iterable, Sequence

import click


def show_rows(header: Sequence[str], rows: Iterable[Sequence[str]], *, fmt: str, title: str) -> None:
    """Print rows of text, the first column to the left and the others, numbers, to the right.

    Args:
        header: Names of the columns.
        rows: Their cells.
        fmt: ``"markdown"``, or ``"table"``.
        title: Of the table; Markdown has none.
    """
    from rich.console import Console
    from rich.table import Table

    from at2.tables.storage.markdown import markdown_table

    if fmt == "markdown":
        click.echo(markdown_table(header, rows))
        return
    table = Table(title=title)
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
