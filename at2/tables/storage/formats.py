"""Frames as CSV, JSON or Parquet, read and written; Parquet needs the extra ``at2[parquet]``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from at2.errors import CorruptFileError, FileError, MissingExtraError, TableError
from at2.tables.storage.files import whole_file
from at2.tables.storage.frames import plain_value

__all__ = ["FileFormat", "format_of", "frame_bytes", "read_frame_file", "write_frame_file"]

FileFormat = Literal["csv", "json", "parquet"]


def format_of(path: str | Path) -> FileFormat:
    """Return the format that a file's name ends in.

    Raises:
        TableError: If it ends in none that is known.

    Example:
        >>> format_of("curves.CSV")
        'csv'
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    for known in get_args(FileFormat):
        if suffix == known:
            return known  # type: ignore[no-any-return]
    raise TableError(f"{path}: a file's name ends in .csv, .json or .parquet, which says what it is")


def frame_bytes(frame: pd.DataFrame, fmt: FileFormat) -> bytes:
    """Return a frame in a file format; its index becomes the first column, unless it only counts.

    JSON is a list with an object per row, null where something is missing.

    Raises:
        MissingExtraError: If Parquet is asked for and pyarrow is not installed.

    Example:
        >>> frame_bytes(pd.DataFrame({"lr": [0.1, None]}, index=pd.Index([3, 4], name="config_id")), "json")
        b'[{"config_id":3,"lr":0.1},{"config_id":4,"lr":null}]'
    """
    plain = frame.index.name is None and frame.index.equals(pd.RangeIndex(len(frame)))
    flat = frame.reset_index(drop=plain)
    flat.columns = pd.Index([str(name) for name in flat.columns])
    if fmt == "csv":
        return flat.to_csv(index=False, lineterminator="\n").encode("utf-8")
    if fmt == "json":
        return _json(flat)
    _require_pyarrow()
    buffer = io.BytesIO()
    flat.to_parquet(buffer, index=False)
    return buffer.getvalue()


def write_frame_file(frame: pd.DataFrame, path: str | Path, fmt: FileFormat | None = None) -> None:
    """Write a frame to a file, whole or not at all.

    Args:
        frame: The frame.
        path: The file.
        fmt: Its format; None takes what the name ends in.

    Raises:
        FileError: If the file cannot be written.
        MissingExtraError: If Parquet is asked for and pyarrow is not installed.
    """
    data = frame_bytes(frame, fmt or format_of(path))
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def read_frame_file(path: str | Path) -> pd.DataFrame:
    """Read a frame from a CSV, JSON or Parquet file, told apart by the end of its name.

    Raises:
        FileError: If the file cannot be read.
        CorruptFileError: If it is not of the format that its name says.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """
    path, fmt = Path(path), format_of(path)
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path", path=path) from error
    if fmt == "parquet":
        _require_pyarrow()
    try:
        if fmt == "csv":
            return pd.read_csv(data)
        return _from_json(data) if fmt == "json" else pd.read_parquet(data)
    except (ValueError, OSError, TypeError) as error:  # pandas' and pyarrow's parsers refine these
        raise CorruptFileError(f"{path}: cannot be read as {fmt} ({error}); write it again", path=path) from error


def _json(frame: pd.DataFrame) -> bytes:
    """Write records with every digit; pandas' own writer rounds to decimals."""
    columns = [[plain_value(cell) for cell in frame[name].astype(object)] for name in frame.columns]
    records = [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    return json.dumps(records, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")


def _from_json(data: io.BytesIO) -> pd.DataFrame:
    """Read records as they are; pandas' own reader takes texts of digits for numbers and some names for dates."""
    records = json.load(data)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("a list of objects is wanted, one per row")
    return pd.DataFrame(records)


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401 - only to see whether it is there
    except ImportError as error:
        raise MissingExtraError("Parquet needs pyarrow, which is not installed: pip install 'at2[parquet]'") from error
