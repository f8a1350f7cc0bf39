"""Reading configurations that were made under another space: what fits is used, what does not is said.

Configurations of past tasks are evidence, not proposals. One whose learning rate lies outside today's range still says
something about learning rates at that end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from at2.errors import SpaceError
from at2.space.conditions import Values
from at2.space.declaration import Declaration
from at2.space.encode import encode_values
from at2.space.parameters import Choice, Floats, Number, Value, as_number, is_missing
from at2.space.walk import public, read, take, walk


@dataclass(frozen=True)
class Misfit:
    """One value of one configuration that the space does not allow, and what was made of it.

    Args:
        row: Position of the configuration.
        parameter: Name of the hyperparameter.
        problem: What was done: ``"drawn in to the range"``, ``"left out: ..."`` or ``"missing: counts as inactive"``.
    """

    row: int
    parameter: str
    problem: str


def encode_leniently(
    declaration: Declaration, configs: Sequence[Mapping[Any, Any]]
) -> tuple[Floats, list[dict[str, Value] | None], list[Misfit]]:
    """Encode configurations, valid or not.

    A number outside its range counts as the nearer end. An unknown option, an inactive hyperparameter and an unknown
    name are left out; a missing hyperparameter counts as inactive.

    Returns:
        Array of shape ``(n, n_column)``, NaN where inactive; the valid configurations in plain types, None for the
        others; and everything that did not fit.
    """
    read_values, valid, misfits = list[Values](), list[dict[str, Value] | None](), list[Misfit]()
    for row, config in enumerate(configs):
        try:
            values = read(declaration, config)
            valid.append(public(declaration, values, config))
        except SpaceError:
            values, problems = _read_leniently(declaration, config)
            valid.append(None)
            misfits += [Misfit(row, name, problem) for name, problem in problems.items()]
        read_values.append(values)
    return encode_values(declaration, read_values), valid, misfits


def _read_leniently(declaration: Declaration, config: Mapping[Any, Any]) -> tuple[Values, dict[str, str]]:
    """Values that can be used, and for each name that did not fit what was made of it."""
    found = {str(name): value for name, value in config.items() if not is_missing(value)}
    problems = {name: "left out: not in the space" for name in found if name not in declaration.names}
    taken = set[str]()

    def pick(parameter: Number | Choice, values: Values) -> Value | None:
        name = parameter.name
        if name in taken:
            return None
        if name not in found:
            if name not in declaration.optional:
                problems[name] = "missing: counts as inactive"
            return None
        taken.add(name)
        try:
            return take(declaration, parameter, values, found[name])
        except SpaceError:
            return _draw_in(declaration, parameter, values, found[name], problems)

    values = walk(declaration, pick)
    for name in found:
        if name not in taken and name not in problems:
            problems[name] = "left out: inactive there"
    return values, problems or {"": "a forbidden combination"}


def _draw_in(
    declaration: Declaration, parameter: Number | Choice, values: Values, value: object, problems: dict[str, str]
) -> Value | None:
    """The nearer end for a number, nothing for anything else."""
    note = declaration.relative.get(parameter.variant)
    try:
        if not isinstance(parameter, Number):
            raise SpaceError("no such option")
        rough = Number(parameter.name, parameter.variant, parameter.low, parameter.high, parameter.log, False, 0.0)
        number = float(as_number(value, rough))
    except SpaceError:
        problems[parameter.name] = "left out: no value that the space knows"
        return None
    problems[parameter.name] = "drawn in to the range"
    if note is not None:
        number /= float(values[note.to])
    number = min(max(number, parameter.low), parameter.high)
    return round(number) if parameter.integer else number
