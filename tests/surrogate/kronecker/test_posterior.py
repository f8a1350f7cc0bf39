"""at2/surrogate/kronecker/posterior.py and hypothesis.py against dense conditioning."""

import math

import pytest
import torch
from torch import Tensor

from at2.surrogate import GridPosterior, GridPrior, Hypothesis, ScalePrior, pooled_scale_prior
from tests.surrogate.dense import condition, log_density

N, T = 4, 5
CELLS = [(0, 0), (0, 1), (2, 0), (3, 4), (0, 1), (1, 2)]  # one cell twice
VALUES = [0.3, 0.5, -1.0, 2.0, 0.45, 0.1]


@pytest.fixture
def prior() -> GridPrior:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    return GridPrior(draw(N, T), draw(N, 3), draw(T, 2), draw(3, 2).square(), draw(2, N, T), 0.07)


def _flat(cells: list[tuple[int, int]]) -> list[int]:
    return [i * T + t for i, t in cells]


@pytest.mark.parametrize("scale", [1.0, 0.2])
@pytest.mark.parametrize("n", [0, 1, 6])
def test_posterior_is_the_dense_one(prior: GridPrior, scale: float, n: int) -> None:
    posterior = GridPosterior(prior)
    for (config, column), value in zip(CELLS[:n], VALUES[:n], strict=True):
        posterior.observe(config, column, value)
    y = torch.tensor(VALUES[:n], dtype=torch.float64)
    mean, covariance = condition(prior.mean.reshape(-1), prior.dense(), _flat(CELLS[:n]), y / scale, prior.noise)
    torch.testing.assert_close(posterior.mean(scale).reshape(-1), mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(posterior.variance.reshape(-1), covariance.diagonal(), rtol=0, atol=1e-8)
    dense = covariance.reshape(N, T, N, T)
    torch.testing.assert_close(posterior.row(2, 1), dense[2, 1], rtol=0, atol=1e-8)
    rows = torch.tensor([2, 0, 1])
    configs, columns = torch.tensor([0, 3]), torch.tensor([4, 2])
    torch.testing.assert_close(
        posterior.column_covariance(rows, 3, configs, columns), dense[:, 3][rows][:, configs, columns]
    )
    if n:
        cells = _flat(CELLS[:n])
        gram = prior.dense()[cells][:, cells] + prior.noise * torch.eye(n, dtype=torch.float64)
        twin = log_density(y, scale**2 * gram, scale * prior.mean.reshape(-1)[cells])
        ours = posterior.log_evidence(torch.tensor(scale, dtype=torch.float64))
        torch.testing.assert_close(ours, twin, rtol=0, atol=1e-8)


def test_many_readings_outgrow_the_first_rows(prior: GridPrior) -> None:
    posterior = GridPosterior(prior)
    cells = [(k % N, k % T) for k in range(80)]
    for config, column in cells:
        posterior.observe(config, column, 0.5)
    y = torch.full((80,), 0.5, dtype=torch.float64)
    mean, covariance = condition(prior.mean.reshape(-1), prior.dense(), _flat(cells), y, prior.noise)
    torch.testing.assert_close(posterior.mean().reshape(-1), mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(posterior.variance.reshape(-1), covariance.diagonal(), rtol=0, atol=1e-8)


def test_a_fork_goes_its_own_way(prior: GridPrior) -> None:
    posterior = GridPosterior(prior)
    posterior.observe(0, 0, 0.3)
    before = posterior.mean().clone()
    fork = posterior.fork()
    for _ in range(40):
        fork.observe(1, 1, 5.0)
    assert torch.equal(posterior.mean(), before)
    posterior.observe(2, 0, -1.0)
    y = torch.tensor([0.3, -1.0], dtype=torch.float64)
    mean, _ = condition(prior.mean.reshape(-1), prior.dense(), [0, 2 * T], y, prior.noise)
    torch.testing.assert_close(posterior.mean().reshape(-1), mean, rtol=0, atol=1e-8)


def _dense_hypothesis(prior: GridPrior, scales: Tensor, log_prior: Tensor, settings: ScalePrior) -> tuple[Tensor, ...]:
    """Sum over the scales of dense posteriors in latent units: evidence, mean and covariance."""
    y, cells = torch.tensor(VALUES, dtype=torch.float64), _flat(CELLS)
    eye = torch.eye(len(cells), dtype=torch.float64)
    parts, joint = [], []
    for scale, weight in zip(scales, log_prior, strict=True):
        covariance = scale**2 * (prior.dense() + settings.location_spread**2)
        mean = settings.location + scale * prior.mean.reshape(-1)
        noise = float(scale**2 * prior.noise)
        parts.append(condition(mean, covariance, cells, y, noise))
        joint.append(weight + log_density(y, covariance[cells][:, cells] + noise * eye, mean[cells]))
    stacked = torch.stack(joint)
    weights = torch.softmax(stacked, 0)
    mean = sum(w * m for w, (m, _) in zip(weights, parts, strict=True))
    spread = sum(w * (c + torch.outer(m - mean, m - mean)) for w, (m, c) in zip(weights, parts, strict=True))
    return torch.logsumexp(stacked, 0), mean, spread


def test_location_and_scale_are_summed_out_as_in_the_dense_mixture(prior: GridPrior) -> None:
    settings = ScalePrior(location=0.4, location_spread=1.3, log_scale=-0.5, log_scale_spread=0.8, n_point=9)
    hypothesis = Hypothesis(prior, settings, n_epoch=T)
    for (config, column), value in zip(CELLS, VALUES, strict=True):
        hypothesis.observe(config, column, value)
    scales, log_prior = settings.grid(prior.mean)
    evidence, mean, covariance = _dense_hypothesis(prior, scales, log_prior, settings)
    assert hypothesis.log_evidence == pytest.approx(float(evidence), abs=1e-8)
    torch.testing.assert_close(hypothesis.reading_mean().reshape(-1), mean, rtol=0, atol=1e-8)
    dense = covariance.reshape(N, T, N, T)
    noisy = hypothesis.reading_variance() - hypothesis.noise
    torch.testing.assert_close(noisy.reshape(-1), covariance.diagonal(), rtol=0, atol=1e-8)
    torch.testing.assert_close(hypothesis.covariance_row(1, 3), dense[1, 3], rtol=0, atol=1e-8)
    rows = torch.tensor([2, 0, 1])
    configs, epochs = torch.tensor([0, 3]), torch.tensor([4, 2])
    ours = hypothesis.value_covariance(rows, configs, epochs)
    torch.testing.assert_close(ours, dense[:, T - 1][rows][:, configs, epochs], rtol=0, atol=1e-8)
    torch.testing.assert_close(hypothesis.value_mean(), mean.reshape(N, T)[:, -1], rtol=0, atol=1e-8)
    torch.testing.assert_close(hypothesis.value_variance(), noisy[:, -1], rtol=0, atol=1e-8)


def test_a_known_scale_needs_no_grid(prior: GridPrior) -> None:
    hypothesis = Hypothesis(prior, ScalePrior(0.0, 1.0, math.log(2.0), 0.0), n_epoch=T)
    hypothesis.observe(0, 0, 1.0)
    assert hypothesis.scale == pytest.approx(2.0)
    assert hypothesis.scale_square == pytest.approx(4.0)


def test_the_value_may_be_a_column_that_is_never_read(prior: GridPrior) -> None:
    hypothesis = Hypothesis(prior, ScalePrior(0.0, 1.0, 0.0, 0.0), n_epoch=T - 1)
    assert hypothesis.reading_mean().shape == (N, T - 1)
    torch.testing.assert_close(hypothesis.value_mean(), prior.mean[:, T - 1])


def test_pooled_scale_prior_is_as_wide_as_the_sources_differ() -> None:
    locations = torch.tensor([0.0, 4.0], dtype=torch.float64)
    scales = torch.tensor([0.1, 10.0], dtype=torch.float64)
    settings = pooled_scale_prior(locations, scales)
    assert settings.location == pytest.approx(2.0)
    assert settings.log_scale == pytest.approx(0.0, abs=1e-12)
    assert settings.log_scale_spread == pytest.approx(math.log(100.0) / math.sqrt(2.0))
    single = pooled_scale_prior(locations[:1], scales[:1])
    assert (single.location_spread, single.log_scale_spread) == (3.0, 1.0)
