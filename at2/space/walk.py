"""Going through a space's hyperparameters in order, parents first: who is active, and what value each one takes.

Reading a configuration, drawing one and decoding one are the same walk with another way to pick a value. On the way
values are held under their declared names, with ratios in place of relative values (`Values`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from at2.errors import SpaceError
from at2.space.conditions import Values
from at2.space.declaration import Declaration
from at2.space.parameters import Choice, Number, Value, is_missing

Pick = Callable[[Number | Choice, Values], Value | None]
"""Gives an active hyperparameter its value; None leaves it out."""


def walk(declaration: Declaration, pick: Pick) -> Values:
    """Pick a value for every active hyperparameter.

    Raises:
        SpaceError: If two ranges of one name are active together; whatever `pick` raises passes through.
    """
    values, ranges = Values(), dict[str, str]()
    for parameter in declaration.parameters:
        if not is_active(declaration, parameter, values):
            continue
        if parameter.name in ranges:
            message = f"{parameter.name!r} has two active ranges, {ranges[parameter.name]!r} and {parameter.variant!r}"
            raise SpaceError(f"{message}; make their conditions exclude each other", parameter=parameter.name)
        ranges[parameter.name] = parameter.variant
        value = pick(parameter, values)
        if value is not None:
            values[parameter.variant] = value
    return values


def is_active(declaration: Declaration, parameter: Number | Choice, values: Values) -> bool:
    """Say whether a hyperparameter is active, given the values of those before it."""
    note = declaration.relative.get(parameter.variant)
    if note and note.to not in values:
        return False
    return all(condition.satisfied_by_value(values) for condition in declaration.conditions[parameter.variant])


def given(declaration: Declaration, config: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a configuration really gives: all but None and NaN.

    Raises:
        SpaceError: If it is no mapping, or holds an unknown name.
    """
    if not isinstance(config, Mapping):
        raise SpaceError(f"a configuration is a dict of names and values, got a {type(config).__name__}")
    found = {name: value for name, value in config.items() if not is_missing(value)}
    for name in found:
        if name not in declaration.names:
            close = get_close_matches(str(name), declaration.names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the space has {', '.join(declaration.names)}"
            raise SpaceError(f"unknown hyperparameter {name!r}; {hint}", parameter=str(name))
    return found


def take(declaration: Declaration, parameter: Number | Choice, values: Values, value: object) -> Value:
    """Check the value that a user gave to an active hyperparameter, and bring it into the form of `Values`.

    Raises:
        SpaceError: If it is out of range.
    """
    note = declaration.relative.get(parameter.variant)
    if note is None or not isinstance(parameter, Number):
        return parameter.check(value)
    base = float(values[note.to])
    return note.ratio(note.check(value, base, parameter), base, parameter)


def read(declaration: Declaration, config: Mapping[Any, Any]) -> Values:
    """Check a whole configuration.

    Raises:
        SpaceError: If a name is unknown, missing or inactive, a value out of range, or the combination forbidden.
    """
    found = given(declaration, config)

    def pick(parameter: Number | Choice, values: Values) -> Value | None:
        if parameter.name in found:
            return take(declaration, parameter, values, found[parameter.name])
        if parameter.name in declaration.optional:
            return None
        when = f", which is active because {parameter.when}" if parameter.when else ""
        message = f"the configuration lacks {parameter.name!r}{when}; give it a value of {parameter.describe()}"
        raise SpaceError(message, parameter=parameter.name)

    values = walk(declaration, pick)
    _refuse_inactive(declaration, values, found)
    refuse_forbidden(declaration, values)
    return values


def public(declaration: Declaration, values: Values, config: Mapping[Any, Any] | None = None) -> dict[str, Value]:
    """Turn `Values` into the configuration that users see, in the order of the space's names.

    Args:
        declaration: The space.
        values: What a walk found.
        config: The configuration that was read, if one was: its relative values are kept to the last digit, where
            going through the ratio would round.
    """
    seen: dict[str, Value] = {}
    for parameter in declaration.parameters:
        if parameter.variant not in values:
            continue
        value, note = values[parameter.variant], declaration.relative.get(parameter.variant)
        if note and isinstance(parameter, Number):
            base = float(values[note.to])
            value = note.value(value, base) if config is None else note.check(config[parameter.name], base, parameter)
        seen[parameter.name] = value
    return {name: seen[name] for name in declaration.names if name in seen}


def is_forbidden(declaration: Declaration, values: Values) -> bool:
    """Say whether a forbidden clause of the declaration holds."""
    space = declaration.configuration_space
    if not space.forbidden_clauses:
        return False
    vector = np.full(len(space), np.nan)  # inactive: NaN equals nothing and is on no side of anything
    for name, value in values.items():
        vector[space.index_of[name]] = space[name].to_vector(value)
    return any(clause.is_forbidden_vector(vector) for clause in space.forbidden_clauses)


def refuse_forbidden(declaration: Declaration, values: Values) -> None:
    """Raise SpaceError if a forbidden clause holds."""
    if is_forbidden(declaration, values):
        clauses = "; ".join(map(str, declaration.configuration_space.forbidden_clauses))
        raise SpaceError(f"the combination {dict(values)} is forbidden by the declaration ({clauses})")


def _refuse_inactive(declaration: Declaration, values: Values, found: Mapping[Any, Any]) -> None:
    """Raise for a value that no active hyperparameter took."""
    taken = {parameter.name for parameter in declaration.parameters if parameter.variant in values}
    for name in found:
        if name not in taken:
            when = " or ".join(parameter.when for parameter in declaration.parameters if parameter.name == name)
            message = f"{name!r} is inactive here, got {found[name]!r}; leave it out (it is active when {when})"
            raise SpaceError(message, parameter=name)
