"""The search space: which hyperparameters exist, which are active together, and what values they may take.

ConfigSpace holds the declaration (ranges, conditions, forbidden combinations). This module adds what real tables need
on top: ranges relative to another hyperparameter, one name with several ranges, names that may be left out, and an
encoding in which NaN says "inactive" and nothing else does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import ConfigSpace
import numpy as np
import numpy.typing as npt
import pandas as pd

from at2.space import encode as _encode
from at2.space import walk as _walk
from at2.space.conditions import Values
from at2.space.declaration import declare, from_json
from at2.space.lenient import Misfit, encode_leniently
from at2.space.parameters import Choice, Column, Floats, Number, Value
from at2.space.relative import RelativeRange
from at2.space.sampling import sample


class SearchSpace:
    """What can be tuned.

    Configurations are plain dicts that hold active hyperparameters only. The declaration is a ConfigSpace object, which
    is copied; its conditions, ordered categories, constants, priors and forbidden clauses keep their meaning.

    Args:
        configuration_space: The declaration.
        relative: Declared names whose declared range is a range of ratios to another hyperparameter; configurations
            hold the value itself, ``min(upper, ratio * base)``. Active only when the base is.
        merged: One public name for several declared ones, for a hyperparameter whose range depends on a condition. At
            most one of them may be active at a time. Each keeps a column of its own in the encoding.
        optional: Names that may be left out even where no condition switches them off. Half of all samples do so.
        names: The public names in the order of choice; None for ConfigSpace's order.

    Raises:
        SpaceError: If the parts do not fit together.

    Example:
        A network with an optional second layer, and a final learning rate below the initial one:

        >>> import ConfigSpace as cs
        >>> from at2.space import RelativeRange, SearchSpace
        >>> declared = cs.ConfigurationSpace(name="mlp")
        >>> depth = cs.Integer("depth", (1, 2))
        >>> width_2 = cs.Integer("width_2", (16, 256), log=True)
        >>> lr = cs.Float("lr", (1e-4, 1e-1), log=True)
        >>> final_lr = cs.Float("final_lr", (0.01, 1.0), log=True)  # a ratio to lr
        >>> _ = declared.add(depth, width_2, lr, final_lr, cs.EqualsCondition(width_2, depth, 2))
        >>> space = SearchSpace(declared, relative={"final_lr": RelativeRange("lr")})
        >>> space.validate({"depth": 1, "lr": 0.01, "final_lr": 0.001})
        {'depth': 1, 'final_lr': 0.001, 'lr': 0.01}
        >>> space.validate({"depth": 1, "width_2": 64, "lr": 0.01, "final_lr": 0.001})
        Traceback (most recent call last):
        ...
        at2.errors.SpaceError: 'width_2' is inactive here, got 64; leave it out (it is active when depth == 2)
        >>> space.encode([{"depth": 1, "lr": 0.01, "final_lr": 0.001}]).round(3)
        array([[0.   , 0.5  , 0.667,   nan]])
    """

    def __init__(
        self,
        configuration_space: ConfigSpace.ConfigurationSpace,
        *,
        relative: Mapping[str, RelativeRange] | None = None,
        merged: Mapping[str, Sequence[str]] | None = None,
        optional: Collection[str] = (),
        names: Sequence[str] | None = None,
    ) -> None:
        self._declaration = declare(
            configuration_space, relative=relative, merged=merged, optional=optional, names=names
        )

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> SearchSpace:
        """Read a space that `to_json` wrote.

        Raises:
            SpaceError: If `saved` is of another format, or damaged.
        """
        space = cls.__new__(cls)
        space._declaration = from_json(saved)
        return space

    @classmethod
    def infer(cls, frame: pd.DataFrame, *, name: str = "inferred") -> SearchSpace:
        """Guess a space from configurations that come without one; see :func:`at2.space.infer.infer_space`.

        Raises:
            SpaceError: If a column holds what no hyperparameter can be.
        """
        from at2.space.infer import infer_space

        return infer_space(frame, name=name)

    def to_json(self) -> dict[str, Any]:
        """Return the space as plain JSON types, for `from_json`."""
        return self._declaration.to_json()

    @property
    def name(self) -> str:
        """The declaration's name."""
        return str(self._declaration.declared.get("name") or "space")

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters' names, in the order of the encoding."""
        return self._declaration.names

    @property
    def configuration_space(self) -> ConfigSpace.ConfigurationSpace:
        """The space's own copy of the declaration; not to be changed."""
        return self._declaration.configuration_space

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What each column of the encoding stands for."""
        return _encode.columns(self._declaration)

    def ranges(self, name: str) -> tuple[Number | Choice, ...]:
        """Return what a hyperparameter may be, one for each time it is declared; not where another sets its range."""
        relative = self._declaration.relative
        return tuple(p for p in self._declaration.by_name if p.name == name and p.variant not in relative)

    def describe(self) -> pd.DataFrame:
        """Return the space as a table: a row per range, with columns hyperparameter, range and active_when."""
        rows = []
        for parameter in self._declaration.by_name:
            note = self._declaration.relative.get(parameter.variant)
            text = note.describe(parameter) if note and isinstance(parameter, Number) else parameter.describe()
            when = parameter.when or "always"
            optional = ", optional" if parameter.name in self._declaration.optional else ""
            rows.append((parameter.name, text, when + optional))
        return pd.DataFrame(rows, columns=["hyperparameter", "range", "active_when"])

    def sample(self, n: int, *, seed: int | np.random.Generator) -> list[dict[str, Value]]:
        """Draw configurations from the declaration's priors.

        Args:
            n: How many.
            seed: A whole number >= 0, or a generator, which is advanced. The same seed gives the same configurations.

        Raises:
            SpaceError: If nearly every draw is forbidden by the declaration.
            ValueError: If `n` or `seed` is negative.
        """
        return sample(self._declaration, n, np.random.default_rng(seed))

    def validate(self, config: Mapping[Any, Any]) -> dict[str, Value]:
        """Check a configuration and return it in plain Python types, in the order of `names`.

        None and NaN count as not given. Ranges include both ends and nothing beyond. The one exception is a relative
        range, whose ends are products: a value that misses one by rounding (1e-12 of it) is moved onto it.

        Raises:
            SpaceError: If a name is unknown, an active one is missing, an inactive one is given, a value is out of
                range, or the combination is forbidden. `.parameter` names the hyperparameter.
        """
        return _walk.public(self._declaration, _walk.read(self._declaration, config), config)

    def active(self, config: Mapping[Any, Any]) -> frozenset[str]:
        """Return the names that are active given the values in `config`, which may lack some and hold surplus ones.

        Raises:
            SpaceError: If a name is unknown, or the value of an active one is out of range.
        """
        found, names = _walk.given(self._declaration, config), set[str]()

        def pick(parameter: Number | Choice, values: Values) -> Value | None:
            names.add(parameter.name)
            if parameter.name not in found:
                return None
            return _walk.take(self._declaration, parameter, values, found[parameter.name])

        _walk.walk(self._declaration, pick)
        return frozenset(names)

    def encode(self, configs: Sequence[Mapping[Any, Any]] | pd.DataFrame) -> Floats:
        """Check configurations and turn them into numbers.

        Args:
            configs: Configurations, or a frame with one row each; None and NaN count as not given.

        Returns:
            Array of shape ``(n, len(columns))``. Numbers are scaled to [0, 1] over their range (in logarithms where
            declared so; relative ones by their ratio), options become 0/1 columns, ordered options ranks in [0, 1].
            NaN stands for inactive.

        Raises:
            SpaceError: As in `validate`; the message says which configuration.
            ShapeError: If `configs` is a single configuration.
        """
        return _encode.encode(self._declaration, configs)

    def encode_leniently(
        self, configs: Sequence[Mapping[Any, Any]]
    ) -> tuple[Floats, list[dict[str, Value] | None], list[Misfit]]:
        """Encode configurations of past tasks, whether or not this space allows them.

        Returns:
            Rows as from `encode`; each configuration as from `validate`, None where it is not valid; and every value
            that did not fit, with what was made of it.
        """
        return encode_leniently(self._declaration, configs)

    def decode(self, row: npt.ArrayLike) -> dict[str, Value]:
        """Return the configuration nearest to a row of numbers.

        Cells outside [0, 1] count as the nearer end, cells of inactive hyperparameters are ignored. An active one whose
        cells are all NaN gets its default, or stays out where it is optional.

        Raises:
            ShapeError: If `row` does not have the shape ``(len(columns),)``.
            SpaceError: If the declaration forbids the nearest configuration.
        """
        return _encode.decode(self._declaration, row)

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, SearchSpace) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.names))

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchSpace.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        return f"SearchSpace({self.name!r}, {len(self.names)} hyperparameters, {len(self.columns)} columns)"
