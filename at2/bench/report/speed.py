"""How long a report takes: to make, to open in a browser, and to answer the slider."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from at2.bench.browser import load_page, open_browser, require_browser
from at2.bench.report.page import write_report
from at2.bench.speed.readings import Reading, time_reference

_OPEN_LIMIT_S = 3.0
_SLIDES = """
const done = arguments[0], slider = document.getElementById("step"), times = [];
document.getElementById("story").scrollIntoView();
function slide(step) {
  if (step > Number(slider.max) || times.length >= 12) { done(times); return; }
  const start = performance.now();
  slider.value = step;
  slider.dispatchEvent(new Event("input"));
  times.push(performance.now() - start);
  requestAnimationFrame(() => slide(step + 1));
}
(function begin() {
  if (story === null) setTimeout(begin, 20);
  else slide(1);
})();
"""


def measure_report(record: Path, *, repeats: int = 5) -> Iterator[Reading]:
    """Make a report of a record and look at it, each time in a fresh browser.

    Times count from asking for the page; that of the processor does not depend on what else the machine does. A slide
    is the time until the plots of a new step are drawn.

    Args:
        record: A record; the limit of 3 s is promised for one of 1,000 runs.
        repeats: How often the page is opened; the median counts.

    Yields:
        One reading after the other.

    Raises:
        FileError: If the record holds nothing to show.
        MissingExtraError: If Plotly, Selenium or Chromium is missing.
    """
    require_browser()
    reference_s = time_reference()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        files = write_report(record, Path(folder) / "report.html")
        made_s = time.perf_counter() - start
        yield Reading("runs in the report", files.n_run, "runs", None, None)
        yield Reading("make the report", made_s, "s", None, made_s / reference_s)
        yield Reading("size of the page", files.page.stat().st_size / 1e6, "MB", None, None)
        views, slides_ms = [], []
        for _ in range(repeats):
            with open_browser() as driver:
                views.append(_view(driver, files.page))
                slides_ms += _slide(driver)
    names = ("words and tables shown", "top of the page drawn", "processor time of its main thread until then")
    for name, values in zip(names, zip(*views, strict=True), strict=True):
        value = statistics.median(values)
        yield Reading(f"{name}, median of {repeats}", value, "s", _OPEN_LIMIT_S, value / reference_s)
    if slides_ms:
        slide_ms = statistics.median(slides_ms)
        yield Reading("move the slider, median", slide_ms, "ms", None, slide_ms / 1e3 / reference_s)


def _view(driver: Any, page: Path) -> tuple[float, float, float]:
    """Open the page; give the seconds to its words, to its plots, and what its main thread was busy."""
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    drawn_s = load_page(driver, page)
    found = {each["name"]: each["value"] for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    words_s = float(driver.execute_script("return document.body.dataset.readable")) / 1e3
    return words_s, drawn_s, float(found["ThreadTime"])


def _slide(driver: Any) -> list[float]:
    """Move the slider a dozen times and give the milliseconds of each; nothing where there is no run to show."""
    driver.set_script_timeout(110)
    shown = driver.execute_script("return !document.getElementById('story').hidden")
    return [float(each) for each in driver.execute_async_script(_SLIDES)] if shown else []
