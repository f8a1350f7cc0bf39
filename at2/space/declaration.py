"""What a search space is made of: a ConfigSpace declaration and at2's notes to it, checked once and saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ConfigSpace
import numpy as np
from ConfigSpace.conditions import ConditionLike

from at2.errors import SpaceError
from at2.space.conditions import in_words, parents
from at2.space.parameters import Choice, Number, parameter_from
from at2.space.relative import RelativeRange

FORMAT = "at2.space/1"


@dataclass(frozen=True)
class Declaration:
    """A checked declaration; see :class:`~at2.space.SearchSpace` for what the parts mean.

    Args:
        declared: The ConfigSpace part in ConfigSpace's own JSON form.
        relative: Declared name to the range it stands for.
        merged: Public name to its declared names.
        optional: Public names that may be left out.
        names: Public names, in the order of encoding.
    """

    declared: dict[str, Any]
    relative: dict[str, RelativeRange]
    merged: dict[str, tuple[str, ...]]
    optional: frozenset[str]
    names: tuple[str, ...]

    @cached_property
    def configuration_space(self) -> ConfigSpace.ConfigurationSpace:
        """The ConfigSpace object, rebuilt from its JSON form and so nobody else's."""
        return ConfigSpace.ConfigurationSpace.from_serialized_dict(deepcopy(self.declared))

    @cached_property
    def conditions(self) -> dict[str, tuple[ConditionLike, ...]]:
        """Declared name to the conditions that must all hold."""
        space = self.configuration_space
        return {name: tuple(space.parent_conditions_of[name]) for name in space}

    @cached_property
    def parameters(self) -> tuple[Number | Choice, ...]:
        """Every declared hyperparameter, each after those that its conditions and its range look at."""
        space, public = self.configuration_space, _public_names(self.configuration_space, self.merged)
        # ConfigSpace lists parents before children; relative ranges come last, and no condition may look at them
        order = sorted(space, key=lambda name: name in self.relative)
        return tuple(parameter_from(space[name], name=public[name], when=self._when(name)) for name in order)

    def _when(self, name: str) -> str:
        """Say when a declared name is active; a relative one needs its base."""
        base = self.relative[name].to if name in self.relative else None
        return in_words((*self.conditions[name], *self.conditions.get(base or "", ())))

    @cached_property
    def by_name(self) -> tuple[Number | Choice, ...]:
        """Every declared hyperparameter in the order of `names`, the order of encoding."""
        order = [variant for name in self.names for variant in self.merged.get(name, (name,))]
        return tuple(sorted(self.parameters, key=lambda parameter: order.index(parameter.variant)))

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as plain JSON types."""
        return {
            "format": FORMAT,
            "names": list(self.names),
            "relative": {name: {"to": r.to, "upper": r.upper} for name, r in sorted(self.relative.items())},
            "merged": {name: list(variants) for name, variants in sorted(self.merged.items())},
            "optional": sorted(self.optional),
            "configuration_space": deepcopy(self.declared),
        }


def declare(
    configuration_space: ConfigSpace.ConfigurationSpace,
    *,
    relative: Mapping[str, RelativeRange] | None = None,
    merged: Mapping[str, Sequence[str]] | None = None,
    optional: Collection[str] = (),
    names: Sequence[str] | None = None,
) -> Declaration:
    """Check the parts of a search space against each other.

    Raises:
        SpaceError: If a note names what is not declared, or the parts contradict each other.
    """
    groups = {name: tuple(variants) for name, variants in (merged or {}).items()}
    if not isinstance(configuration_space, ConfigSpace.ConfigurationSpace):
        raise SpaceError(
            f"wanted a ConfigurationSpace, got {configuration_space!r}; at2.tune and at2.Recommender take a dict of "
            "ranges as it is"
        )
    if not len(configuration_space):
        raise SpaceError("a search space needs at least one hyperparameter, got none")
    _check_merged(configuration_space, groups)
    public = tuple(dict.fromkeys(_public_names(configuration_space, groups).values()))
    names = public if names is None else tuple(names)
    if sorted(names) != sorted(public):
        raise SpaceError(f"names must list each of {sorted(public)} once, got {list(names)}")
    if strange := set(optional) - set(public):
        raise SpaceError(f"optional names {sorted(strange)} are not in the space, which has {list(names)}")
    declaration = Declaration(_to_plain(configuration_space), dict(relative or {}), groups, frozenset(optional), names)
    _check_relative(declaration)
    return declaration


def from_json(saved: Mapping[str, Any]) -> Declaration:
    """Read what `Declaration.to_json` wrote.

    Raises:
        SpaceError: If it is of another format, or damaged.
    """
    if not isinstance(saved, Mapping) or saved.get("format") != FORMAT:
        found = saved.get("format") if isinstance(saved, Mapping) else type(saved).__name__
        raise SpaceError(f"a saved search space has format {FORMAT!r}, got {found!r}")
    try:
        space = ConfigSpace.ConfigurationSpace.from_serialized_dict(deepcopy(dict(saved["configuration_space"])))
        relative = {name: RelativeRange(note["to"], note["upper"]) for name, note in saved["relative"].items()}
        merged, optional, names = saved["merged"], saved["optional"], saved["names"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpaceError(f"the saved search space is damaged: {type(error).__name__}: {error}") from error
    return declare(space, relative=relative, merged=merged, optional=optional, names=names)


def _to_plain(space: ConfigSpace.ConfigurationSpace) -> dict[str, Any]:
    """Write ConfigSpace's JSON form without NumPy types and without the version, which is no part of the space."""

    def plain(value: object) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise SpaceError(f"a declaration must be plain enough for JSON, got {value!r} of type {type(value).__name__}")

    declared: dict[str, Any] = json.loads(json.dumps(space.to_serialized_dict(), default=plain))
    declared.pop("python_module_version", None)
    return declared


