"""The standings of a regret bench on the screen."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {
    "rival": "rival",
    "regret": "regret +- s.e.",
    "best_seen": "best seen +- s.e.",
    "rank": "rank",
    "won": "won",
    "difference": "minus at2 [95 %]",
    "p_value": "p",
    "overhead_s": "overhead",
    "n_epochs": "epochs",
    "n_configs": "configs",
}


def show_standings(summary: pd.DataFrame, *, markdown: bool) -> None:
    """Print a table for each database, protocol and budget."""
    from rich.console import Console
    from rich.table import Table

    from at2.bench.regret.standings import GROUP
    from at2.tables.storage.markdown import markdown_table

    for (database, protocol, unit, budget), rows in summary.groupby(GROUP, sort=False):
        n_case, n_draw = int(rows["n_case"].max()), int(rows["n_draw"].max())
        title = f"{database}, {protocol}, {budget:g} {unit}: {n_case} cases in {n_draw} draw{'s' if n_draw > 1 else ''}"
        cells = [_cells(row) for row in rows.to_dict("records")]
        if markdown:
            click.echo(f"\n{title}\n\n{markdown_table(list(_COLUMNS.values()), cells)}")
            continue
        distance = rows.get("critical_difference")
        caption = None if distance is None or distance.isna().all() else f"ranks differ from {distance.max():.2f} on"
        table = Table(title=title, caption=caption)
        for name, heading in _COLUMNS.items():
            table.add_column(heading, justify="left" if name == "rival" else "right", no_wrap=True)
        for line in cells:
            table.add_row(*line, style="bold" if line[0] == "at2" else None)
        console = Console()
        Console(width=max(console.width, 160)).print(table)


def _cells(row: dict[Hashable, Any]) -> list[str]:
    """Write one rival's row; what is not known stays empty."""

    def number(name: str, digits: int) -> str:
        value = row.get(name)
        return f"{value:.{digits}f}" if isinstance(value, float) and value == value else ""

    def with_error(name: str, error: str) -> str:
        spread = number(error, 4)
        value = number(name, 4)
        return value + (f" +- {spread}" if spread else " (1 draw)" if value else "")

    low, high = number("difference_low", 4), number("difference_high", 4)
    failed = row.get("n_failed")
    return [
        str(row["rival"]) + (f" ({failed} failed)" if failed else ""),
        with_error("regret", "regret_se"),
        with_error("best_seen_regret", "best_seen_se"),
        number("rank", 2),
        "" if not (won := number("won", 6)) else f"{100 * float(won):.0f} %",
        number("difference", 4) + (f" [{low}, {high}]" if low else ""),
        number("p_value", 3),
        "" if not (seconds := number("overhead_s", 3)) else f"{seconds} s",
        number("n_epochs", 1),
        number("n_configs", 1),
    ]
