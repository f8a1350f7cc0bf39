"""at2/surrogate/kronecker/mixture.py and warp.py: averaging hypotheses, and the way back to the metric's units."""

import math

import pytest
import torch

from at2.surrogate import GridPrior, Hypothesis, IdentityWarp, LogitWarp, MixtureBelief, ScalePrior
from at2.surrogate.warp import unwarp_moments

N, T = 3, 4


def _hypothesis(mean: float, variance: float = 1.0) -> Hypothesis:
    eye_c, eye_e = torch.eye(N, dtype=torch.float64), torch.eye(T, dtype=torch.float64)
    prior = GridPrior(
        torch.full((N, T), mean, dtype=torch.float64),
        eye_c,
        eye_e,
        torch.full((N, T), variance, dtype=torch.float64),
        torch.zeros(0, N, T, dtype=torch.float64),
        0.01,
    )
    return Hypothesis(prior, ScalePrior(0.0, 0.0, 0.0, 0.0), n_epoch=T)


def test_weights_follow_the_evidence() -> None:
    belief = MixtureBelief([_hypothesis(0.0), _hypothesis(2.0)], IdentityWarp(), [math.log(0.5), math.log(0.5)])
    assert belief.weights.tolist() == pytest.approx([0.5, 0.5])
    belief.observe(0, 0, 2.0)
    odds = math.exp(0.5 * 4.0 / 1.01)
    assert belief.weights.tolist() == pytest.approx([1 / (1 + odds), odds / (1 + odds)])
    density = sum(0.5 * math.exp(-0.5 * (2 - m) ** 2 / 1.01) / math.sqrt(2 * math.pi * 1.01) for m in (0, 2))
    assert belief.log_evidence == pytest.approx(math.log(density))


def test_moments_are_those_of_the_mixture() -> None:
    belief = MixtureBelief([_hypothesis(0.0), _hypothesis(2.0, 3.0)], IdentityWarp(), [math.log(0.25), math.log(0.75)])
    values = belief.values()
    assert values.mean.tolist() == pytest.approx([1.5] * N)
    variance = 0.25 * (1.0 + 1.5**2) + 0.75 * (3.0 + 0.5**2)
    assert values.std.tolist() == pytest.approx([math.sqrt(variance)] * N)


def test_the_best_by_some_cells_is_what_is_predicted_of_them() -> None:
    belief = MixtureBelief([_hypothesis(0.0), _hypothesis(2.0)], LogitWarp())
    belief.observe(1, 2, 0.6)
    cells = torch.tensor([2, 1, 1]), torch.tensor([0, 2, 3])
    best, every = unwarp_moments(belief.warp, *belief.best_by(*cells)), belief.predict()
    torch.testing.assert_close(best.mean, every.mean[cells])
    torch.testing.assert_close(best.std, every.std[cells])
    assert belief.n_epoch == T


def test_a_fantasy_narrows_and_does_not_move() -> None:
    belief = MixtureBelief([_hypothesis(1.0)], IdentityWarp())
    before, fork = belief.predict(), belief.fork()
    fork.fantasize(1, 2)
    after = fork.predict()
    torch.testing.assert_close(after.mean, before.mean)
    assert after.std[1, 2] < before.std[1, 2]
    assert torch.equal(belief.predict().std, before.std)


def test_readings_are_warped_on_the_way_in_and_out() -> None:
    belief = MixtureBelief([_hypothesis(0.0)], LogitWarp(0.0, 1.0))
    for _ in range(20):
        belief.observe(0, 0, 0.9)
    prediction = belief.predict()
    assert float(prediction.mean[0, 0]) == pytest.approx(0.9, abs=5e-3)
    assert float(prediction.mean[1, 0]) == pytest.approx(0.5)


@pytest.mark.parametrize("value", [0.0, 1.0, 1.7, -0.4])
def test_readings_at_and_beyond_the_bounds_stay_finite(value: float) -> None:
    belief = MixtureBelief([_hypothesis(0.0)], LogitWarp(0.0, 1.0))
    belief.observe(0, 0, value)
    assert torch.isfinite(belief.predict().mean).all()


def test_quadrature_gives_the_moments_that_sampling_gives() -> None:
    warp = LogitWarp(0.0, 1.0)
    mean, variance = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)
    draws = mean + variance.sqrt() * torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    sampled = warp.inverse(draws)
    moments = unwarp_moments(warp, mean, variance)
    assert float(moments.mean) == pytest.approx(float(sampled.mean()), abs=1e-3)
    assert float(moments.std) == pytest.approx(float(sampled.std()), abs=1e-3)


def test_tempered_evidence_is_slower_to_decide() -> None:
    belief = MixtureBelief([_hypothesis(0.0), _hypothesis(2.0)], IdentityWarp(), temper=0.5)
    belief.observe(0, 0, 2.0)
    odds = math.exp(0.25 * 4.0 / 1.01)
    assert belief.weights.tolist() == pytest.approx([1 / (1 + odds), odds / (1 + odds)])
