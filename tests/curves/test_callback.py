import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from at2.curves import CurveSet, StopHopeless
from at2.errors import StoppingError
from tests.curves.conftest import make_curves, quick


@pytest.fixture(scope="module")
def curves() -> CurveSet:
    return make_curves(40, 10)


@pytest.fixture(scope="module")
def predictor(curves: CurveSet):
    return quick(prefix=3).fit(curves)


def _n_epochs(stop: StopHopeless, readings: np.ndarray) -> int:
    for epoch, reading in enumerate(readings, start=1):
        if stop(float(reading)):
            return epoch
    return len(readings)


def test_a_hopeless_training_stops_at_the_first_decision(predictor, curves: CurveSet) -> None:
    worst, best = int(curves.curves[:, -1].argmax()), int(curves.curves[:, -1].argmin())
    bound = float(curves.curves[:, -1].min())
    stop = StopHopeless(predictor, curves.configs[worst], best_so_far=bound, first=3, every=3)
    assert _n_epochs(stop, curves.curves[worst]) == 3
    assert stop.chance <= 0.05
    other = StopHopeless(
        predictor, curves.configs[best], best_so_far=float(np.median(curves.curves[:, -1])), first=3, every=3
    )
    assert _n_epochs(other, curves.curves[best]) == 10


def test_the_first_training_never_stops_unless_it_diverges(predictor, curves: CurveSet) -> None:
    stop = StopHopeless(predictor, curves.configs[0], best_so_far=None)
    assert _n_epochs(stop, curves.curves[0]) == 10
    assert math.isnan(stop.chance)
    assert stop(math.nan)


def test_it_fits_into_a_plain_torch_loop() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(64, 3)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5])
    rates = np.geomspace(1e-4, 0.3, 24)
    past = np.array([list(_train(rate, inputs, targets)) for rate in rates])
    predictor = quick(prefix=3).fit(past, np.log(rates)[:, None])
    slow, fast = (_epochs_run(predictor, rate, past[:, -1].min(), inputs, targets) for rate in (2e-4, 0.25))
    assert slow == 3
    assert fast == 12


def _train(rate: float, inputs: torch.Tensor, targets: torch.Tensor) -> Iterator[torch.Tensor]:
    network = torch.nn.Linear(3, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    for _ in range(12):
        loss = torch.nn.functional.mse_loss(network(inputs)[:, 0], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()


def _epochs_run(predictor, rate: float, best: float, inputs: torch.Tensor, targets: torch.Tensor) -> int:
    stop = StopHopeless(predictor, np.log([rate]), best_so_far=1.5 * best + 0.01, first=3, every=3)
    for loss in _train(rate, inputs, targets):
        if stop(loss):
            break
    return len(stop.readings)


def test_extra_series_go_along_every_time_or_never() -> None:
    curves = make_curves(24, 8, extra=True)
    predictor = quick(prefix=3).fit(curves)
    stop = StopHopeless(predictor, curves.configs[0], best_so_far=1e-9, probability=0.5, first=3)
    told = [stop(reading, extra) for reading, extra in zip(curves.curves[0, :3], curves.extra[0, :3], strict=True)]
    assert told == [False, False, True]
    sloppy = StopHopeless(predictor, curves.configs[0], best_so_far=1e-9, first=2)
    sloppy(0.5)
    with pytest.raises(StoppingError, match="2 readings came, 1 of them with extra series"):
        sloppy(0.4, [0.1, 0.2])


def test_numbers_out_of_range_are_refused(predictor) -> None:
    with pytest.raises(StoppingError, match="epochs from 1"):
        StopHopeless(predictor, [0.1, 0.2, 0.3], best_so_far=1.0, every=0)
    with pytest.raises(StoppingError, match="probability"):
        StopHopeless(predictor, [0.1, 0.2, 0.3], best_so_far=1.0, probability=1.0)