def _public_names(space: ConfigSpace.ConfigurationSpace, merged: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Map each declared name to the name that users write."""
    of_variant = {variant: name for name, variants in merged.items() for variant in variants}
    return {name: of_variant.get(name, name) for name in space}


def _check_merged(space: ConfigSpace.ConfigurationSpace, merged: Mapping[str, Sequence[str]]) -> None:
    variants = [variant for group in merged.values() for variant in group]
    if strange := [variant for variant in variants if variant not in space]:
        raise SpaceError(f"merged names {strange} are not declared; the declaration has {list(space)}")
    if len(set(variants)) < len(variants):
        raise SpaceError(f"a declared hyperparameter may be merged into one name only, got {dict(merged)}")
    if taken := [name for name in merged if name in space and name not in variants]:
        raise SpaceError(f"merged name {taken[0]!r} is the name of another hyperparameter", parameter=taken[0])


def _check_relative(declaration: Declaration) -> None:
    """Refuse relative ranges that cannot be worked out in one pass."""
    by_variant = {parameter.variant: parameter for parameter in declaration.parameters}
    for name, note in declaration.relative.items():
        ratio, base = by_variant.get(name), by_variant.get(note.to)
        if not isinstance(ratio, Number) or ratio.integer or ratio.low <= 0:
            raise SpaceError(f"relative {name!r} must be declared as a float range of positive ratios", parameter=name)
        if not isinstance(base, Number) or note.to in declaration.relative or base.low <= 0:
            message = f"{name!r} is relative to {note.to!r}, which must be a declared number with a positive range"
            raise SpaceError(message, parameter=name)
    for name, conditions in declaration.conditions.items():
        if looked_at := parents(conditions) & set(declaration.relative):
            message = f"{name!r} depends on {sorted(looked_at)}, whose range is relative; conditions may not look there"
            raise SpaceError(message, parameter=name)
