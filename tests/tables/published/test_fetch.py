import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from at2.errors import ChecksumError, CorruptFileError, FileError, TableError, UnknownNameError, UnsafePickleError
from at2.tables import LearningCurveTable, fetch_tables, imported_path, list_tables, load_table
from at2.tables.published.fetch import read_registry
from tests.tables.conftest import write_registry


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Not on the screen."""


@pytest.fixture
def address(mirror: Path) -> Iterator[str]:
    """The mirror as an http address."""
    handler = functools.partial(_Quiet, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestFetch:
    def test_from_a_folder(self, mirror: Path, home: Path) -> None:
        steps: list[str] = []
        paths = fetch_tables(mirror=str(mirror), on_step=steps.append)
        assert paths == {name: home / "tables" / f"{name}.h5" for name in ("hyperrec", "lcbench")}
        assert LearningCurveTable.from_hdf5(paths["hyperrec"]).shape == (3, 2, 4, 6)
        assert LearningCurveTable.from_hdf5(paths["lcbench"]).shape == (2, 1, 3, 4)
        assert len([step for step in steps if "fetching" in step]) == 6
        assert not any(name.endswith(".part") for name in files_below(home))

    def test_from_an_http_address(self, address: str, home: Path) -> None:
        for mirror in (address, address + "/"):
            path = fetch_tables(["HyperRec"], mirror=mirror, force=True)["hyperrec"]
            assert LearningCurveTable.from_hdf5(path).name == "hyperrec"

    def test_what_is_there_is_kept(self, mirror: Path, home: Path) -> None:
        path = fetch_tables(["lcbench"], mirror=str(mirror))["lcbench"]
        before, steps = path.stat().st_mtime_ns, []
        fetch_tables(["lcbench"], mirror=str(mirror), on_step=steps.append)
        assert path.stat().st_mtime_ns == before
        assert steps == [f"lcbench: is there, {path}"]
        fetch_tables(["lcbench"], mirror=str(mirror), force=True)
        assert path.stat().st_mtime_ns > before

    def test_a_damaged_or_outdated_table_is_made_again(self, mirror: Path, home: Path, registry: Path) -> None:
        path = fetch_tables(["lcbench"], mirror=str(mirror))["lcbench"]
        path.write_bytes(path.read_bytes()[:500])
        fetch_tables(["lcbench"], mirror=str(mirror))
        assert LearningCurveTable.from_hdf5(path).name == "lcbench"
        before = path.stat().st_mtime_ns
        (mirror / "train_test_pairs.json").write_text("{}")
        write_registry(registry.parent, mirror)
        fetch_tables(["lcbench"], mirror=str(mirror))
        assert path.stat().st_mtime_ns > before

    def test_a_damaged_download_in_the_cache_is_fetched_again(self, mirror: Path, home: Path) -> None:
        fetch_tables(["lcbench"], mirror=str(mirror))
        (home / "authors" / "LCBench" / "configs.pkl").write_bytes(b"damaged")
        fetch_tables(["lcbench"], mirror=str(mirror), force=True)
        assert LearningCurveTable.from_hdf5(home / "tables" / "lcbench.h5").shape == (2, 1, 3, 4)

    def test_several_processes_at_once(self, mirror: Path, registry: Path, home: Path) -> None:
        code = f"from at2.tables import fetch_tables as f; f(mirror={str(mirror)!r}, registry={str(registry)!r})"
        running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        assert load_table("hyperrec").shape == (3, 2, 4, 6)
        assert files_below(home / "tables") == {"hyperrec.h5", "lcbench.h5"}


class TestRefusals:
    @pytest.mark.parametrize("by_http", [False, True])
    def test_a_wrong_checksum_is_noticed_before_anything_is_read(
        self, by_http: bool, mirror: Path, home: Path, request: pytest.FixtureRequest
    ) -> None:
        hostile = b"cposix\nsystem\n(X\x0c\x00\x00\x00touch hackedtR."
        (mirror / "HyperRec" / "configs.pkl").write_bytes(hostile)
        source = request.getfixturevalue("address") if by_http else str(mirror)
        with pytest.raises(ChecksumError, match=r"not the published HyperRec/configs\.pkl: SHA-256 .* AT2_MIRROR"):
            fetch_tables(["hyperrec"], mirror=source)
        assert files_below(home) == set()

    def test_a_file_that_changes_between_download_and_use(
        self, mirror: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("at2.tables.published.fetch._download", lambda file, *_: mirror / file.name)
        (mirror / "HyperRec" / "configs.pkl").write_bytes(b"swapped")
        found = hashlib.sha256(b"swapped").hexdigest()
        with pytest.raises(ChecksumError, match=f"{found} came; nothing of it was read"):
            fetch_tables(["hyperrec"], mirror=str(mirror))

    def test_a_hostile_file_with_the_right_sum(self, mirror: Path, home: Path, registry: Path) -> None:
        (mirror / "HyperRec" / "configs.pkl").write_bytes(b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00x\x85R.")
        write_registry(registry.parent, mirror)
        with pytest.raises(UnsafePickleError, match=r"names 'posix\.system'"):
            fetch_tables(["hyperrec"], mirror=str(mirror))
        assert not (home / "tables").exists()

    def test_no_network(self, home: Path) -> None:
        with pytest.raises(FileError, match=r"127\.0\.0\.1:9/.* cannot be fetched .*set AT2_MIRROR to it"):
            fetch_tables(["lcbench"])
        assert files_below(home) == set()

    def test_a_mirror_that_lacks_a_file(self, mirror: Path, address: str, home: Path) -> None:
        (mirror / "LCBench" / "profiles.pkl").unlink()
        with pytest.raises(FileError, match=r"profiles\.pkl: no such file in the mirror"):
            fetch_tables(["lcbench"], mirror=str(mirror))
        with pytest.raises(FileError, match=r"profiles\.pkl: cannot be fetched .*404"):
            fetch_tables(["lcbench"], mirror=address)

    def test_mirrors_and_names_that_are_none(self, mirror: Path, home: Path) -> None:
        with pytest.raises(FileError, match="no folder; name a folder or an http address"):
            fetch_tables(mirror=str(mirror / "absent"))
        with pytest.raises(FileError, match="name a folder or an http address"):
            fetch_tables(mirror="ftp://example.org")
        with pytest.raises(UnknownNameError, match="no published table 'hyperec'; did you mean hyperrec"):
            fetch_tables(["hyperec"], mirror=str(mirror))

    def test_a_cache_that_cannot_be_written(self, mirror: Path, home: Path) -> None:
        home.write_text("a file where the folder should be")
        with pytest.raises(FileError, match="set AT2_HOME to a folder that can be written"):
            fetch_tables(["lcbench"], mirror=str(mirror))

    def test_the_registry(self, tmp_path: Path) -> None:
        assert set(read_registry()) == {
            *(f"{folder}/{file}.pkl" for folder in ("HyperRec", "LCBench") for file in ("configs", "profiles")),
            "train_test_pairs.json",
        }
        (tmp_path / "r").write_text("file sum\n")
        with pytest.raises(FileError, match="line 1: 'name sha256 address' is wanted"):
            read_registry(tmp_path / "r")


class TestByName:
    def test_a_published_table_is_converted_from_the_mirror(
        self, mirror: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(FileError, match="run `at2 tables fetch lcbench`, or set AT2_MIRROR"):
            load_table("lcbench")
        monkeypatch.setenv("AT2_MIRROR", str(mirror))
        assert load_table("LCBench").shape == (2, 1, 3, 4)
        monkeypatch.delenv("AT2_MIRROR")
        assert load_table("lcbench").equals(load_table(str(home / "tables" / "lcbench.h5")))

    def test_files_and_imported_tables(self, table: LearningCurveTable, home: Path, tmp_path: Path) -> None:
        table.to_hdf5(tmp_path / "mine.h5")
        for path in (tmp_path / "mine.h5", str(tmp_path / "mine.h5"), os.path.relpath(tmp_path / "mine.h5")):
            assert load_table(path).equals(table)
        table.to_hdf5(imported_path("mine"))
        assert load_table("mine").equals(table)
        entries = {entry.name: entry for entry in list_tables()}
        assert entries["mine"].origin == "imported"
        assert entries["hyperrec"].path is None

    def test_unknown(self, home: Path) -> None:
        with pytest.raises(UnknownNameError, match="no table 'hyperrek'; did you mean hyperrec"):
            load_table("hyperrek")
        with pytest.raises(FileError, match="no such file"):
            load_table("hyperrek.h5")

    def test_a_damaged_one_says_how_to_get_it_again(self, mirror: Path, home: Path) -> None:
        path = fetch_tables(["lcbench"], mirror=str(mirror))["lcbench"]
        path.write_bytes(b"x")
        with pytest.raises(CorruptFileError, match="delete it and fetch it again with `at2 tables fetch`"):
            load_table("lcbench")

    @pytest.mark.parametrize("name", ["", "A", "a/b", "../a", ".a", "hyperrec", "digits", "a.h5"])
    def test_names_for_ones_own_tables(self, name: str) -> None:
        with pytest.raises(TableError, match="name"):
            imported_path(name)


@pytest.mark.network
def test_the_authors_repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    paths = fetch_tables(home=home)
    assert LearningCurveTable.from_hdf5(paths["hyperrec"]).shape == (27, 2, 100, 75)
    assert np.isfinite(LearningCurveTable.from_hdf5(paths["lcbench"]).curves()).all()
