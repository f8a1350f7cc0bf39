"""What users write, read kindly: a space as a dict, a budget as words, a history as a path, a size as words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from at2.errors import BudgetError, SpaceError, TableError
from at2.recommend.budget import Budget
from at2.recommend.problem.candidates import Candidates, SampledCandidates, plain_id
from at2.scalars import is_real, is_whole

if TYPE_CHECKING:
    import ConfigSpace

    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

    OneHistory = LearningCurveTable | str | os.PathLike[str]
    History = OneHistory | Sequence[OneHistory] | None

Goal = Literal["recommend", "train"]

N_SAMPLED = 100
"""Candidates that are drawn from a space if nothing else is said."""

_UNITS_S = {
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86400: ("d", "day", "days"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS_S.items() for name in names}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*-?\s*([a-zA-Z]*)\s*")


def as_budget(budget: Budget | str) -> Budget:
    """Read a budget.

    Raises:
        BudgetError: If it is no `Budget` and no text such as ``"200 epochs"``, ``"90s"``, ``"30 min"`` or ``"2h"``.

    Example:
        >>> as_budget("200-epochs").epochs, as_budget("1.5 h").seconds
        (200, 5400.0)
    """
    if isinstance(budget, Budget):
        return budget
    match = _AMOUNT.fullmatch(budget) if isinstance(budget, str) else None
    if match is not None:
        amount, unit = float(match[1]), match[2].lower()
        if unit in ("epoch", "epochs") and amount.is_integer():
            return Budget(epochs=int(amount))
        scale = _SECONDS.get(unit)
        if scale is not None:
            return Budget(seconds=amount * scale)
    raise BudgetError(f"wanted a budget such as '200 epochs', '90s', '30min' or '2h', or a Budget; got {budget!r}")


def as_bytes(size: int | str | None) -> int | None:
    """Read a size; None for no limit.

    Raises:
        BudgetError: If it is no number of bytes and no text such as ``"500 MB"``.

    Example:
        >>> as_bytes("1.5 GB"), as_bytes(10)
        (1500000000, 10)
    """
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0):
        return size
    match = _AMOUNT.fullmatch(size) if isinstance(size, str) else None
    if match is None or match[2].lower() not in _BYTES:
        raise BudgetError(f"wanted a size such as '500 MB' or '5 GB', or a number of bytes; got {size!r}")
    return int(float(match[1]) * _BYTES[match[2].lower()])


def as_history(history: History) -> LearningCurveTable | None:
    """Give the table itself, load it by its name or path, or make one of several; of none at all None.

    A single one in a list is given as it is, under its own name: by that a journal finds it again.

    Raises:
        FileError: If there is no such file, or it holds no table.
        TableError: If it is none of these, or several do not fit together.
    """
    if isinstance(history, str | os.PathLike):
        from at2.tables import load_table

        return load_table(str(Path(history)))
    from at2.tables import LearningCurveTable

    if history is None or isinstance(history, LearningCurveTable):
        return history
    if not isinstance(history, Sequence):
        raise TableError(f"wanted a table, the name or path of one, or a list of these; got {history!r}")
    from at2.tables import concat

    tables = [table for table in map(as_history, history) if table is not None]
    return concat(tables) if len(tables) > 1 else next(iter(tables), None)


def as_seed(seed: Any) -> int:
    """Read a seed.

    Raises:
        TableError: If it is no whole number from 0 on.

    Example:
        >>> import numpy as np
        >>> as_seed(np.int64(4))
        4
    """
    if not is_whole(seed) or seed < 0:
        raise TableError(f"wanted a whole number of at least 0 as the seed, got {seed!r}: the same seed, the same run")
    return int(seed)


def as_task_name(name: Any) -> str:
    """Read the name of a task, as tables keep it: a whole number as the text of it, numpy's text as Python's.

    Raises:
        TableError: If it is neither text nor a whole number.

    Example:
        >>> import numpy as np
        >>> as_task_name("digits"), as_task_name(np.int64(3))
        ('digits', '3')
    """
    if isinstance(name, str) or is_whole(name):
        return str(name)
    raise TableError(f"the name of a task is a text such as 'digits', got {name!r}")


def as_goal(goal: Any) -> Goal:
    """Read the goal.

    Raises:
        TableError: If it is none.
    """
    if goal not in ("recommend", "train"):
        raise TableError(f"goal must be 'recommend' or 'train', got {goal!r}")
    known: Goal = goal
    return known


def as_space(space: Any) -> SearchSpace | None:
    """Read a search space.

    Args:
        space: A `SearchSpace`; a ConfigSpace declaration; or a dict from names to ``(low, high)`` (whole numbers where
            both are), ``(low, high, "log")``, a list of options, or a single value; None stays None.

    Raises:
        SpaceError: If it is none of these.

    Example:
        >>> space = as_space({"lr": (1e-4, 1e-1, "log"), "depth": (1, 4), "optimizer": ["sgd", "adam"], "epochs": 10})
        >>> sorted(space.validate({"lr": 0.01, "depth": 2, "optimizer": "sgd", "epochs": 10}))
        ['depth', 'epochs', 'lr', 'optimizer']
    """
    import ConfigSpace

    from at2.space import SearchSpace

    if space is None or isinstance(space, SearchSpace):
        return space
    if isinstance(space, ConfigSpace.ConfigurationSpace):
        return SearchSpace(space)
    if not isinstance(space, Mapping) or not space:
        raise SpaceError(f"wanted a SearchSpace, a ConfigurationSpace or a dict of ranges, got {space!r}")
    declared = ConfigSpace.ConfigurationSpace(name="space")
    for name, given in space.items():
        declared.add(_declare(str(name), given))
    return SearchSpace(declared, names=[str(name) for name in space])


def _declare(name: str, given: Any) -> ConfigSpace.hyperparameters.Hyperparameter[Any, Any]:
    import ConfigSpace

    if isinstance(given, list):
        options: list[Any] = given
        if not options:
            raise SpaceError(f"{name!r} wants at least one option, got []", parameter=name)
        try:
            return ConfigSpace.Categorical(name, options)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise SpaceError(f"{name!r} cannot have the options {given!r}: {error}", parameter=name) from error
    if isinstance(given, tuple):
        low, high, *rest = given if len(given) in (2, 3) else (None, None)
        if rest in ([], ["log"]) and all(is_real(v) for v in (low, high)):
            if not low < high or (rest and not low > 0):
                wanted = "a low end above 0, since it is logarithmic, and" if rest else "a low end and"
                raise SpaceError(f"{name!r} wants {wanted} a higher one, got {given!r}", parameter=name)
            try:
                if is_whole(low) and is_whole(high):
                    return ConfigSpace.Integer(name, (int(low), int(high)), log=bool(rest))
                return ConfigSpace.Float(name, (float(low), float(high)), log=bool(rest))
            except ValueError as error:
                raise SpaceError(f"{name!r} cannot range over {given!r}: {error}", parameter=name) from error
    elif isinstance(given, str | bool) or is_real(given):
        return ConfigSpace.Constant(name, plain_id(given))
    raise SpaceError(
        f"{name!r} wants (low, high), (low, high, 'log'), a list of options or one value; got {given!r}", parameter=name
    )


def as_candidates(candidates: Candidates | int | None) -> Candidates | None:
    """Read what may be recommended: a whole number draws so many from the space; all else stays.

    Raises:
        TableError: If it is a number, and none of candidates, or a frame.
    """
    if isinstance(candidates, int | Number):
        n: Any = candidates
        return SampledCandidates(n)
    if hasattr(candidates, "to_dict"):
        raise TableError("candidates= wants ids or dicts, not a frame; pass frame.to_dict('records')")
    return list(candidates) if isinstance(candidates, Iterator) else candidates


def choose_candidates(
    candidates: Candidates | int | None, *, space: SearchSpace | None, history: LearningCurveTable | None
) -> Candidates | None:
    """Say what may be trained where the user leaves it open.

    Args:
        candidates: As `Recommender` takes them; a number draws so many from the space.
        space: The space; where it is given, candidates are drawn from it, beside the history's own.
        history: The history; without a space its own configurations are the candidates.

    Raises:
        TableError: If there is nothing to choose from.
    """
    if candidates is not None:
        return as_candidates(candidates)
    if history is not None:
        return None if space is None else SampledCandidates(N_SAMPLED, also="history")
    if space is None:
        raise TableError("there is nothing to tune: pass a space, a history, or candidates=[{...}, ...]")
    return SampledCandidates(N_SAMPLED)
