"""``at2 report``: a record on one page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("record", type=click.Path(file_okay=False, path_type=Path), default=Path("record"))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The page to write; PNG and CSV files go beside it.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def report(record: Path, out: Path, quiet: bool) -> None:
    """Show what `at2 sweep` and `at2 bench regret` have left in RECORD on one page; nothing is run again.

    The page holds all it needs: open it in any browser, without a network, or send it to a colleague.
    """
    from at2.bench.report import write_report

    files = write_report(record, out)
    if quiet:
        return
    for reason in files.left_out:
        click.echo(f"left out: {reason}", err=True)
    size = files.page.stat().st_size / 1e6
    click.echo(f"{files.n_run} runs on {files.page} ({size:.1f} MB)")
    click.echo(f"beside it: {', '.join(path.name for path in (files.figure, files.standings, files.curves))}")
