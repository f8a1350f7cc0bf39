"""How a live tuning looks: a table of the leading configurations on a terminal, lines in a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from at2.recommend import Query
    from at2.recommend.live import Leader, Progress

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_SHOWN = 8


def sparkline(values: Sequence[float], *, low: float, high: float, width: int = _WIDTH) -> str:
    """Draw a curve in one line of text; a curve that is longer than the line is thinned out, its end always shown.

    Example:
        >>> sparkline([0.0, 0.5, 1.0], low=0.0, high=1.0), sparkline([], low=0.0, high=1.0)
        ('▁▅█', '')
    """
    if len(values) > width:
        values = [values[round(place * (len(values) - 1) / (width - 1))] for place in range(width)]
    span = high - low
    places = [0.5 if span <= 0 else (value - low) / span for value in values]
    return "".join(_BARS[min(max(int(place * len(_BARS)), 0), len(_BARS) - 1)] for place in places)


def seconds_text(seconds: float | None) -> str:
    """Write a time for people.

    Example:
        >>> seconds_text(5), seconds_text(125), seconds_text(7300), seconds_text(None)
        ('5 s', '2:05 min', '2:01 h', 'unknown')
    """
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


class LiveView:
    """Shows a tuning on a terminal: leaders, their curves, predicted finals, the budget, the time left.

    Args:
        title: What is tuned.
        console: Where to show it.
        n_leading: Number of configurations to show.
    """

    def __init__(self, title: str, *, console: Console, n_leading: int = _SHOWN) -> None:
        self._title, self._n_leading = title, n_leading
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._under_way = ""
        self._leaders: Sequence[Leader] = ()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, query: Query, progress: Progress) -> None:
        """Say which epoch is being trained."""
        verb = "resuming" if query.resumed else "training"
        self._under_way = f"{verb} {query.config_id}, epoch {query.epoch}"
        self._live.update(self.render(progress))

    def show(self, progress: Progress) -> None:
        """Show how things stand after an epoch."""
        self._leaders = progress.leading(self._n_leading)
        self._live.update(self.render(progress))

    def render(self, progress: Progress) -> RenderableType:
        """Put the picture together."""
        return Group(*self._head(progress), leader_table(self._leaders, progress), *_failures(progress))

    def _head(self, progress: Progress) -> list[RenderableType]:
        budget = progress.budget
        spent = f"{progress.spent:.4g} of {budget.amount:g} {budget.unit}s"
        line = Text.assemble((self._title, "bold"), f"  {spent}, {seconds_text(progress.seconds_left())} left")
        bar = ProgressBar(total=budget.amount, completed=min(progress.spent, budget.amount), width=60)
        return [line, bar, Text(self._under_way, style="dim")]


class LineView:
    """Writes lines for a log: each new best value, each failure, and every tenth of the budget.

    Args:
        write: Takes a line.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._best: object = None
        self._tenth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, query: Query, progress: Progress) -> None:
        """Nothing to write yet."""

    def show(self, progress: Progress) -> None:
        """Write a line where there is news."""
        last, best = progress.last, progress.best()
        tenth = int(10 * progress.spent / progress.budget.amount)
        if last is None or not (last.value is None or best != self._best or tenth != self._tenth):
            return
        new = best is last
        self._best, self._tenth = best, tenth
        said = f"{progress.metric} {last.value:.4f}" if last.value is not None else f"{last.status}: {last.note}"
        self._write(
            f"{progress.spent:.4g}/{progress.budget.amount:g} {progress.budget.unit}s: {last.config_id} epoch "
            f"{last.epoch}: {said}{', the best so far' if new else ''}; "
            f"{seconds_text(progress.seconds_left())} left"
        )


def leader_table(leaders: Sequence[Leader], progress: Progress) -> Table:
    """Lay out the leading configurations: epochs, curve so far, best value, predicted final, hyperparameters."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("configuration", "left"), ("epochs", "right"), ("curve", "left"), ("best", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column(f"{progress.metric} after {progress.n_epoch}, 90 %", no_wrap=True)
    table.add_column("hyperparameters", overflow="ellipsis", no_wrap=True, style="dim")
    shown = [value for leader in leaders for value in leader.values]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    pick = max if progress.maximize else min
    best = progress.best()
    for leader in leaders:
        values = list(leader.values)
        table.add_row(
            str(leader.config_id),
            f"{len(values)}",
            sparkline(values, low=low, high=high).ljust(_WIDTH),
            f"{pick(values):.4f}" if values else "",
            "" if leader.mean is None else f"{leader.mean:.3f} ({leader.low:.3f} to {leader.high:.3f})",
            config_text(leader.config),
            style="bold" if best is not None and best.config_id == leader.config_id else None,
        )
    return table


def config_text(config: Mapping[str, Any]) -> str:
    """Write a configuration in one line.

    Example:
        >>> config_text({"lr": 0.0123456, "optimizer": "adam"})
        'lr=0.0123 optimizer=adam'
    """
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )


def _failures(progress: Progress) -> list[RenderableType]:
    failed = list(progress.failed().values())
    if not failed:
        return []
    last = failed[-1]
    return [Text(f"{len(failed)} failed, the last {last.config_id} in epoch {last.epoch}: {last.note}", style="red")]
