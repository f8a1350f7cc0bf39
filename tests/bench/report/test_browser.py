"""The page in a real browser that reaches no network: it is drawn, it answers, it fits a phone."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from at2.bench.browser import console, load_page, open_browser
from at2.bench.report import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(whole_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(whole_record, tmp_path_factory.mktemp("page") / "report.html").page


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with open_browser() as driver:
        yield driver


@pytest.fixture
def opened(driver: Any, page: Path) -> Any:
    """The page, freshly loaded, with the run step by step in view."""
    console(driver)
    load_page(driver, page)
    driver.execute_script("document.getElementById('story').scrollIntoView()")
    _wait(driver, "return document.querySelectorAll('#plot-curves .scatterlayer .trace').length > 0")
    return driver


def _wait(driver: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60, poll_frequency=0.02).until(lambda each: each.execute_script(condition))


def _lines(driver: Any, place: str) -> list[str]:
    """The drawn paths of a plot, and where its markers lie."""
    paths = f"[...document.querySelectorAll('#{place} .scatterlayer path')]"
    script = f"return {paths}.map((e) => e.getAttribute('d') + ' ' + e.getAttribute('transform'))"
    return [str(path) for path in driver.execute_script(script)]


def _shot(driver: Any) -> np.ndarray:
    from matplotlib.image import imread

    image: np.ndarray = imread(io.BytesIO(base64.b64decode(driver.get_screenshot_as_base64())))
    return image


def test_nothing_goes_wrong_and_nothing_is_fetched(opened: Any) -> None:
    assert console(opened) == []
    assert opened.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    assert opened.title == "at2 report: 20 runs"


def test_the_page_is_not_blank(opened: Any) -> None:
    opened.execute_script("scrollTo(0, 0)")
    image = _shot(opened)[..., :3].reshape(-1, 3)
    assert len(np.unique(image, axis=0)) > 100
    blue = np.abs(image - np.array([0x0B, 0x57, 0xD0]) / 255).max(axis=1) < 0.02  # at2's own colour
    assert blue.sum() > 200


def test_the_slider_moves_the_curves_and_the_words(opened: Any) -> None:
    slider = opened.find_element("id", "step")
    last = slider.get_attribute("max")
    assert (last, slider.get_attribute("value")) in (("5", "5"), ("6", "6"))  # the bench's runs and the sweep's
    before, said = _lines(opened, "plot-curves"), opened.find_element("id", "step-text").text
    from selenium.webdriver.common.keys import Keys

    slider.send_keys(Keys.HOME)
    _wait(opened, f"return document.getElementById('step-number').textContent === '0 of {last}'")
    after = _lines(opened, "plot-curves")
    assert after
    assert before != after
    assert said.startswith("After epoch ")
    assert opened.find_element("id", "step-text").text.startswith("Before the first training, configuration ")
    slider.send_keys(Keys.ARROW_RIGHT)
    _wait(opened, f"return document.getElementById('step-number').textContent === '1 of {last}'")
    assert _lines(opened, "plot-curves") != after


def test_another_run_can_be_chosen(opened: Any) -> None:
    from selenium.webdriver.support.ui import Select

    runs = Select(opened.find_element("id", "run"))
    labels = [option.text for option in runs.options]
    assert any(label.startswith("random-search on ") for label in labels)
    schedule, curves = _lines(opened, "plot-schedule"), _lines(opened, "plot-curves")
    schedules = []
    for label in labels:
        if label.startswith("random-search on "):
            runs.select_by_visible_text(label)
            schedules.append(_lines(opened, "plot-schedule"))
            assert _lines(opened, "plot-curves") != curves
    assert any(other != schedule for other in schedules)
    assert console(opened) == []


def test_the_target_and_the_comparison_decide_what_is_drawn(opened: Any) -> None:
    from selenium.webdriver.support.ui import Select

    overall = _lines(opened, "plot-epochs")
    Select(opened.find_element("id", "target")).select_by_visible_text("b")
    one = _lines(opened, "plot-epochs")
    assert overall != one
    Select(opened.find_element("id", "measure")).select_by_value("seen")
    assert _lines(opened, "plot-epochs") != one
    headline = opened.find_element("id", "headline").text
    Select(opened.find_element("id", "comparison")).select_by_index(1)
    assert opened.find_element("id", "headline").text != headline
    assert len(opened.find_elements("css selector", "#standings tr")) == 3
    assert console(opened) == []


def test_a_tuner_can_be_hidden(opened: Any) -> None:
    n_line = len(_lines(opened, "plot-epochs"))
    opened.execute_script("document.querySelector('#rivals button[aria-pressed=true]').click()")
    assert len(_lines(opened, "plot-epochs")) < n_line


def test_a_click_on_a_heading_sorts(opened: Any) -> None:
    def first() -> list[str]:
        return [cell.text for cell in opened.find_elements("css selector", "#costs td:first-child")]

    opened.execute_script("document.querySelector('#costs th').click()")
    ascending = first()
    assert ascending == sorted(ascending)
    opened.execute_script("document.querySelector('#costs th').click()")
    assert first() == ascending[::-1]


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(page: Path, width: int) -> None:
    with open_browser(width=width, height=800) as driver:
        load_page(driver, page)
        driver.execute_script("document.getElementById('story').scrollIntoView()")
        _wait(driver, "return document.querySelectorAll('#plot-curves .trace').length > 0")
        size = "return [innerWidth, document.documentElement.scrollWidth]"
        assert driver.execute_script(size) == [width, width]
        assert console(driver) == []


def test_a_page_without_runs_in_detail(whole_record: Path, tmp_path: Path, driver: Any) -> None:
    import shutil

    record = Path(shutil.copytree(whole_record, tmp_path / "record"))
    for folder in record.glob("tiny_*"):
        shutil.rmtree(folder)
    shutil.rmtree(record / "regret" / "stories")
    console(driver)
    load_page(driver, write_report(record, tmp_path / "report.html").page)
    assert "holds no run in detail" in driver.find_element("id", "story-missing").text
    assert not driver.find_element("id", "story").is_displayed()
    assert console(driver) == []
