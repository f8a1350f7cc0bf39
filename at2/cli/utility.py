"""``at2 bench utility``: where a run stops by itself, and what that is worth."""

from __future__ import annotations

from pathlib import Path

import click

from at2.cli.options import CommaList, record_option


@click.command()
@click.option("--database", default="lcbench", show_default=True, help="A published table or an .h5 file.")
@click.option("--sources", default="4", show_default=True, help="Source tasks of each target, or 'all' others.")
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="Drawings of the sources.")
@click.option("--targets", type=CommaList(), default="all", show_default=True, help="Only these targets.")
@click.option("--budget", type=click.IntRange(min=1), default=300, show_default=True, help="B, in epochs.")
@click.option("--jobs", type=click.IntRange(min=0), default=2, show_default=True, help="Processes; 0 starts none.")
@record_option("utility.csv")
def utility(
    database: str, sources: str, draws: int, targets: tuple[str, ...], budget: int, jobs: int, record: Path
) -> None:
    """Measure stopping by utility U = best - alpha b/B, for alpha from 0 to 1/4, beside simpler ends.

    Regret is (U_max - U) / (U_max - U_min): 0 for training the right configuration alone up to the right epoch, 1 for
    spending the whole budget on the worst. The best fixed end is that number of epochs, the same for all targets,
    which would have been best on average.
    """
    from rich.console import Console
    from rich.table import Table

    from at2.bench.replay.protocols import Protocol
    from at2.bench.utility import HEADER, UtilityPlan, describe, measure_utility, summarize_utility
    from at2.tables.storage.formats import write_frame_file

    if sources != "all" and not (sources.isdecimal() and int(sources) > 0):
        raise click.BadParameter(f"a number from 1 or 'all' wanted, {sources!r} came", param_hint="--sources")
    n_source = None if sources == "all" else int(sources)
    only = () if targets == ("all",) else targets
    plan = UtilityPlan(database, Protocol("loo", n_source=n_source, n_draw=draws, targets=only), budget)
    with Console(stderr=True).status("playing") as status:
        frame = measure_utility(plan, jobs=jobs, on_case=lambda case: status.update(f"played {case.target}"))
    write_frame_file(frame, record / "utility.csv")
    table = Table(title=f"Normalized regret of the utility, {database}, B = {budget}")
    for name in HEADER:
        table.add_column(name, justify="right")
    for row in describe(summarize_utility(frame)):
        table.add_row(*row)
    Console().print(table)
    click.echo(f"{len(frame)} rows in {record / 'utility.csv'}")
