"""Between a library's search space and a list of candidates: plain knobs one way, the nearest unused candidate back."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from at2.errors import SpaceError
from at2.recommend import Problem
from at2.rivals.distance import nearest


@dataclass(frozen=True)
class Knob:
    """One dimension of the search space as a library sees it.

    Args:
        name: Its name.
        columns: Columns of the encoded configurations that it stands for: one of a number, one for each choice.
    """

    name: str
    columns: tuple[int, ...]

    @property
    def n_choice(self) -> int:
        """Number of choices; 0 for a number in [0, 1]."""
        return len(self.columns) if len(self.columns) > 1 else 0


class Knobs:
    """The encoded search space as independent knobs: numbers in [0, 1], and choices counted from 0.

    Libraries differ in what they know of conditions, so none is told any: all knobs are always set, and those that are
    inactive in a configuration have no effect on it.

    Args:
        problem: The candidates and their space.
    """

    def __init__(self, problem: Problem) -> None:
        self._space = problem.space
        self._features = problem.history.features.numpy()
        groups: dict[str, list[int]] = {}
        for place, column in enumerate(problem.space.columns):
            name = column.parameter if column.choice is not None else f"{column.name}#{place}"
            groups.setdefault(name, []).append(place)
        self.knobs = tuple(Knob(f"k{k}", tuple(columns)) for k, columns in enumerate(groups.values()))

    def read(self, row: int) -> dict[str, float | int]:
        """Give the knobs of a candidate; what is inactive stands in the middle, or at the first choice."""
        encoded = self._features[row]
        return {
            knob.name: int(np.nan_to_num(encoded[list(knob.columns)]).argmax())
            if knob.n_choice
            else float(np.nan_to_num(encoded[knob.columns[0]], nan=0.5))
            for knob in self.knobs
        }

    def from_unit(self, vector: np.ndarray) -> dict[str, float | int]:
        """Give the knobs for a point of the unit cube, a coordinate each; choices share their interval equally."""
        return {
            knob.name: min(int(value * knob.n_choice), knob.n_choice - 1) if knob.n_choice else float(value)
            for knob, value in zip(self.knobs, np.clip(vector, 0.0, 1.0), strict=True)
        }

    def snap(self, values: Mapping[str, float | int], unused: Sequence[int]) -> int:
        """Give the unused candidate that is nearest to what the knobs say.

        Args:
            values: A value for each knob, by its name.
            unused: Rows to choose from, at least one.
        """
        row = np.zeros(self._features.shape[1])
        for knob in self.knobs:
            value = values[knob.name]
            if knob.n_choice:
                row[knob.columns[int(value)]] = 1.0
            else:
                row[knob.columns[0]] = float(value)
        with contextlib.suppress(SpaceError):  # of a forbidden combination, the plain row is as near as it gets
            row = self._space.encode([self._space.decode(row)])[0]
        return nearest(row, self._features, unused)
