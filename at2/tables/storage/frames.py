"""Bring the frames of a table, tasks and configurations, into one shape; find names in them."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from at2.errors import TableError, UnknownNameError
from at2.scalars import is_whole

__all__ = ["config_frame", "ids_of_one_kind", "plain_value", "position", "task_frame"]


def task_frame(tasks: pd.DataFrame | Iterable[str]) -> pd.DataFrame:
    """Return tasks as a frame of facts indexed by their names.

    Args:
        tasks: Names, or a frame with the names as index or in a column ``task``.

    Returns:
        A new frame, index ``task`` of unique strings, a column per fact.

    Raises:
        TableError: If a name is not a string, or occurs twice.
    """
    frame = tasks if isinstance(tasks, pd.DataFrame) else pd.DataFrame(index=pd.Index(list(tasks), dtype=object))
    frame = _indexed(frame, "task")
    wrong = [name for name in frame.index if not isinstance(name, str) or not name]
    if wrong:
        raise TableError(f"task names are non-empty strings, but {wrong[0]!r} is one; rename it")
    return frame


def config_frame(configs: pd.DataFrame) -> pd.DataFrame:
    """Return configurations as a frame indexed by their ids, a column per hyperparameter.

    Args:
        configs: Frame with the ids as index or in a column ``config_id``; NaN or None where one is inactive.

    Returns:
        A new frame, index ``config_id`` of unique ints or strings; missing numbers are NaN.

    Raises:
        TableError: If an id occurs twice, or ids are neither all ints nor all strings.
    """
    if not isinstance(configs, pd.DataFrame):
        raise TableError(f"configurations come as a pandas DataFrame, not as a {type(configs).__name__}")
    frame = _indexed(configs, "config_id")
    kinds = {str if isinstance(i, str) else int if is_whole(i) else type(i) for i in frame.index}
    if not kinds <= {int} and not kinds <= {str}:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TableError(f"configuration ids are all ints or all strings, but these are {names}; convert them")
    return frame


def ids_of_one_kind(ids: Sequence[Sequence[Hashable]]) -> list[list[Hashable]]:
    """Return lists of configuration ids, all of them as text unless all are ints.

    Example:
        >>> ids_of_one_kind([[0, 1], ["a"]])
        [['0', '1'], ['a']]
    """
    if all(is_whole(name) for names in ids for name in names):
        return [list(names) for names in ids]
    return [[str(name) for name in names] for names in ids]


def position(index: pd.Index[Any], name: Hashable, kind: str) -> int:
    """Return where ``name`` stands in ``index``.

    Raises:
        UnknownNameError: If it is not there; the message lists close matches.
    """
    try:
        found = index.get_loc(name)
    except (KeyError, TypeError):
        found = None
    if isinstance(found, int) and not isinstance(name, bool):
        return found
    twin = next((item for item in index if str(item) == str(name)), None)
    if twin is not None:
        raise UnknownNameError(f"no {kind} {name!r} in this table; there is {twin!r}, of type {type(twin).__name__}")
    raise UnknownNameError(f"no {kind} {name!r} in this table; {close_matches(str(name), list(index))}")


def close_matches(name: str, known: Sequence[object]) -> str:
    """Say which known names are close to ``name``, or which there are."""
    texts = [str(item) for item in known]
    lower = {text.lower(): text for text in texts}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(texts[:10]) + (f", ... ({len(texts)} in all)" if len(texts) > 10 else "")
    return f"there are {shown or 'none'}"


def plain_value(value: Any) -> Any:
    """Return a cell as a plain Python value: numpy numbers become numbers, whole floats stay floats, NaN None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is None or value is pd.NA or (isinstance(value, float) and value != value) else value


def _indexed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = frame.set_index(name) if name in frame.columns else frame.copy()
    frame = frame.rename_axis(index=name, columns=None)
    if frame.index.nlevels == 1 and not isinstance(frame.index.dtype, np.dtype):  # nullable, of Arrow, or texts
        frame = frame.set_axis(pd.Index([plain_value(item) for item in frame.index], name=name))
    if frame.index.nlevels > 1 or not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()].tolist()[:1]
        raise TableError(f"every {name} must occur once, but {twice[0] if twice else 'a multi-index'!r} does not")
    wrong = [column for column in frame.columns if not isinstance(column, str) or not column]
    if wrong or not frame.columns.is_unique:
        raise TableError(f"columns of the {name} frame need unique names of text; rename {wrong or 'the doubled one'}")
    return frame.assign(**{str(column): plain_column(frame[column]) for column in frame.columns})


def plain_column(column: pd.Series[Any]) -> pd.Series[Any]:
    """Turn categories and nullable types into ints, floats with NaN, bools, or plain cells."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return column
    if pd.api.types.is_bool_dtype(dtype) and not column.isna().any():
        return column.astype(bool)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        if column.isna().any() or pd.api.types.is_float_dtype(dtype):
            return column.astype("float64")
        return column.astype("int64")
    return pd.Series([plain_value(cell) for cell in column], index=column.index, name=column.name).infer_objects()
