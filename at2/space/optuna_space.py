"""A search space from the distributions that Optuna suggested values from, and the other way."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import ConfigSpace as cs
import pandas as pd
from ConfigSpace.hyperparameters import Hyperparameter

from at2.errors import SpaceError
from at2.space.branches import space_with_branches
from at2.space.conditions import in_words
from at2.space.infer import declare_column, declare_number
from at2.space.parameters import Choice, Number, Value, is_missing
from at2.space.space import SearchSpace

_log = logging.getLogger(__name__)

_MOST_STEPS = 100  # of more whole numbers it matters little that some between them are left out


def space_of_trials(
    params: Sequence[Mapping[str, Any]],
    distributions: Sequence[Mapping[str, Any]],
    *,
    studies: Sequence[str],
    name: str,
) -> tuple[SearchSpace, list[str]]:
    """Return the space in which trials were drawn.

    Where studies give one hyperparameter different ranges, the widest of all counts; choices among numbers are ordered.
    Optuna notes no conditions: a hyperparameter is conditional where, in all studies that have it, it is there exactly
    where another has certain values (`at2.space.branches.find_branch`). What trials lack otherwise is optional.

    Args:
        params: Each trial's ``params``.
        distributions: Each trial's ``distributions``.
        studies: Which study each trial is of.
        name: Name of the space.

    Returns:
        The space, and what was made of the trials, in words.

    Raises:
        SpaceError: If there is no hyperparameter at all.
    """
    declared, notes = _declare_all(params, distributions)
    for note in notes:
        _log.warning("%s: %s", name, note)
    if not declared:
        raise SpaceError("; ".join(["the trials have no hyperparameter that can be used", *notes]))
    frame = pd.DataFrame(
        [[trial.get(key) for key in declared] for trial in params], columns=list(declared), dtype=object
    )
    space, conditions = space_with_branches(declared, frame, studies, name=name)
    notes += [f"{key!r} is taken to depend on another: {in_words([rule])}" for key, rule in conditions.items()]
    return space, notes


def _declare_all(
    params: Sequence[Mapping[str, Any]], distributions: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Hyperparameter[Any, Any]], list[str]]:
    """Every hyperparameter that can be used by its name, and in words those that cannot, or not all of them."""
    declared, notes = {}, []
    for key in dict.fromkeys(key for trial in params for key in trial):
        seen = [trial[key] for trial in params if key in trial and not is_missing(trial[key])]
        try:
            declared[key] = _declare(key, seen, [each[key] for each in distributions if key in each])
        except SpaceError as error:
            notes.append(f"hyperparameter {key!r} is left out ({error})")
            continue
        if any(is_missing(trial[key]) for trial in params if key in trial):
            notes.append(
                f"None of hyperparameter {key!r} means that it is inactive: such configurations come without it"
            )
    return declared, notes


def _declare(key: str, seen: Sequence[Value], distributions: Sequence[Any]) -> Hyperparameter[Any, Any]:
    kinds = {type(each).__name__ for each in distributions}
    if kinds == {"CategoricalDistribution"}:
        choices = [v for v in dict.fromkeys(v for each in distributions for v in each.choices) if not is_missing(v)]
        return _choice(key, choices)
    if kinds <= {"FloatDistribution", "IntDistribution"}:
        if steps := _steps(distributions):
            return cs.OrdinalHyperparameter(key, steps)
        low, high = min(each.low for each in distributions), max(each.high for each in distributions)
        if low < high:
            whole, log = kinds == {"IntDistribution"}, all(each.log for each in distributions)
            return declare_number(key, low, high, whole=whole, log=log)
    return declare_column(key, seen, gaps=True)


def _steps(distributions: Sequence[Any]) -> list[int]:
    """The whole numbers that ranges with a step of 2 or more allow, in ascending order; none where all are allowed.

    Steps of fractions are left out: what lies between them will do as well, and Optuna's own values miss them by some
    rounding.
    """
    if any(type(each).__name__ != "IntDistribution" for each in distributions):
        return []
    ranges = {range(each.low, each.high + 1, each.step) for each in distributions}
    if max(map(len, ranges), default=0) > _MOST_STEPS:
        return []
    allowed = sorted(set().union(*ranges))
    return allowed if 1 < len(allowed) <= allowed[-1] - allowed[0] else []


def _choice(key: str, choices: Sequence[Value]) -> Hyperparameter[Any, Any]:
    kinds = {type(choice) for choice in choices}
    if kinds <= {int, float} and len(choices) > 2:
        return cs.OrdinalHyperparameter(key, sorted(choices, key=float))
    if not choices or not (kinds <= {int, float, str} or kinds == {bool}):
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise SpaceError(f"choices must be numbers and texts, or all truth values, not {found}", parameter=key)
    return cs.Categorical(key, choices)


def distributions_of(space: SearchSpace, configs: Sequence[Mapping[str, Value]]) -> dict[str, Any]:
    """Return a distribution of Optuna for every hyperparameter, which all of some configurations belong to.

    Args:
        space: The search space; a range that depends on another hyperparameter counts by the values that occur.
        configs: Active hyperparameters of configurations, of this space or not.
    """
    seen: dict[str, list[Value]] = {}
    for config in configs:
        for key, value in config.items():
            seen.setdefault(key, []).append(value)
    return {key: _distribution(space.ranges(key), values) for key, values in seen.items()}


def _distribution(ranges: Sequence[Number | Choice], values: Sequence[Value]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    choices = [choice for part in ranges if isinstance(part, Choice) for choice in part.choices]
    if choices or any(isinstance(value, bool | str) for value in values):
        return CategoricalDistribution(tuple(dict.fromkeys([*choices, *values])))
    numbers = [part for part in ranges if isinstance(part, Number)]
    ends = [*(float(value) for value in values), *(end for part in numbers for end in (part.low, part.high))]
    low, high = min(ends), max(ends)
    log = low > 0 and bool(numbers) and all(part.log for part in numbers)
    if all(part.integer for part in numbers) and all(float(value).is_integer() for value in values):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)
