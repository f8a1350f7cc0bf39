"""Configurations as rows of numbers, and back.

Every hyperparameter has columns of its own. NaN says "inactive" and nothing else does, so that no value, however
extreme, can be mistaken for absence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from at2.errors import ShapeError, SpaceError
from at2.space.conditions import Values
from at2.space.declaration import Declaration
from at2.space.parameters import Choice, Column, Floats, Number, Value
from at2.space.walk import public, read, refuse_forbidden, walk


def columns(declaration: Declaration) -> tuple[Column, ...]:
    """Return what each column stands for."""
    return tuple(column for parameter in declaration.by_name for column in parameter.columns)


def encode(declaration: Declaration, configs: Sequence[Mapping[Any, Any]] | pd.DataFrame) -> Floats:
    """Check n configurations and turn them into an array of shape ``(n, n_column)``.

    Raises:
        SpaceError: If a configuration is invalid; the message says which.
        ShapeError: If `configs` is a single configuration.
    """
    if isinstance(configs, Mapping):
        raise ShapeError("encode wants a list of configurations, got a single one; put it in a list")
    rows: Any = configs.to_dict("records") if isinstance(configs, pd.DataFrame) else configs
    return encode_values(declaration, [_read_row(declaration, config, i) for i, config in enumerate(rows)])


def encode_values(declaration: Declaration, values: Sequence[Values]) -> Floats:
    """Turn what was read of n configurations into an array of shape ``(n, n_column)``."""
    encoded = np.full((len(values), len(columns(declaration))), np.nan)
    for parameter, cells in _cells(declaration):
        at = [i for i, found in enumerate(values) if parameter.variant in found]
        if at:
            encoded[at, cells] = parameter.encode([values[i][parameter.variant] for i in at])
    return encoded


def decode(declaration: Declaration, row: npt.ArrayLike) -> dict[str, Value]:
    """Return the configuration nearest to a row of shape ``(n_column,)``.

    Raises:
        ShapeError: If `row` has another shape.
        SpaceError: If that configuration is forbidden.
    """
    array, n_column = np.asarray(row, dtype=np.float64), len(columns(declaration))
    if array.shape != (n_column,):
        raise ShapeError(f"an encoded configuration has shape ({n_column},), got {array.shape}")
    where = {parameter.variant: cells for parameter, cells in _cells(declaration)}

    def pick(parameter: Number | Choice, _: Values) -> Value | None:
        cells = array[where[parameter.variant]]
        left_out = parameter.name in declaration.optional and bool(np.isnan(cells).all())
        return None if left_out else parameter.decode(cells)

    values = walk(declaration, pick)
    refuse_forbidden(declaration, values)
    return public(declaration, values)


def _cells(declaration: Declaration) -> list[tuple[Number | Choice, slice]]:
    """Say which columns belong to each declared hyperparameter."""
    ends = np.cumsum([0, *(len(parameter.columns) for parameter in declaration.by_name)]).tolist()
    return [(p, slice(start, end)) for p, start, end in zip(declaration.by_name, ends[:-1], ends[1:], strict=True)]


def _read_row(declaration: Declaration, config: Mapping[Any, Any], i: int) -> Values:
    try:
        return read(declaration, config)
    except SpaceError as error:
        raise SpaceError(f"configuration {i}: {error}", parameter=error.parameter) from error
