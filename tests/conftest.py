"""What every test may use: the authors' tables where they are at hand, and a cache of its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, visibly in the count, the tests that need what this machine lacks: the authors' files, a browser."""
    absent = set() if _has_authors_files() else {"authors"}
    if _browser_lack() is not None:
        absent.add("browser")
    left_out = [item for item in items if absent & set(item.keywords)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not absent & set(item.keywords)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a plain line why the report was not looked at in a browser."""
    lack = _browser_lack()
    if lack is not None:
        terminalreporter.write_line(f"tests marked browser were left out: {lack}")


def _has_authors_files() -> bool:
    mirror = os.environ.get("AT2_MIRROR", "")
    return bool(mirror) and Path(mirror).is_dir()


def _browser_lack() -> str | None:
    """What is missing for the tests marked browser; None where nothing is, or where they must run anyway."""
    from at2.bench.browser import missing_browser

    return None if os.environ.get("AT2_REQUIRE_BROWSER") else missing_browser()


@pytest.fixture(scope="session", autouse=True)
def at2_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder that all workers of this test run share, so that no test reads or writes the user's own."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    home = base / "at2-home"
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AT2_HOME", str(home))
        if Path(os.environ.get("AT2_MIRROR") or "nowhere").is_dir():
            patch.setenv("AT2_MIRROR", str(Path(os.environ["AT2_MIRROR"]).resolve()))  # a test may change the folder
        yield home


def _load_published(name: str, home: Path) -> "LearningCurveTable":
    from filelock import FileLock

    from at2.tables import load_table

    with FileLock(home / f"{name}.lock"):  # one worker converts, the others read
        return load_table(name)


@pytest.fixture(scope="session")
def hyperrec(at2_home: Path) -> "LearningCurveTable":
    """The HyperRec table, converted from the mirror; for tests marked ``authors``."""
    return _load_published("hyperrec", at2_home)


@pytest.fixture(scope="session")
def lcbench(at2_home: Path) -> "LearningCurveTable":
    """The LCBench table, converted from the mirror; for tests marked ``authors``."""
    return _load_published("lcbench", at2_home)
