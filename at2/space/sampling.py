"""Drawing configurations from the priors of a declaration."""

from __future__ import annotations

import numpy as np

from at2.errors import SpaceError
from at2.space.conditions import Values
from at2.space.declaration import Declaration
from at2.space.parameters import Choice, Number, Value
from at2.space.walk import is_forbidden, public, walk

MAX_ROUNDS = 1000
"""How often to draw again what was forbidden."""


def sample(declaration: Declaration, n: int, rng: np.random.Generator) -> list[dict[str, Value]]:
    """Draw n configurations, independently.

    Raises:
        SpaceError: If nearly every draw is forbidden.
        ValueError: If `n` is negative.
    """
    if n < 0:
        raise ValueError(f"the number of configurations must be >= 0, got {n}")
    found: list[dict[str, Value]] = []
    for _ in range(MAX_ROUNDS):
        if len(found) == n:
            return found
        drawn = _draw(declaration, n - len(found), rng)
        found += [public(declaration, values) for values in drawn if not is_forbidden(declaration, values)]
    raise SpaceError(f"only {len(found)} of {n} configurations were not forbidden after {MAX_ROUNDS} rounds of draws")


def _draw(declaration: Declaration, n: int, rng: np.random.Generator) -> list[Values]:
    """Draw every hyperparameter n times, then keep those that are active together.

    Dropping what is inactive leaves the distribution of a draw from parent to child, and the draws run in NumPy.
    """
    drawn = {parameter.variant: _column(declaration, parameter, n, rng) for parameter in declaration.parameters}

    def row(i: int) -> Values:
        return walk(declaration, lambda parameter, _: drawn[parameter.variant][i])

    return [row(i) for i in range(n)]


def _column(
    declaration: Declaration, parameter: Number | Choice, n: int, rng: np.random.Generator
) -> list[Value | None]:
    """Draw n values of one hyperparameter; None where an optional one is left out."""
    stream = np.random.RandomState(rng.integers(2**32))  # ConfigSpace takes no Generator
    raw = declaration.configuration_space[parameter.variant].sample_value(n, seed=stream)
    if isinstance(parameter, Number):
        raw = np.clip(raw, parameter.low, parameter.high)  # rounding of exp(log(x)) may step over an end
    values: list[Value | None] = [parameter.check(value) for value in raw.tolist()]
    if parameter.name in declaration.optional:
        left_out = rng.random(n) < 0.5
        return [None if skip else value for skip, value in zip(left_out, values, strict=True)]
    return values
