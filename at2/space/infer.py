"""A search space guessed from configurations that came without one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import ConfigSpace as cs
import numpy as np
import pandas as pd
from ConfigSpace.hyperparameters import Hyperparameter

from at2.errors import SpaceError
from at2.space.branches import space_with_branches
from at2.space.conditions import in_words
from at2.space.parameters import Value, is_missing
from at2.space.space import SearchSpace

MAX_CHOICES = 50
"""A column of more different texts than this is taken for a label, not for a hyperparameter."""

LOG_RATIO = 100.0
"""A positive range that spans at least this factor is taken as logarithmic."""

LARGEST = 1e15
"""Numbers beyond this are refused: ConfigSpace's arithmetic on ranges breaks down far out."""

_DIGITS = 13  # ConfigSpace rounds the ends of float ranges to this many decimals

log = logging.getLogger(__name__)


def infer_space(frame: pd.DataFrame, *, name: str = "inferred") -> SearchSpace:
    """Guess a space from a frame of configurations.

    Numbers give the range that was seen, in logarithms when it is positive and spans a factor of 100 or more; whole
    numbers stay whole, also where pandas turned them into floats to make room for NaN. Texts and truth values give
    choices. A column with gaps gives a conditional hyperparameter where it is filled exactly where another column has
    certain values (`at2.space.branches.find_branch`), else an optional one. A column with nothing in it is left out,
    with a warning in the log. Ends of float ranges move outwards to ConfigSpace's 13 decimals.

    Args:
        frame: One row per configuration, one column per hyperparameter; NaN or None where it was not given.
        name: Name of the space.

    Returns:
        A space in which every row is valid, its names in the order of the columns.

    Raises:
        SpaceError: If there is no row or column, two columns share a name, or a column holds what no hyperparameter
            can be: dates, lists, numbers beyond 1e15, or more than 50 different texts.

    Example:
        >>> frame = pd.DataFrame({"lr": [1e-4, 1e-2], "layers": [1, 3], "act": ["relu", "tanh"], "drop": [0.5, None]})
        >>> infer_space(frame).describe()
          hyperparameter               range       active_when
        0             lr  log 0.0001 to 0.01            always
        1         layers      integer 1 to 3            always
        2            act          relu, tanh            always
        3           drop                 0.5  always, optional
    """
    if frame.empty:
        raise SpaceError(f"a space is inferred from at least one row and column, got a frame of shape {frame.shape}")
    strange = [column for column in frame.columns if not isinstance(column, str)]
    if strange := strange or frame.columns[frame.columns.duplicated()].tolist():
        raise SpaceError(f"columns of configurations need texts as names, each once; got {strange[0]!r}")
    seen = {column: [v for v in frame[column].tolist() if not is_missing(v)] for column in frame.columns}
    if empty := [column for column, values in seen.items() if not values]:
        log.warning("hyperparameters %s never have a value and are left out of the space", empty)
    names = [column for column in frame.columns if seen[column]]
    declared = {column: declare_column(column, seen[column], gaps=len(seen[column]) < len(frame)) for column in names}
    space, conditions = space_with_branches(declared, _plain(frame, declared), [0] * len(frame), name=name)
    for column, condition in conditions.items():
        log.info("hyperparameter %r is taken to depend on another: %s", column, in_words([condition]))
    return space


def _plain(frame: pd.DataFrame, declared: Mapping[str, Hyperparameter[Any, Any]]) -> pd.DataFrame:
    """The columns that are declared, as objects; whole numbers as such where gaps made floats of them."""
    columns = {}
    for column, parameter in declared.items():
        whole = isinstance(parameter, cs.UniformIntegerHyperparameter)
        cells = (None if is_missing(value) else int(value) if whole else value for value in frame[column].tolist())
        columns[column] = pd.Series(list(cells), dtype=object)
    return pd.DataFrame(columns)


def declare_column(column: str, values: Sequence[Value], *, gaps: bool) -> Hyperparameter[Any, Any]:
    """Declare one hyperparameter from the values that were seen.

    Raises:
        SpaceError: If they are nothing that a hyperparameter can be.
    """
    kinds = {type(value) for value in values}
    if not kinds <= {bool, int, float, str} or (bool in kinds and kinds & {int, float}):
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        message = f"column {column!r} must hold numbers, texts or truth values, got {found}; convert or drop it"
        raise SpaceError(message, parameter=column)
    distinct = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    if kinds <= {int, float} and len(distinct) > 1:
        return _number_of(column, [v for v in distinct if not isinstance(v, str)], gaps=gaps)
    if len(distinct) > MAX_CHOICES:
        message = (
            f"column {column!r} holds {len(distinct)} different texts, at most {MAX_CHOICES} make a choice; drop it"
        )
        raise SpaceError(message, parameter=column)
    whole = gaps and all(isinstance(value, float) and value.is_integer() for value in distinct)
    return cs.Categorical(column, [int(value) for value in distinct] if whole else distinct)


def _number_of(column: str, distinct: Sequence[int | float], *, gaps: bool) -> Hyperparameter[Any, Any]:
    """Declare a number from its distinct values in rising order."""
    low, high = distinct[0], distinct[-1]
    whole = all(isinstance(value, int) or (gaps and value.is_integer()) for value in distinct)
    return declare_number(column, low, high, whole=whole, log=_is_log(low, high))


def declare_number(
    column: str, low: int | float, high: int | float, *, whole: bool, log: bool
) -> Hyperparameter[Any, Any]:
    """Declare a number from a range whose ends differ.

    Raises:
        SpaceError: If it goes too far out.
    """
    if not -LARGEST <= low <= high <= LARGEST:
        message = f"column {column!r} runs from {low:g} to {high:g}, beyond {LARGEST:g}; rescale it"
        raise SpaceError(message, parameter=column)
    if whole:
        return cs.Integer(column, (int(low), int(high)), log=log)
    low, high = _outwards(low, -1), _outwards(high, +1)
    return cs.Float(column, (low, high), log=log and low > 0)


def _is_log(low: float, high: float) -> bool:
    return low > 0 and high / low >= LOG_RATIO


def _outwards(end: float, sign: int) -> float:
    """Round an end of a range as ConfigSpace will, away from the range: `sign` is -1 below, +1 above."""
    step, rounded = 0.0, float(np.round(end, _DIGITS))
    while sign * rounded < sign * end:
        step = max(2 * step, 10.0**-_DIGITS)
        rounded = float(np.round(end + sign * step, _DIGITS))
    return rounded
