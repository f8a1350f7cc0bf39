"""``at2 tables facts``: a page of facts about a table."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("table")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page to this .md file, and the curves to a .png beside it.",
)
def facts(table: str, out: Path | None) -> None:
    """Show how hard the tasks of TABLE are, what they have in common, how random search does, what diverged."""
    from at2.tables import load_table, whole_file
    from at2.tables.facts import draw_curves, facts_page

    loaded = load_table(table)
    if out is None:
        click.echo(facts_page(loaded, title=f"The table {loaded.name}"), nl=False)
        return
    picture = out.with_suffix(".png")
    command = f"at2 tables facts {table} --out {out}"
    page = facts_page(loaded, title=f"The table `{loaded.name}`", figure=picture.name, command=command)
    draw_curves(loaded, picture)
    with whole_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    click.echo(f"written to {out} and {picture}")
