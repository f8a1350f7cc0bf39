"""Where at2 keeps files, and how it writes one whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from at2.errors import FileError

__all__ = ["data_path", "folder_name", "home_folder", "whole_file"]

_PACKAGE = Path(__file__).resolve().parents[2]
_WAY_OUT = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system allows; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.ENOTDIR: "its folder is not a folder; check the path",
    errno.EISDIR: "it is a folder; give the name of a file",
}


def data_path(name: str) -> Path:
    """Return the path of a file that ships with at2, in an installed package and in a checkout alike.

    Args:
        name: Name below the data folder, such as ``"registry.txt"``.

    Returns:
        The path of the existing file.

    Raises:
        FileError: If at2 ships no such file.

    Example:
        >>> data_path("hyperrec_tasks.csv").name
        'hyperrec_tasks.csv'
    """
    folders = [_PACKAGE / "data"]  # in a wheel
    if (_PACKAGE.parent / "pyproject.toml").is_file():  # in a checkout
        folders.append(_PACKAGE.parent / "data")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    shipped = sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir()})
    raise FileError(f"at2 ships no data file {name!r}; it ships {', '.join(shipped) or 'none'}", path=name)


def folder_name(name: str | int) -> str:
    """Return a name that every file system takes, different for different names.

    Example:
        >>> folder_name("sample-3"), folder_name(12), folder_name("a/b")
        ('sample-3', '12', 'a_b-07f4401c')
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", str(name))[:80]
    if plain == str(name) and plain.strip("."):
        return plain
    return f"{plain}-{zlib.crc32(str(name).encode()):08x}"


def home_folder() -> Path:
    """Return the folder for fetched and converted tables: ``AT2_HOME``, else the platform's cache folder.

    The folder need not exist; whoever writes makes it.
    """
    home = os.environ.get("AT2_HOME")
    if home:
        return Path(home).expanduser()
    import pooch

    return Path(pooch.os_cache("at2"))


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and move the result to ``path`` once it is on the disk.

    When the block raises, nothing is left and a former file stays as it was.

    Args:
        path: Where the file shall be; its folder is made if it is missing.

    Yields:
        The temporary path, in the same folder.

    Raises:
        FileError: If the file cannot be written; the message says why, and the way out.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with whole_file(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _free_name(path)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except FileError:
        raise
    except OSError as error:
        reason = _WAY_OUT.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise FileError(f"{path}: cannot be written: {reason}. Nothing was left behind", path=path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _free_name(path: Path) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    temporary.touch(exist_ok=False)
    return temporary


def _flush(path: Path) -> None:
    """Bring a file to the disk, so that the move cannot get there first."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
