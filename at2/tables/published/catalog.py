"""Which tables there are on this machine, and how to get one by its name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from at2.errors import FileError, TableError, UnknownNameError
from at2.tables.published.authors import PUBLISHED
from at2.tables.published.fetch import fetch_tables, table_path
from at2.tables.storage.files import data_path, home_folder
from at2.tables.storage.frames import close_matches
from at2.tables.table import LearningCurveTable

__all__ = ["TableEntry", "imported_path", "list_tables", "load_table"]

_SHIPPED = ("digits",)


@dataclass(frozen=True)
class TableEntry:
    """A table that at2 knows by name.

    Args:
        name: What `load_table` takes.
        origin: Published by the authors, shipped with at2, or imported by the user.
        path: Its file, or None where it has to be fetched first.
    """

    name: str
    origin: Literal["published", "shipped", "imported"]
    path: Path | None


def list_tables(home: Path | None = None) -> list[TableEntry]:
    """Return the tables that can be had by name: published, shipped and imported ones.

    Args:
        home: Cache folder; None takes ``AT2_HOME``, else the platform's.
    """
    folder = (home or home_folder()) / "tables"
    cached = {path.stem: path for path in sorted(folder.glob("*.h5"))} if folder.is_dir() else {}
    entries = [TableEntry(name, "published", cached.pop(name, None)) for name in PUBLISHED]
    shipped = {name: path for name in _SHIPPED if (path := _shipped(name)) is not None and name not in cached}
    entries += [TableEntry(name, "shipped", path) for name, path in shipped.items()]
    return entries + [TableEntry(name, "imported", path) for name, path in cached.items()]


def load_table(name_or_path: str | Path, *, home: Path | None = None) -> LearningCurveTable:
    """Load a table by its name or from a file.

    A published table that is not on this machine is taken from ``AT2_MIRROR`` if that is set; nothing is downloaded
    from the authors' repository unless `fetch_tables` or ``at2 tables fetch`` is called.

    Args:
        name_or_path: A name, such as ``"hyperrec"`` or ``"lcbench"``, or the path of an ``.h5`` file.
        home: Cache folder; None takes ``AT2_HOME``, else the platform's.

    Raises:
        UnknownNameError: If there is no table of that name; the message lists those there are.
        FileError: If the table has to be fetched first, or the file cannot be read.
        CorruptFileError: If the file is truncated or damaged.
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".h5", ".hdf5")) or Path(text).name != text:
        return LearningCurveTable.from_hdf5(text)
    name, entries = text.lower(), {entry.name.lower(): entry for entry in list_tables(home)}
    if name not in entries:
        raise UnknownNameError(f"no table {text!r}; {close_matches(text, list(entries))}. A file's name ends in .h5")
    path = entries[name].path
    if path is None and os.environ.get("AT2_MIRROR"):
        path = fetch_tables([name], home=home)[name]
    if path is None:
        raise FileError(
            f"table {name!r} is not on this machine; run `at2 tables fetch {name}`, or set AT2_MIRROR to a folder or "
            "an http address with the authors' files",
            path=table_path(name, home),
        )
    return LearningCurveTable.from_hdf5(path)


def imported_path(name: str, home: Path | None = None) -> Path:
    """Return where a table of the user's own is kept, to be loaded by that name.

    Raises:
        TableError: If the name cannot be a file's name in lower case, or belongs to another table.

    Example:
        >>> imported_path("mine", Path("cache")).as_posix()
        'cache/tables/mine.h5'
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name) or name.endswith((".h5", ".hdf5")):
        raise TableError(f"a table's name consists of a-z, 0-9, '_', '-' and '.', not {name!r}; or write to a file")
    if name in (*PUBLISHED, *_SHIPPED):
        raise TableError(f"{name!r} is the name of a table that at2 knows already; choose another")
    return table_path(name, home)


def _shipped(name: str) -> Path | None:
    try:
        return data_path(f"{name}.h5")
    except FileError:
        return None
