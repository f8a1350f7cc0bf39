"""A headless Chromium without a network, to look at a page as a reader would."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from at2.errors import MissingExtraError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def missing_browser() -> str | None:
    """Say what is missing for looking at a page, None if nothing is."""
    try:
        import selenium  # noqa: F401
    except ModuleNotFoundError:
        return "selenium is not installed; pip install 'at2[dev]'"
    if _program(_BROWSERS) is None or _program(("chromedriver",)) is None:
        return "there is no Chromium with its driver; on Debian: apt-get install chromium chromium-driver"
    return None


def require_browser() -> None:
    """Raise MissingExtraError where something is missing for looking at a page."""
    missing = missing_browser()
    if missing is not None:
        raise MissingExtraError(f"looking at a page needs a browser: {missing}")


@contextlib.contextmanager
def open_browser(*, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Give a Selenium driver of a fresh Chromium that can reach no network.

    Args:
        width: Of the window, in pixels.
        height: Of the window.

    Raises:
        MissingExtraError: If Selenium or Chromium is missing.
    """
    require_browser()
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(_program(_BROWSERS))
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=_program(("chromedriver",)), log_output=os.devnull)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            _cut_off(driver)
            _resize(driver, width, height)
            yield driver
        finally:
            driver.quit()


def load_page(driver: Any, page: Path, *, timeout_s: float = 120.0) -> float:
    """Open a report and give the seconds until everything on it was drawn.

    Raises:
        TimeoutError: If that takes too long; the message holds what the console says.
    """
    start = time.perf_counter()
    driver.get(page.resolve().as_uri())
    while driver.execute_script("return document.body.dataset.ready") != "yes":
        if time.perf_counter() - start > timeout_s:
            raise TimeoutError(f"{page} was not drawn within {timeout_s:g} s; its console says {console(driver)}")
        time.sleep(0.01)
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    return time.perf_counter() - start


def console(driver: Any) -> list[str]:
    """Give what the page wrote to the console since the last call, errors of the page included."""
    return [f"{line['level']}: {line['message']}" for line in driver.get_log("browser")]


def _cut_off(driver: Any) -> None:
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)


def _resize(driver: Any, width: int, height: int) -> None:
    """Set the size of the page, which may be smaller than the smallest window."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def _program(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)
