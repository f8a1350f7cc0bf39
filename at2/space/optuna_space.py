"""A search space from the distributions that Optuna suggested values from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ConfigSpace as cs
from ConfigSpace.hyperparameters import Hyperparameter

from at2.errors import SpaceError
from at2.space.infer import declare_column, declare_number
from at2.space.parameters import Value, is_missing
from at2.space.space import SearchSpace


def space_of_trials(
    params: Sequence[Mapping[str, Any]], distributions: Sequence[Mapping[str, Any]], *, name: str
) -> tuple[SearchSpace, list[str]]:
    """Return the space in which trials were drawn.

    Where studies give one hyperparameter different ranges, the widest of all counts; choices among numbers are ordered.
    What some trials lack is optional: Optuna knows no conditions.

    Args:
        params: Each trial's ``params``.
        distributions: Each trial's ``distributions``.
        name: Name of the space.

    Returns:
        The space, and what is in no hyperparameter of it, in words.

    Raises:
        SpaceError: If there is no hyperparameter at all.
    """
    declared, optional, left_out = [], [], []
    for key in dict.fromkeys(key for trial in params for key in trial):
        seen = [trial[key] for trial in params if key in trial and not is_missing(trial[key])]
        try:
            declared.append(_declare(key, seen, [each[key] for each in distributions if key in each]))
        except SpaceError as error:
            left_out.append(f"hyperparameter {key!r} is left out ({error})")
            continue
        if len(seen) < len(params):
            optional.append(key)
    if not declared:
        raise SpaceError("; ".join(["the trials have no hyperparameter that can be used", *left_out]))
    space = cs.ConfigurationSpace(name=name)
    space.add(*declared)
    return SearchSpace(space, optional=optional, names=[parameter.name for parameter in declared]), left_out


def _declare(key: str, seen: Sequence[Value], distributions: Sequence[Any]) -> Hyperparameter[Any, Any]:
    kinds = {type(each).__name__ for each in distributions}
    if kinds == {"CategoricalDistribution"}:
        choices = [v for v in dict.fromkeys(v for each in distributions for v in each.choices) if not is_missing(v)]
        return _choice(key, choices)
    if kinds <= {"FloatDistribution", "IntDistribution"}:
        low, high = min(each.low for each in distributions), max(each.high for each in distributions)
        if low < high:
            whole, log = kinds == {"IntDistribution"}, all(each.log for each in distributions)
            return declare_number(key, low, high, whole=whole, log=log)
    return declare_column(key, seen, gaps=True)


def _choice(key: str, choices: Sequence[Value]) -> Hyperparameter[Any, Any]:
    kinds = {type(choice) for choice in choices}
    if kinds <= {int, float} and len(choices) > 2:
        return cs.OrdinalHyperparameter(key, sorted(choices, key=float))
    if not choices or not (kinds <= {int, float} or len(kinds) == 1) or not kinds <= {bool, int, float, str}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise SpaceError(f"choices must be all numbers, all texts or all truth values, not {found}", parameter=key)
    return cs.Categorical(key, choices)
