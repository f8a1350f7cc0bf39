import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from at2.errors import CorruptFileError, FileError, MissingExtraError, TableError
from at2.tables.storage.formats import format_of, frame_bytes, read_frame_file, write_frame_file

FRAME = pd.DataFrame(
    {
        "lr": [1.053990000000012e-05, 0.1, np.nan],
        "name": ["007", None, 'a,"b"'],
        "n": [1, 2, 3],
        "flag": [True, False, True],
    },
    index=pd.Index([5, 6, 7], name="config_id"),
)


@pytest.mark.parametrize("fmt", ["csv", "json", "parquet"])
def test_numbers_come_back_to_the_last_digit(fmt: str, tmp_path: Path) -> None:
    path = tmp_path / f"frame.{fmt}"
    write_frame_file(FRAME, path)
    back = read_frame_file(path)
    pd.testing.assert_frame_equal(back[["lr", "n", "flag"]], FRAME.reset_index()[["lr", "n", "flag"]], rtol=0, atol=0)
    assert back["config_id"].tolist() == [5, 6, 7]
    assert [path.name for path in tmp_path.iterdir()] == [f"frame.{fmt}"]


def test_texts_of_digits_stay_texts_in_json_and_parquet(tmp_path: Path) -> None:
    for fmt in ("json", "parquet"):
        write_frame_file(FRAME, tmp_path / "x", fmt)  # type: ignore[arg-type]
        (tmp_path / "x").rename(tmp_path / f"x.{fmt}")
        assert read_frame_file(tmp_path / f"x.{fmt}")["name"].iloc[0] == "007"


def test_columns_that_are_numbers_and_an_index_that_only_counts() -> None:
    frame = pd.DataFrame([[0.5, 0.6]], columns=[1, 2])
    assert frame_bytes(frame, "csv") == b"1,2\n0.5,0.6\n"
    assert frame_bytes(frame, "json") == b'[{"1":0.5,"2":0.6}]'
    assert frame_bytes(frame.iloc[:0], "json") == b"[]"


def test_unknown_ends_of_names() -> None:
    with pytest.raises(TableError, match=r"ends in \.csv, \.json or \.parquet"):
        format_of("curves.xlsx")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b""), ("a.csv", b'"a'), ("a.json", b"{"), ("a.json", b"[1]"), ("a.json", b"{}"), ("a.parquet", b"PAR1")],
)
def test_damaged_files(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorruptFileError, match="cannot be read as"):
        read_frame_file(tmp_path / name)
    with pytest.raises(FileError, match="check the path"):
        read_frame_file(tmp_path / f"absent-{name}")


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'at2\[parquet\]'"):
        frame_bytes(FRAME, "parquet")
