"""Where there is no browser, a line says so, and what to do."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from at2.bench import browser
from at2.cli.main import cli
from at2.errors import MissingExtraError


@pytest.fixture(autouse=True)
def _without_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "_program", lambda names: None)


def test_what_is_missing_is_said_with_the_way_out() -> None:
    assert "apt-get install chromium chromium-driver" in str(browser.missing_browser())
    with pytest.raises(MissingExtraError, match="looking at a page needs a browser: there is no Chromium"):
        browser.require_browser()


def test_the_bench_says_so_before_any_work(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["bench", "report", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is no Chromium with its driver" in result.output


def test_tests_are_left_out_unless_they_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conftest import _browser_lack

    monkeypatch.delenv("AT2_REQUIRE_BROWSER", raising=False)
    assert "there is no Chromium" in str(_browser_lack())
    monkeypatch.setenv("AT2_REQUIRE_BROWSER", "1")
    assert _browser_lack() is None
