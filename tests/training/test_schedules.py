"""Cycles that double: values at the corners, counts, resuming."""

import pytest
import torch

from at2.training import DoublingTriangular, doubling_triangular

PUBLISHED = {"low": 1e-5, "high": 1e-1, "n_s": 800}


def _optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        *((corner, 1e-5) for corner in (0, 1600, 4800)),
        *((corner, 1e-1) for corner in (800, 3200, 8000)),
        (400, (1e-5 + 1e-1) / 2),
        (799, 1e-1 - (1e-1 - 1e-5) / 800),
        (11_199, 1e-5 + (1e-1 - 1e-5) / 3200),
        (11_200, 1e-5),
        (11_201, 1e-5),
    ],
)
def test_the_published_corners(step: int, rate: float) -> None:
    assert doubling_triangular(step, **PUBLISHED, cycles=3) == pytest.approx(rate, rel=1e-9)  # type: ignore[arg-type]


def test_the_scheduler_walks_through_all_updates_of_the_published_run() -> None:
    schedule = DoublingTriangular(_optimizer())
    assert schedule.n_update == 11_200
    rates = []
    for _ in range(11_200):
        rates.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    assert rates == [doubling_triangular(step, **PUBLISHED, cycles=3) for step in range(11_200)]  # type: ignore[arg-type]
    assert schedule.optimizer.param_groups[0]["lr"] == 1e-5


def test_without_an_end_the_cycles_go_on() -> None:
    assert doubling_triangular(11_200 + 6400, **PUBLISHED) == 1e-1  # type: ignore[arg-type]
    assert DoublingTriangular(_optimizer(), cycles=None).n_update is None


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"low": 0.2, "high": 0.1}, {"n_s": 0}, {"cycles": 0}])
def test_numbers_that_make_no_schedule(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 < low <= high and n_s, cycles >= 1 wanted"):
        DoublingTriangular(_optimizer(), **wrong)  # type: ignore[arg-type]
