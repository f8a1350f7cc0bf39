"""Options and kinds of option values that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def record_option(content: str) -> Callable[[Command], Command]:
    """Give the option ``--record``: the folder for what a command writes."""
    return click.option(
        "--record",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("record"),
        show_default=True,
        help=f"Folder for {content}.",
    )


def format_option(shown: str, *, more: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give the option ``--format``, which arrives as ``fmt``; `more` than a table and Markdown where a command can."""
    return click.option(
        "--format",
        "fmt",
        type=click.Choice(["table", "markdown", *more]),
        default="table",
        show_default=True,
        help=f"How the {shown} shown.",
    )


def goal_option(default: str) -> Callable[[Command], Command]:
    """Give the option ``--goal`` of the recommender."""
    return click.option(
        "--goal",
        type=click.Choice(["train", "recommend"]),
        default=default,
        show_default=True,
        help="The best trained model when the budget ends, or the configuration that is best in the end.",
    )


def table_options(command: Command) -> Command:
    """Add ``--out`` and ``--overwrite`` to a command that keeps a new table; `new_table_path` reads them."""
    command = click.option("--overwrite", is_flag=True, help="Replace a table or file that is there already.")(command)
    return click.option(
        "-o", "--out", type=click.Path(path_type=Path), help="Write this .h5 file instead of keeping it by name."
    )(command)


def new_table_path(name: str, out: Path | None, *, overwrite: bool) -> Path:
    """Return where a new table goes: to the file `out`, or where tables are kept by name.

    Raises:
        TableError: If no table can be kept by that name.
        FileError: If something is there already, and `overwrite` is not set.
    """
    from at2.errors import FileError
    from at2.tables import imported_path

    if out is not None and out.suffix.lower() not in (".h5", ".hdf5"):
        raise FileError(
            f"a table is kept in an HDF5 file; name {out} with .h5 (`at2 tables export` writes others)", path=out
        )
    path = out or imported_path(name)
    if path.exists() and not overwrite:
        there, other = (f"{path}", "file with --out") if out else (f"a table {name!r} ({path})", "name")
        message = f"there is {there} already; pass --overwrite to replace it, or choose another {other}"
        raise FileError(message, path=path)
    return path


summary_option = click.option(
    "--summary", type=click.Path(dir_okay=False, path_type=Path), help="Also write what is shown, as CSV."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress and no table, for logs.")


class CommaList(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "list"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split the words; an empty one is a wrong call."""
        words = value if isinstance(value, tuple) else tuple(word.strip() for word in str(value).split(","))
        if not all(words):
            self.fail(f"words with commas between them wanted, {value!r} came", param, ctx)
        return tuple(dict.fromkeys(words))


class NumberList(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 0 with commas between them."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Split the numbers; anything else is a wrong call."""
        words = [str(number) for number in value] if isinstance(value, tuple) else str(value).split(",")
        if not all(word.strip().isdecimal() for word in words):
            self.fail(f"whole numbers from 0 with commas between them wanted, {value!r} came", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))
