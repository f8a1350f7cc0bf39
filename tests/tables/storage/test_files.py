from pathlib import Path

import pytest

from at2.errors import FileError
from at2.tables.storage import files


def test_data_files_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.data_path("registry.txt").read_text().startswith("#")
    package = tmp_path / "site-packages" / "at2"
    (package / "data").mkdir(parents=True)
    (package / "data" / "registry.txt").write_text("wheel")
    (package.parent / "data").mkdir()  # of somebody else
    (package.parent / "data" / "other.txt").write_text("")
    monkeypatch.setattr(files, "_PACKAGE", package)
    assert files.data_path("registry.txt").read_text() == "wheel"
    with pytest.raises(FileError, match=r"ships no data file 'other\.txt'; it ships registry\.txt"):
        files.data_path("other.txt")


def test_home_is_at2_home_else_the_platforms_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AT2_HOME", "~/somewhere")
    assert files.home_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("AT2_HOME")
    assert "at2" in files.home_folder().parts[-2:]


class TestWholeFile:
    def test_makes_the_folder_and_replaces_in_one_step(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "er" / "a.txt"
        for text in ("first", "second"):
            with files.whole_file(path) as temporary:
                assert temporary.parent == path.parent
                temporary.write_text(text)
            assert path.read_text() == text
        assert [file.name for file in path.parent.iterdir()] == ["a.txt"]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_a_block_that_raises_leaves_the_old_file(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        with pytest.raises(error), files.whole_file(path) as temporary:  # noqa: PT012 - it must fail half-way
            temporary.write_text("half")
            raise error
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_is_as_public_as_other_files(self, tmp_path: Path) -> None:
        with files.whole_file(tmp_path / "a") as temporary:
            temporary.write_text("")
        (tmp_path / "b").touch()
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
