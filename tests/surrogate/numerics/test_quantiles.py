"""at2/surrogate/numerics/quantiles.py, and the intervals and densities that beliefs make of it."""

import math

import pytest
import torch

from at2.surrogate import WeightedSources
from at2.surrogate.history import History
from at2.surrogate.numerics.quantiles import mixture_log_density, mixture_quantile
from tests.surrogate.transfer.problems import small_history

HALVES = torch.tensor([0.5, 0.5], dtype=torch.float64)
MEAN = torch.tensor([[-2.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
VARIANCE = torch.tensor([[1.0, 4.0], [1.0, 4.0]], dtype=torch.float64)


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.95])
def test_a_quantile_leaves_its_probability_below(probability: float) -> None:
    at = mixture_quantile(HALVES, MEAN, VARIANCE, probability)
    below = (HALVES[:, None] * torch.special.ndtr((at - MEAN) / VARIANCE.sqrt())).sum(0)
    torch.testing.assert_close(below, torch.full((2,), probability, dtype=torch.float64))


def test_a_density_integrates_to_one_and_knows_no_nan() -> None:
    grid = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    density = [mixture_log_density(HALVES, MEAN[:, :1], VARIANCE[:, :1], x.reshape(1)).exp() for x in grid]
    assert float(torch.stack(density).sum()) * 0.01 == pytest.approx(1.0)
    assert math.isnan(float(mixture_log_density(HALVES, MEAN[:, 0], VARIANCE[:, 0], torch.tensor(math.nan))))


def test_a_probability_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1 is wanted, got 1\.5"):
        mixture_quantile(HALVES, MEAN, VARIANCE, 1.5)


@pytest.mark.parametrize("n_source", [0, 3])
def test_intervals_of_a_belief_lie_around_its_mean_and_hold_what_is_likely(n_source: int) -> None:
    history = small_history()
    belief = WeightedSources().fit(History(history.values[:n_source], history.features))
    for epoch, value in enumerate([0.30, 0.42, 0.50]):
        belief.observe(1, epoch, value)
    rows = torch.tensor([0, 1])
    low, high = belief.interval(0.9, rows)
    mean = belief.predict(rows).mean
    assert low.shape == (2, history.n_epoch)
    assert bool((low < mean).all())
    assert bool((mean < high).all())
    inside = belief.log_density(mean, rows)
    assert bool((inside > belief.log_density(high + 2.0 * (high - mean), rows)).all())
    wide = belief.interval(0.99, rows)
    assert bool((wide[0] < low).all() and (wide[1] > high).all())
