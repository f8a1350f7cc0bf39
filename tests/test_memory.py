"""What is too large for the machine is said before it is tried."""

import logging

import numpy as np
import pandas as pd
import pytest

import at2
from at2 import memory
from at2.tables import LearningCurveTable, Metric


def _recommend() -> None:
    table = LearningCurveTable(
        {"accuracy": np.random.default_rng(0).random((3, 1, 5, 4))},
        tasks=["a", "b", "c"],
        configs=pd.DataFrame({"x": np.linspace(0.0, 1.0, 5)}),
        metrics=[Metric("accuracy", maximize=True)],
        name="small",
    )
    at2.Recommender(table, target="c", budget=at2.Budget(epochs=1))


def test_a_history_larger_than_the_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 4799)
    with caplog.at_level(logging.WARNING):
        _recommend()
    assert "10 runs of 2 tasks over 4 epochs" in caplog.text
    assert "pass fewer sources=" in caplog.text


@pytest.mark.parametrize("there", [4800, None])
def test_one_that_fits_is_not(
    there: int | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: there)
    with caplog.at_level(logging.WARNING):
        _recommend()
    assert not caplog.text


def test_a_system_may_not_know_such_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr("os.sysconf", unknown)
    assert memory.physical_memory() is None


def test_a_system_may_answer_that_the_number_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: -1 if name == "SC_PHYS_PAGES" else 4096)
    assert memory.physical_memory() is None
