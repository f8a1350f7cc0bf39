"""Get the authors' files, check each against its published SHA-256, and keep them as tables in the cache folder."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from at2.errors import ChecksumError, FileError, UnknownNameError
from at2.tables.published.authors import PUBLISHED, Published, convert
from at2.tables.storage.files import data_path, home_folder
from at2.tables.storage.frames import close_matches
from at2.tables.table import LearningCurveTable

__all__ = ["RegisteredFile", "fetch_tables", "read_registry", "table_path"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = (5.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes: without a network the answer comes soon."""
_PAIRS_FILE = "train_test_pairs.json"


@dataclass(frozen=True)
class RegisteredFile:
    """One line of the registry: a published file, its SHA-256 and where it lies."""

    name: str
    sha256: str
    address: str


def read_registry(path: str | Path | None = None) -> dict[str, RegisteredFile]:
    """Read the registry of published files.

    Args:
        path: A text file with a line ``name sha256 address`` per file; None takes the one that ships with at2.

    Raises:
        FileError: If a line is not of that form.

    Example:
        >>> read_registry()["HyperRec/configs.pkl"].sha256[:8]
        '343ce512'
    """
    path = data_path("registry.txt") if path is None else Path(path)
    files = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            words = line.split()
            if len(words) != 3 or len(words[1]) != 64:
                raise FileError(f"{path}, line {number}: 'name sha256 address' is wanted, not {line!r}", path=path)
            files[words[0]] = RegisteredFile(*words)
    return files


def table_path(name: str, home: Path | None = None) -> Path:
    """Return where the cache keeps a table of that name, whether it is there or not."""
    return (home or home_folder()) / "tables" / f"{name}.h5"


def fetch_tables(
    names: Iterable[str] = ("hyperrec", "lcbench"),
    *,
    mirror: str | None = None,
    home: Path | None = None,
    registry: str | Path | None = None,
    force: bool = False,
    on_step: Callable[[str], None] = _log.info,
) -> dict[str, Path]:
    """Fetch published tables and convert them; what is there and whole is kept.

    Files are compared with their published SHA-256 before anything in them is read. Two processes may fetch the same
    table at once: every file appears whole or not at all.

    Args:
        names: Which tables.
        mirror: A folder or an http address to take the files from; None takes ``AT2_MIRROR``, else their addresses.
        home: Cache folder; None takes ``AT2_HOME``, else the platform's.
        registry: Registry of files; None takes the one that ships with at2.
        force: Fetch and convert again even what is there.
        on_step: Is told what happens, one line at a time.

    Returns:
        The path of each table.

    Raises:
        UnknownNameError: If no such table is published.
        FileError: If a file cannot be got or written; the message says how else to get it.
        ChecksumError: If a file is not the published one.
    """
    files, home = read_registry(registry), home or home_folder()
    source = _Source.of(mirror if mirror is not None else os.environ.get("AT2_MIRROR", ""))
    paths = {}
    for name in dict.fromkeys(name.lower() for name in names):
        if name not in PUBLISHED:
            raise UnknownNameError(f"no published table {name!r}; {close_matches(name, list(PUBLISHED))}")
        paths[name] = table_path(name, home)
        wanted = {file: files[file] for file in (*PUBLISHED[name].files, _PAIRS_FILE)}
        if not force and _is_current(paths[name], wanted):
            on_step(f"{name}: is there, {paths[name]}")
            continue
        _make_table(PUBLISHED[name], wanted, source, home, on_step).to_hdf5(paths[name])
        on_step(f"{name}: converted to {paths[name]}")
    return paths


def _make_table(
    published: Published,
    files: dict[str, RegisteredFile],
    source: _Source,
    home: Path,
    on_step: Callable[[str], None],
) -> LearningCurveTable:
    contents = {}
    for file in files.values():
        on_step(f"{published.name}: fetching {file.name} from {source.describe(file)}")
        contents[file.name] = _verified(_download(file, source, home / "authors"), file)
    table = convert(published, *(contents[name] for name in published.files))
    table.notes["sha256"] = {file.name: file.sha256 for file in files.values()}
    return table


