"""Which runs are shown step by step: at2's own first, spread over databases and targets, a few of its rivals'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MOST = 16
"""Stories on a page; each takes up to 200 KB of it."""


def choose_stories(stories: list[dict[str, Any]], *, most: int = MOST) -> tuple[list[dict[str, Any]], str | None]:
    """Choose the stories of a page.

    Args:
        stories: All that the record holds.
        most: How many to show.

    Returns:
        The chosen ones, each with a ``label``; and a sentence on what is missing, None where nothing is.
    """
    if not stories:
        return [], (
            "This record holds no run in detail: it was made with `at2 bench regret --watch none`, or by a version of "
            "at2 that kept none. Run it again with --fresh and --watch first."
        )
    ordered = sorted(stories, key=_preference)
    own = [story for story in ordered if is_own(story)]
    others = [story for story in ordered if not is_own(story)]
    n_own = min(len(own), max(most * 2 // 3, most - len(others)))
    chosen = _spread(own, n_own) + _spread(others, most - n_own)
    said = []
    if len(chosen) < len(stories):
        said.append(f"{len(chosen)} of the {len(stories)} runs that were recorded in detail are listed.")
    if own and all(story["expected"] is None for story in own):
        said.append(
            "Predicted curves are missing: these runs were recorded without them, with --no-predictions or by an "
            "earlier version of at2."
        )
    return [{**story, "label": label(story)} for story in chosen], " ".join(said) or None


def is_own(story: dict[str, Any]) -> bool:
    """Say whether it is at2 that tuned."""
    name = str(story["rival"])
    return name == "at2" or name.startswith(("at2:", "at2-"))


def label(story: dict[str, Any]) -> str:
    """Name a story in the list.

    Example:
        >>> label(dict(rival="at2", target="adult", database="lcbench", budget=100, unit="epochs", seed=0))
        'at2 on adult (lcbench, 100 epochs)'
    """
    seed = f", seed {story['seed']}" if story["seed"] else ""
    database = Path(str(story["database"])).stem
    return f"{story['rival']} on {story['target']} ({database}, {story['budget']:g} {story['unit']}{seed})"


def _preference(story: dict[str, Any]) -> tuple[bool, bool, float]:
    """Plain at2 first, then those with expectations, then those that trained most."""
    return story["rival"] != "at2", story["expected"] is None, -len(story["observations"])


def _spread(stories: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Take turns among databases, budgets and rivals, in the order given."""
    turns: dict[tuple[Any, ...], int] = {}
    numbered = []
    for place, story in enumerate(stories):
        kind = story["database"], story["budget"], story["rival"]
        turns[kind] = turns.get(kind, 0) + 1
        numbered.append((turns[kind], place))
    return [stories[place] for _, place in sorted(sorted(numbered)[:n], key=lambda pair: pair[1])]
