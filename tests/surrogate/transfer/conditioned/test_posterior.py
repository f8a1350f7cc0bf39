"""at2/surrogate/transfer/conditioned/posterior.py against the dense Gaussian that it stands for."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.conditioned.thinning import thinned
from at2.surrogate.transfer.conditioned.triangle import Triangle
from at2.surrogate.transfer.fitted.prior import fit_prior, prior_without_sources
from at2.surrogate.transfer.fitted.sources import standardize
from tests.surrogate.transfer.problems import small_history

GRID = Grid(weight_spreads=(0.5, 2.0), levels=(0.5, 4.0), shapes=(0.3, 2.0), n_scale=3)
READINGS = [(0, 0, -0.3), (2, 0, 0.4), (0, 1, 0.1), (2, 1, 0.2), (4, 0, -1.5), (0, 2, 0.15)]
NOISE = 1e-4


def hypotheses(n_source: int = 3) -> Hypotheses:
    history = small_history(n_source)
    if n_source == 0:
        return Hypotheses(prior_without_sources(history.features, history.n_epoch), GRID)
    sources = standardize(torch.logit(history.mean_over_seeds()))
    return Hypotheses(fit_prior(sources, history.features), GRID)


def all_cells(h: Hypotheses) -> tuple[Tensor, Tensor]:
    n_config, n_column = h.prior.mean.shape
    grid = torch.cartesian_prod(torch.arange(n_config), torch.arange(n_column)).reshape(-1, 2)
    return grid[:, 0], grid[:, 1]


class Dense:
    """One hypothesis at one scale, by the textbook formulas over all cells at once."""

    def __init__(self, h: Hypotheses, which: int, scale: float) -> None:
        cells = all_cells(h)
        k = scale**2 * h.covariance(cells, cells)[which]
        mean = h.prior.location + scale * h.mean(*cells)
        seen = torch.tensor([i * h.prior.mean.shape[1] + t for i, t, _ in READINGS])
        y = torch.tensor([value for *_, value in READINGS], dtype=torch.float64)
        noisy = k[seen][:, seen] + scale**2 * NOISE * torch.eye(len(seen), dtype=torch.float64)
        gain = torch.linalg.solve(noisy, k[seen]).T
        self.mean = mean + gain @ (y - mean[seen])
        self.covariance = k - gain @ k[seen]
        joint = torch.distributions.MultivariateNormal(mean[seen], noisy)
        self.log_density = float(joint.log_prob(y)) + 0.5 * len(seen) * math.log(2.0 * math.pi)


@pytest.fixture(scope="module")
def conditioned() -> tuple[Hypotheses, Posterior]:
    h = hypotheses()
    posterior = Posterior(h, temper=1.0)
    for config, column, value in READINGS:
        posterior.observe(config, column, value)
    return h, posterior


def test_likelihood_of_every_hypothesis_and_scale_is_the_dense_one(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, posterior = conditioned
    for which in range(len(h)):
        for g, scale in enumerate(h.scales.tolist()):
            expected = Dense(h, which, scale).log_density
            assert float(posterior.log_likelihood[which, g]) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_rises_are_those_of_the_dense_curves_without_noise() -> None:
    h = Hypotheses(hypotheses().prior, replace(GRID, n_scale=1))
    posterior = Posterior(h)
    for config, column, value in READINGS:
        posterior.observe(config, column, value)
    n_column, scale = h.prior.mean.shape[1], float(h.scales)
    cells = all_cells(h)
    wanted = [(0, 3, 2), (0, 5, 2), (2, 2, 1), (4, 4, 0), (1, 0, -1), (3, 5, -1)]  # (config, column, last one read)
    configs, columns, read = torch.tensor(wanted).T
    mean, variance = posterior.rise_moments(configs, columns, read, torch.arange(len(h)))
    seen = torch.tensor([i * n_column + t for i, t, _ in READINGS])
    y = torch.tensor([value for *_, value in READINGS], dtype=torch.float64) - h.prior.location
    for which in range(len(h)):
        noisy, curves = (scale**2 * h.covariance(cells, cells, noisy=some)[which] for some in (True, False))
        assert bool((noisy.diagonal() > curves.diagonal()).all())
        gain = torch.linalg.solve(noisy[seen][:, seen] + scale**2 * NOISE * torch.eye(len(seen)).double(), curves[seen])
        height = scale * h.mean(*cells) + (y - scale * h.mean(*cells)[seen]) @ gain
        covariance = curves - curves[seen].T @ gain
        for k, (i, t, last) in enumerate(wanted):
            rise = torch.zeros(len(height), dtype=torch.float64)
            rise[i * n_column + t] = 1.0
            if last >= 0:
                rise[i * n_column + last] = -1.0
            assert float(mean[which, k]) == pytest.approx(float(rise @ height), abs=1e-8)
            assert float(variance[which, k]) == pytest.approx(float(rise @ covariance @ rise), rel=1e-6)


def test_weights_in_full_are_those_without_a_power(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, whole = conditioned
    tempered = Posterior(h, temper=0.15, count=3.0)
    for config, column, value in READINGS:
        tempered.observe(config, column, value)
    before = tempered.weights
    torch.testing.assert_close(tempered.in_full().weights, whole.weights)
    assert torch.equal(tempered.weights, before)
    assert not torch.allclose(before, whole.weights)


def test_readings_count_as_so_many_independent_ones(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, whole = conditioned
    few = Posterior(h, temper=1.0, count=2.0)
    for config, column, value in READINGS:
        few.observe(config, column, value)
    power = 2.0 / (2.0 + len(READINGS))
    joint = power * whole.log_likelihood + h.log_prior[:, None] + h.log_prior_scale
    torch.testing.assert_close(few.weights, torch.softmax(joint.flatten(), 0).reshape(len(h), -1).sum(1))


@pytest.mark.parametrize("n_source", [0, 3])
def test_a_reading_far_below_what_is_expected_counts_as_one_at_the_reach(n_source: int) -> None:
    h = hypotheses(n_source)
    limited, whole = Posterior(h, reach=4.0), Posterior(h)
    for config, column, value in READINGS:
        limited.observe(config, column, value)
        whole.observe(config, column, value)
    torch.testing.assert_close(limited.weights, whole.weights, rtol=0, atol=0)
    every = torch.arange(len(h))
    means, variances = whole.cell_moments(torch.tensor([5]), torch.tensor([0]), every)
    mean = whole.weights @ means[:, 0]
    deviation = (whole.weights @ (variances[:, 0] + (means[:, 0] - mean).square())).sqrt()
    at_reach = whole.fork()
    at_reach.observe(5, 0, float(mean - 4.0 * deviation))
    limited.observe(5, 0, float(mean - 50.0 * deviation))
    torch.testing.assert_close(limited.value_moments(), at_reach.value_moments(), rtol=1e-2, atol=1e-3)
    above = whole.fork(), Posterior(h, reach=4.0)
    for config, column, value in (*READINGS, (5, 0, float(mean + 50.0 * deviation))):
        above[1].observe(config, column, value)
    above[0].observe(5, 0, float(mean + 50.0 * deviation))
    torch.testing.assert_close(above[1].value_moments(), above[0].value_moments(), rtol=0, atol=0)


def test_moments_average_the_dense_ones_over_the_scale(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, posterior = conditioned
    cells = all_cells(h)
    n_column = h.prior.mean.shape[1]
    values = torch.arange(h.prior.n_config) * n_column + h.prior.n_epoch
    for which in range(len(h)):
        log_weight = posterior.log_likelihood[which] + h.log_prior_scale
        share = torch.softmax(log_weight, 0)
        parts = [Dense(h, which, scale) for scale in h.scales.tolist()]
        mean = sum(w * part.mean for w, part in zip(share, parts, strict=True))
        spread = sum(
            w * (part.covariance.diagonal() + (part.mean - mean).square()) for w, part in zip(share, parts, strict=True)
        )
        own_mean, own_variance = posterior.cell_moments(*cells, torch.tensor([which]))
        torch.testing.assert_close(own_mean[0], mean, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(own_variance[0], spread, rtol=0.0, atol=2e-3)  # variance has the jitter as its floor
        value_mean, value_variance = posterior.value_moments()
        torch.testing.assert_close(value_mean[which], mean[values], rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(value_variance[which], spread[values], rtol=1e-7, atol=1e-8)


def test_slopes_are_covariances_over_standard_deviations(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, posterior = conditioned
    rows, configs, columns = torch.tensor([0, 3, 5]), torch.tensor([1, 0, 4, 4]), torch.tensor([2, 4, 1, 3])
    n_column = h.prior.mean.shape[1]
    for which in range(len(h)):
        dense = Dense(h, which, 1.0)
        at, of = configs * n_column + columns, rows * n_column + h.prior.n_epoch
        spread = (dense.covariance.diagonal()[at] + NOISE).sqrt()
        expected = dense.covariance[of][:, at] / spread * posterior.scale_mean[which]
        slopes = posterior.value_slopes(rows, configs, columns, torch.tensor([which]))[0]
        torch.testing.assert_close(slopes, expected, rtol=1e-8, atol=1e-8)
        covariance = posterior.value_covariance(rows, torch.tensor([which]))[0]
        torch.testing.assert_close(covariance, dense.covariance[of][:, of] * posterior.scale_square[which])


def test_source_weights_are_those_of_the_dense_regression(conditioned: tuple[Hypotheses, Posterior]) -> None:
    h, posterior = conditioned
    cells = (torch.tensor([i for i, *_ in READINGS]), torch.tensor([t for _, t, _ in READINGS]))
    y = torch.tensor([value for *_, value in READINGS], dtype=torch.float64)
    n_source = h.prior.sources.shape[0]
    for which in range(len(h)):
        scale = posterior.scale_mean[which]
        k = h.covariance(cells, cells)[which] + NOISE * torch.eye(len(y), dtype=torch.float64)
        cross = h.weight_variance[which] * h.prior.sources[:, cells[0], cells[1]]
        residual = (y - h.prior.location) / scale - h.mean(*cells)
        expected = h.prior.shares + cross @ torch.linalg.solve(k, residual) / n_source**0.5
        mean, variance = posterior.source_weights(torch.tensor([which]))
        torch.testing.assert_close(mean[0], expected, rtol=1e-7, atol=1e-8)
        assert bool((variance >= 0).all())


def test_a_fantasy_narrows_without_moving_or_judging() -> None:
    posterior = Posterior(hypotheses())
    posterior.observe(0, 0, 0.3)
    before_mean, before_variance = posterior.value_moments()
    weights = posterior.weights
    twin = posterior.fork()
    twin.fantasize(1, 3)
    mean, variance = twin.value_moments()
    torch.testing.assert_close(mean, before_mean)
    torch.testing.assert_close(twin.weights, weights)
    assert bool((variance[:, 1] < before_variance[:, 1]).all())
    torch.testing.assert_close(posterior.value_moments()[1], before_variance)  # the original is as it was


def test_order_of_readings_does_not_matter() -> None:
    forth, back = Posterior(hypotheses()), Posterior(hypotheses())
    for config, column, value in READINGS:
        forth.observe(config, column, value)
    for config, column, value in reversed(READINGS):
        back.observe(config, column, value)
    torch.testing.assert_close(forth.weights, back.weights)
    torch.testing.assert_close(forth.value_moments()[0], back.value_moments()[0])


@pytest.mark.parametrize("n_source", [0, 1, 2])
def test_few_sources_are_enough(n_source: int) -> None:
    posterior = Posterior(hypotheses(n_source))
    for config, column, value in READINGS:
        posterior.observe(config, column, value)
    mean, variance = posterior.value_moments()
    assert bool(torch.isfinite(mean).all())
    assert bool((variance > 0).all())


def test_a_flat_curve_says_little_of_other_configurations() -> None:
    h = hypotheses()
    flat, once = Posterior(h), Posterior(h)
    for column in range(5):
        flat.observe(0, column, -1.0)
    once.observe(0, 0, -1.0)
    level = h.level
    expected = [float((posterior.weights * level).sum()) for posterior in (flat, once)]
    assert expected[0] > 0.5 * expected[1]  # how far configurations differ is not judged by how smooth one of them is


def test_each_way_in_which_curves_may_go_makes_hypotheses_of_its_own() -> None:
    prior = hypotheses().prior
    flat = torch.ones_like(prior.epoch_covariances) + 0.01 * torch.eye(prior.mean.shape[1])
    ways = [prior.epoch_covariances, flat.to(prior.mean)]
    two = replace(prior, epoch_covariances=torch.cat(ways), epoch_noise=prior.epoch_noise.repeat(2, 1))
    both = Hypotheses(replace(two, way_probabilities=(0.9, 0.1)), GRID)
    cells = all_cells(both)
    number = torch.arange(len(both)) // 4 % 2  # levels and shapes come after the way, spreads of weights before it
    for way, own in enumerate(ways):
        single = Hypotheses(replace(prior, epoch_covariances=own, way_probabilities=(1.0,)), GRID)
        torch.testing.assert_close(both.covariance(cells, cells)[number == way], single.covariance(cells, cells))
        torch.testing.assert_close(both.variance(*cells)[number == way], single.variance(*cells))
    start = Posterior(both, temper=1.0)
    assert float(start.weights[number == 1].sum()) == pytest.approx(0.1)
    told = start.fork()
    for config in range(3):
        for column in range(prior.n_epoch):
            told.observe(config, column, 0.5 * config)  # curves that do not move at all
    assert float(told.weights[number == 1].sum()) > 0.9


def test_what_does_not_show_at_first_is_as_if_sources_had_nothing_there() -> None:
    prior, n = hypotheses().prior, 2
    ways = replace(
        prior,
        epoch_covariances=prior.epoch_covariances.repeat(2, 1, 1),
        epoch_noise=prior.epoch_noise.repeat(2, 1),
        way_probabilities=(0.5, 0.5),
        way_silent=(0, n),
    )
    sources, mean = prior.sources.clone(), prior.mean.clone()
    sources[:, :, :n], mean[:, :n] = 0.0, 0.0
    both = Posterior(Hypotheses(ways, GRID), temper=1.0)
    number = torch.arange(len(both.weights)) // 4 % 2
    alone = [
        Posterior(Hypotheses(part, GRID), temper=1.0) for part in (prior, replace(prior, sources=sources, mean=mean))
    ]
    for posterior in (both, *alone):
        for config, column, value in READINGS:
            posterior.observe(config, column, value)
    cells, begun = all_cells(both.hypotheses), torch.zeros(len(all_cells(both.hypotheses)[0]), dtype=torch.long)
    rows = torch.arange(prior.n_config)
    for way, single in enumerate(alone):
        which, all_of_it = torch.nonzero(number == way)[:, 0], torch.arange(len(single.weights))
        asked = [
            lambda posterior, of: posterior.cell_moments(*cells, of),
            lambda posterior, of: posterior.rise_moments(*cells, begun, of),
            lambda posterior, of: posterior.value_slopes(rows, *cells, of),
            lambda posterior, of: posterior.source_weights(of),
            lambda posterior, of: posterior.value_covariance(rows, of),
            lambda posterior, of: [part[of] for part in posterior.value_moments()],
        ]
        for ask in asked:
            for found, expected in zip(ask(both, which), ask(single, all_of_it), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def grid_readings(h: Hypotheses) -> list[tuple[int, int, float]]:
    """Every epoch of every configuration, one epoch after the other."""
    cells = [(i, t) for t in range(h.prior.n_epoch) for i in range(h.prior.n_config)]
    return [(i, t, 0.3 * i - 0.5 + 0.1 * t + 0.05 * (-1) ** t) for i, t in cells]


@pytest.mark.parametrize("n_source", [0, 3])
def test_a_long_run_goes_on_as_if_only_some_readings_had_been_told(n_source: int) -> None:
    h = hypotheses(n_source)
    readings = grid_readings(h)
    posterior, told = Posterior(h, most=20), Posterior(h)
    for reading in readings[:20]:
        posterior.observe(*reading)
    configs, columns = torch.tensor([reading[:2] for reading in readings[:20]]).T
    stays = thinned(configs, columns, most=10)
    assert posterior.n == int(stays.sum()) < 15
    for reading, kept in zip(readings, [*stays.tolist(), *[True] * 3], strict=False):
        if kept:
            told.observe(*reading)
    for reading in readings[20:23]:
        posterior.observe(*reading)
    torch.testing.assert_close(posterior.weights, told.weights)
    torch.testing.assert_close(posterior.log_likelihood, told.log_likelihood)
    for found, expected in zip(posterior.value_moments(), told.value_moments(), strict=True):
        torch.testing.assert_close(found, expected)
    which = torch.arange(len(h))
    for found, expected in zip(
        posterior.cell_moments(*all_cells(h), which), told.cell_moments(*all_cells(h), which), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_what_is_still_out_stays_when_a_run_is_thinned_out() -> None:
    h = hypotheses()
    posterior, told = Posterior(h, most=20), Posterior(h)
    out, readings = [(0, 2), (0, 3), (0, 4)], grid_readings(h)[:17]
    for twin in (posterior, told):
        for cell in out:
            twin.fantasize(*cell)
    for reading in readings:
        posterior.observe(*reading)
    configs, columns = torch.tensor([*out, *(reading[:2] for reading in readings)]).T
    stays = thinned(configs, columns, most=10)
    assert not bool(stays[:3].all())
    for reading, kept in zip(readings, stays[3:].tolist(), strict=True):
        if kept:
            told.observe(*reading)
    assert posterior.n == told.n < 20
    for found, expected in zip(posterior.value_moments(), told.value_moments(), strict=True):
        torch.testing.assert_close(found, expected)


def test_where_nothing_can_be_left_out_more_readings_are_kept() -> None:
    h = hypotheses()
    posterior = Posterior(h, most=6)
    for config in range(6):
        posterior.observe(config, 0, 0.1 * config)
    assert posterior.n == 6
    assert posterior.most == 12


def test_forks_go_on_without_each_other() -> None:
    h = hypotheses()
    one, alone = Posterior(h), Posterior(h)
    for posterior in (one, alone):
        posterior.observe(*READINGS[0])
    other = one.fork()
    other.observe(4, 0, -2.0)
    one.observe(*READINGS[1])
    alone.observe(*READINGS[1])
    other.observe(4, 1, -2.0)
    cells = (*all_cells(h), torch.arange(len(h)))
    for found, expected in zip(one.cell_moments(*cells), alone.cell_moments(*cells), strict=True):
        assert torch.equal(found, expected)


def test_many_rows_are_multiplied_as_few_are() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = Triangle(torch.zeros(3, 0, 0, dtype=torch.float64))
    matrix = torch.randn(3, 300, 300, generator=generator, dtype=torch.float64).tril()
    for k in range(300):
        rows = rows.with_row(matrix[:, k, : k + 1])
    right = torch.randn(2, 300, 4, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(rows.times(right, torch.tensor([2, 0])), matrix[[2, 0]] @ right)
