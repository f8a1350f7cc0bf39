"""One run in all detail, for looking at: what was trained, what was expected at each step, and what was true.

Expectations are those of the leading configurations only, at some epochs of their curves, in four digits: a run of 100
epochs takes about 150 KB.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.sweeps.record import write_text
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.bench.replay.objective import Measurement, TableObjective
    from at2.recommend import ConfigId, Query, Recommendation, Recommender, Tuner

_log = logging.getLogger(__name__)

SCHEMA = 1
"""Version of a story; stories of another version are named and left out."""

N_LEADING, N_GRID = 4, 24
PROBABILITY = 0.9
"""Of the intervals that are kept."""

_PARTS = ("target", "metric", "n_epoch", "epochs", "observations", "standings", "expected", "truth")

Curves = list[list[float | None]]


class StoryRecorder:
    """Writes a run down step by step; it asks the tuner nothing that changes it.

    Args:
        objective: The target, which knows the truth.
        predictions: Whether to keep what a `Recommender` expects of its leading configurations at each step.
    """

    def __init__(self, objective: TableObjective, *, predictions: bool = True) -> None:
        self._objective = objective
        self._predictions = predictions
        self._grid = epoch_grid(objective.n_epoch)
        self._best: float | None = None
        self._observations: list[dict[str, Any]] = []
        self._standings: list[dict[str, Any]] = []
        self._expected: list[dict[str, Any] | None] = []

    def note(self, tuner: Tuner, query: Query | None = None, shown: Measurement | None = None) -> None:
        """Write down where the run stands, after one more query or before the first."""
        if query is not None and shown is not None:
            self._observations.append(_observation(query, shown))
            if shown.value is not None and self._objective.is_better(shown.value, self._best):
                self._best = shown.value
        choice = tuner.recommend()
        self._standings.append(self._standing(choice))
        self._expected.append(self._expect(tuner, choice, query) if self._predictions else None)

    def _standing(self, choice: Recommendation) -> dict[str, Any]:
        best = None if self._best is None else self._objective.regret_of_value(self._best)
        return {
            "config_id": plain_value(choice.config_id),
            "mean": _short(choice.mean),
            "std": _short(choice.std),
            "rank": self._objective.rank(choice.config_id),
            "regret": _short(self._objective.regret(choice.config_id)),
            "best_seen_regret": _short(best),
        }

    def _expect(self, tuner: Tuner, choice: Recommendation, query: Query | None) -> dict[str, Any] | None:
        from at2.recommend import Recommender

        if not isinstance(tuner, Recommender):
            return None
        first = [choice.config_id] if query is None else [choice.config_id, query.config_id]
        return expected_curves(tuner, first=first, epochs=self._grid)

    def to_json(self, **about: Any) -> dict[str, Any]:
        """Give the story as plain JSON values.

        Args:
            **about: Plain values that say whose story it is: database, target, rival, ...
        """
        return {
            "schema": SCHEMA,
            **about,
            "n_epoch": self._objective.n_epoch,
            "n_config": self._objective.n_config,
            "epochs": self._grid,
            "probability": PROBABILITY,
            "observations": self._observations,
            "standings": self._standings,
            "expected": self._expected if any(self._expected) else None,
            "truth": self._truth(),
        }

    def _truth(self) -> dict[str, Any]:
        """Give the true curves of all configurations that occur, and of the best one."""
        best = plain_value(self._objective.best_config)
        named = [best, *(standing["config_id"] for standing in self._standings)]
        named += [seen["config_id"] for seen in self._observations]
        named += [name for expected in self._expected if expected for name in expected["config_ids"]]
        ids = list(dict.fromkeys(named))
        return {"best": best, "config_ids": ids, "curves": [self._curve(config_id) for config_id in ids]}

    def _curve(self, config_id: object) -> list[float | None]:
        curve = self._objective.curve(config_id)
        return [_short(curve[epoch - 1]) for epoch in self._grid]


def epoch_grid(n_epoch: int, n: int = N_GRID) -> list[int]:
    """Give up to `n` epochs of a training, the early ones close together, first and last among them.

    Example:
        >>> epoch_grid(52, 8)
        [1, 2, 3, 5, 10, 17, 30, 52]
    """
    return [int(epoch) for epoch in np.unique(np.round(np.geomspace(1, n_epoch, n)))]


def expected_curves(tuner: Recommender, *, first: Sequence[ConfigId], epochs: Sequence[int]) -> dict[str, Any]:
    """Give what a recommender expects now of some configurations: these first, then those of the highest worth.

    Args:
        tuner: The recommender; it is left as it was.
        first: Configurations that are always among them.
        epochs: Completed epochs, from 1, at which to predict.

    Returns:
        ``config_ids``, and for each of them in the metric's own units ``mean``, ``low`` and ``high`` at the epochs.
    """
    import torch

    belief, problem = tuner.belief, tuner.problem
    worth = torch.where(tuner.eligible.cpu(), belief.worth().cpu(), -torch.inf)
    leading = worth.argsort(descending=True, stable=True)[:N_LEADING].tolist()
    rows = list(dict.fromkeys([*(problem.rows[config_id] for config_id in first), *leading]))[:N_LEADING]
    chosen, columns = torch.tensor(rows), [epoch - 1 for epoch in epochs]
    reading = belief.predict(chosen)
    mean = reading.mean.cpu()
    if hasattr(belief, "interval"):
        low, high = (end.cpu() for end in belief.interval(PROBABILITY, chosen))
    else:
        half = torch.special.ndtri(torch.tensor(0.5 + PROBABILITY / 2)) * reading.std.cpu()
        low, high = mean - half, mean + half
    if problem.sign < 0:
        low, high = high, low
    curves = {"mean": mean, "low": low, "high": high}
    named = {name: _table((problem.sign * curve)[:, columns].tolist()) for name, curve in curves.items()}
    return {"config_ids": [plain_value(problem.config_ids[row]) for row in rows], **named}


def write_story(path: Path, story: dict[str, Any]) -> None:
    """Write a story in one line, whole or not at all.

    Raises:
        FileError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(story, allow_nan=False, separators=(",", ":")) + "\n")


def read_story(path: Path) -> dict[str, Any] | str:
    """Read a story, or say in a few words why it cannot be read."""
    try:
        story = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "the story is broken"
    version = story.get("schema") if isinstance(story, dict) else None
    if version != SCHEMA:
        return f"the story has version {version} instead of {SCHEMA}"
    missing = [name for name in _PARTS if name not in story]
    return f"the story lacks {', '.join(missing)}" if missing else story


def _observation(query: Query, shown: Measurement) -> dict[str, Any]:
    return {
        "config_id": plain_value(query.config_id),
        "epoch": query.epoch,
        "value": _short(shown.value),
        "failed": shown.failed,
        "seconds": _short(shown.seconds),
    }


def _table(rows: list[list[float]]) -> Curves:
    return [[_short(value) for value in row] for row in rows]


def _short(value: float | None) -> float | None:
    """Give a number in four digits; None stands for NaN and the infinities, which JSON does not know."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.4g}")