def _is_current(path: Path, files: dict[str, RegisteredFile]) -> bool:
    """Tell whether a converted table is whole and was made from these very files."""
    if not path.is_file():
        return False
    try:
        notes = LearningCurveTable.from_hdf5(path).notes
    except FileError as error:
        _log.warning("%s; it is made again", error)
        return False
    return bool(notes.get("sha256") == {file.name: file.sha256 for file in files.values()})


def _verified(path: Path, file: RegisteredFile) -> bytes:
    """Return the bytes of a file, which are the very bytes that were hashed."""
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != file.sha256:
        raise _wrong_checksum(file, str(path), found)
    return data


def _download(file: RegisteredFile, source: _Source, folder: Path) -> Path:
    """Bring a file into the cache, unless it is there and whole."""
    import pooch

    try:
        with _quiet(pooch.get_logger()):
            got = pooch.retrieve(
                source.address(file),
                known_hash=f"sha256:{file.sha256}",
                fname=Path(file.name).name,
                path=folder / Path(file.name).parent,
                downloader=source.download,
            )
    except FileError:
        raise
    except ValueError as error:  # the hash differs; pooch has deleted what came
        raise _wrong_checksum(file, source.address(file), None) from error
    except OSError as error:
        if not _is_network_error(error):
            raise FileError(
                f"{folder}: {file.name} cannot be kept there ({error}); set AT2_HOME to a folder that can be written",
                path=folder,
            ) from error
        raise _unreachable(file, source, error) from error
    return Path(got)


@dataclass(frozen=True)
class _Source:
    """Where files come from: their own addresses, an http mirror, or a folder."""

    mirror: str

    @classmethod
    def of(cls, mirror: str) -> _Source:
        """Check a mirror at the door."""
        if mirror and "://" not in mirror and not Path(mirror).expanduser().is_dir():
            raise FileError(
                f"AT2_MIRROR is {mirror!r}, which is no folder; name a folder or an http address", path=mirror
            )
        if "://" in mirror and not mirror.startswith(("http://", "https://")):
            raise FileError(f"AT2_MIRROR is {mirror!r}; name a folder or an http address", path=mirror)
        return cls(mirror)

    @property
    def is_folder(self) -> bool:
        return bool(self.mirror) and "://" not in self.mirror

    def address(self, file: RegisteredFile) -> str:
        if self.is_folder:
            return str(Path(self.mirror).expanduser() / file.name)
        return f"{self.mirror.rstrip('/')}/{file.name}" if self.mirror else file.address

    def describe(self, file: RegisteredFile) -> str:
        return self.address(file).removesuffix(file.name).rstrip("/")

    def download(self, address: str, output: Any, pooch_object: Any) -> None:
        """Bring one file to `output`, as pooch's downloaders do."""
        import pooch

        if not self.is_folder:
            pooch.HTTPDownloader(timeout=_TIMEOUT_S)(address, output, pooch_object)
        elif Path(address).is_file():
            shutil.copyfile(address, output)
        else:
            raise FileError(f"{address}: no such file in the mirror; point AT2_MIRROR at a complete copy", path=address)


def _is_network_error(error: OSError) -> bool:
    return type(error).__module__.startswith(("requests", "urllib3"))


def _unreachable(file: RegisteredFile, source: _Source, error: OSError) -> FileError:
    return FileError(
        f"{source.address(file)}: cannot be fetched ({type(error).__name__}: {str(error)[:200]}). Without "
        "network, copy the data folder of the authors from elsewhere and set AT2_MIRROR to it (folder or http address)",
        path=source.address(file),
    )


def _wrong_checksum(file: RegisteredFile, where: str, found: str | None) -> ChecksumError:
    return ChecksumError(
        f"{where}: not the published {file.name}: SHA-256 {file.sha256} is wanted, {found or 'another'} came; nothing "
        "of it was read. Fetch again, or set AT2_MIRROR to a good copy",
        path=where,
    )


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from writing its progress to the screen; ours goes through `on_step`."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
