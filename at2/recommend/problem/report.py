"""What of a history was used, what was skipped, and why: as text and as a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["task", "configuration", "hyperparameter", "reading", "candidate"]
_SHOWN = 12  # lines of one kind in the text; the frame has all


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Args:
        kind: What it is about.
        name: Which one.
        used: Whether it was used.
        count: How many readings, configurations or candidates it is about.
        note: How it was used, or why not.
    """

    kind: Kind
    name: str
    used: bool
    count: int
    note: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {'used' if self.used else 'skipped'}, {self.note}"


@dataclass(frozen=True)
class HistoryReport:
    """What a recommender made of the history it was given.

    Args:
        findings: All lines, grouped by kind.

    Example:
        >>> report = HistoryReport((Finding("task", "ants", False, 0, "no reading"),))
        >>> print(report)
        task ants: skipped, no reading
        >>> len(report.frame)
        1
    """

    findings: tuple[Finding, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a finding: kind, name, used, count, note."""
        import pandas as pd

        columns = ["kind", "name", "used", "count", "note"]
        return pd.DataFrame([[getattr(f, c) for c in columns] for f in self.findings], columns=columns)

    def __str__(self) -> str:
        lines: list[str] = []
        for kind in dict.fromkeys(finding.kind for finding in self.findings):
            lines += _shorten([f for f in self.findings if f.kind == kind], kind)
        return "\n".join(lines) or "no history"


def _shorten(findings: Sequence[Finding], kind: str) -> Iterable[str]:
    """Every skipped one, and as many of the used ones as fit."""
    skipped = [f for f in findings if not f.used]
    used = [f for f in findings if f.used]
    yield from map(str, skipped[:_SHOWN])
    if len(skipped) > _SHOWN:
        yield f"... and {len(skipped) - _SHOWN} more {kind}s skipped"
    yield from map(str, used[:_SHOWN])
    if len(used) > _SHOWN:
        yield f"... and {len(used) - _SHOWN} more {kind}s used"
