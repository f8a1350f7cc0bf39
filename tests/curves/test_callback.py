import math

import numpy as np
import pytest

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


def test_numbers_out_of_range_are_refused(predictor) -> None:
    with pytest.raises(StoppingError, match="epochs from 1"):
        StopHopeless(predictor, [0.1, 0.2, 0.3], best_so_far=1.0, every=0)
    with pytest.raises(StoppingError, match="probability"):
        StopHopeless(predictor, [0.1, 0.2, 0.3], best_so_far=1.0, probability=1.0)
