"""Tables in Markdown, as the README has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, n_left: int = 1) -> str:
    """Write rows of text as a Markdown table.

    Args:
        header: Names of the columns.
        rows: Their cells.
        n_left: Columns that are aligned to the left; the others hold numbers.

    Example:
        >>> print(markdown_table(["task", "regret"], [["CIFAR10", "0.01"]]))
        | task | regret |
        |---|--:|
        | CIFAR10 | 0.01 |
    """
    rule = "|" + "---|" * n_left + "--:|" * (len(header) - n_left)
    first, *others = ("| " + " | ".join(line) + " |" for line in (header, *rows))
    return "\n".join([first, rule, *others])
