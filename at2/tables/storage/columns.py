"""Columns of a pandas frame as HDF5 datasets, and back.

A column is one of five kinds: ``int`` (int64), ``float`` (float32 or float64, NaN where missing), ``bool`` (int8),
``text`` (fixed-length UTF-8, empty where missing) and ``json`` (fixed-length UTF-8, one JSON value per cell) for the
rest. Fixed length keeps texts inside the chunks, where a checksum covers them.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from at2.errors import TableError
from at2.tables.storage.frames import plain_value

FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
"""Applied to every dataset: compressed, with a checksum per chunk."""


def write_array(group: Any, name: str, array: np.ndarray, *, chunks: tuple[int, ...] | bool = True) -> Any:
    """Write an array as a chunked, compressed, checked dataset; an empty one as it is."""
    if array.size == 0:
        return group.create_dataset(name, data=array)
    return group.create_dataset(name, data=array, chunks=chunks, **FILTERS)


def write_frame(group: Any, frame: pd.DataFrame) -> list[dict[str, str]]:
    """Write the columns of a frame and return their names and kinds, in order, for the header.

    Raises:
        TableError: If a cell can be written neither as a number nor as text nor as JSON.
    """
    columns = []
    for name in frame.columns:
        kind, array = _encode(frame[name])
        write_array(group, dataset_name(name), array)
        columns.append({"name": name, "kind": kind})
    return columns


def read_frame(group: Any, columns: list[dict[str, str]], index: pd.Index[Any]) -> pd.DataFrame:
    """Read the columns that the header names.

    Raises:
        ValueError: If a column has another length than the index.
    """
    series = {}
    for column in columns:
        cells = _decode(group[dataset_name(column["name"])][()], column["kind"])
        series[column["name"]] = pd.Series(cells, index=index).infer_objects()
    return pd.DataFrame(series, index=index)


def write_ids(group: Any, name: str, index: pd.Index[Any]) -> None:
    """Write unique ids, ints or texts."""
    _, array = _encode(index.to_series())
    write_array(group, name, array)


def read_ids(dataset: Any, name: str) -> pd.Index[Any]:
    """Read ids; the type of the dataset tells ints from texts."""
    array = dataset[()]
    cells = array if array.dtype.kind == "i" else _decode(array, "text")
    return pd.Series(cells, dtype=None if len(cells) else object).infer_objects().rename(name).pipe(pd.Index)


def dataset_name(column: str) -> str:
    """Return a column's name as HDF5 takes it: no slashes and no lone dot."""
    return quote(column, safe=" ()[]{}<>+-=,:;!?@#$&*^'\"|~") if column.strip(".") else column.replace(".", "%2E")


def _encode(column: pd.Series[Any]) -> tuple[str, np.ndarray]:
    kind = column.dtype.kind
    if kind in "iu":
        return "int", column.to_numpy(dtype=np.int64)
    if kind == "f":
        return "float", column.to_numpy()
    if kind == "b":
        return "bool", column.to_numpy(dtype=np.int8)
    cells = [plain_value(cell) for cell in column]
    if all(cell is None or (isinstance(cell, str) and cell and "\0" not in cell) for cell in cells):
        return "text", _bytes([cell or "" for cell in cells])
    try:
        return "json", _bytes([json.dumps(cell, allow_nan=False) for cell in cells])
    except (TypeError, ValueError) as error:
        raise TableError(
            f"column {column.name!r} holds values that are no numbers, texts or JSON ({error}); convert or drop it"
        ) from error


def _decode(array: np.ndarray, kind: str) -> Any:
    if kind == "text":
        return [cell.decode("utf-8") or None for cell in array.tolist()]
    if kind == "json":
        return [json.loads(cell) for cell in array.tolist()]
    if kind in ("int", "float"):
        return array
    if kind == "bool":
        return array.astype(bool)
    raise ValueError(f"unknown kind of column {kind!r}")


def _bytes(texts: list[str]) -> np.ndarray:
    encoded = [text.encode("utf-8") for text in texts]
    return np.array(encoded, dtype=f"S{max([1, *map(len, encoded)])}")
