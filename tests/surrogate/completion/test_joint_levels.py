"""at2/surrogate/completion/joint_levels.py: one exact process over all levels, loadings that short histories share."""

import torch

from at2.surrogate.completion.common_values import Coefficients
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.completion.joint_levels import LevelModel, LevelReadings, fit_levels, predict_levels, read_levels

N, S = 30, 6
ONE = torch.ones((), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def points() -> torch.Tensor:
    return torch.rand(N, 2, generator=generator(1), dtype=torch.float64)


def read(levels: torch.Tensor, per_source: int, *, seed: int = 2) -> LevelReadings:
    """Nearly exact readings of some configurations of each source, drawn at random."""
    rng = generator(seed)
    config = torch.cat([torch.randperm(N, generator=rng)[:per_source] for _ in levels])
    source = torch.arange(len(levels)).repeat_interleave(per_source)
    return LevelReadings(source, config, levels[source, config], torch.full((len(source),), 1e-3).double(), len(levels))


def test_it_is_the_gaussian_process_over_all_levels() -> None:
    model = LevelModel(torch.tensor([0.5, 2.0]).double(), 0.8 * ONE, 0.2 * ONE, torch.linspace(0.1, 0.9, S).double())
    readings, asked = read(normal(S, N), 7), torch.tensor([3, 0, 17])
    mean, variance = predict_levels(model, readings, points(), asked)
    known = (readings.source, readings.config)
    covariance = model.between(*known, *known, points()) + torch.diag(readings.variance)
    for source in range(S):
        at = (torch.full_like(asked, source), asked)
        cross = model.between(*at, *known, points())
        left = model.between(*at, *at, points()) - cross @ torch.linalg.solve(covariance, cross.T)
        torch.testing.assert_close(mean[source], cross @ torch.linalg.solve(covariance, readings.value))
        torch.testing.assert_close(variance[source], left.diagonal())


def test_sources_that_agree_have_large_loadings_and_one_that_does_not_a_smaller_one() -> None:
    common = torch.cos(4.0 * points()[:, 0])
    levels = (common + 0.1 * normal(S, N)).clone()
    levels[2] = normal(N, seed=9)
    model = fit_levels(read(levels, 25), points(), generator=generator(), max_iter=60)
    others = torch.tensor([source != 2 for source in range(S)])
    assert float(model.loadings[others].min()) > 0.9
    assert float(model.loadings[2]) < 0.8


def test_a_short_source_follows_what_the_others_have_in_common() -> None:
    common = torch.cos(4.0 * points()[:, 0])
    levels = common + 0.05 * normal(S, N)
    readings = read(levels, 25)
    kept = (readings.source > 0) | (torch.arange(len(readings)) == 0)  # source 0 has run one configuration
    source, config, value, variance = (
        part[kept] for part in (readings.source, readings.config, readings.value, readings.variance)
    )
    few = LevelReadings(source, config, value, variance, n_source=S)
    model = fit_levels(few, points(), generator=generator(), max_iter=60)
    mean, _ = predict_levels(model, few, points(), torch.arange(N))
    assert float(torch.corrcoef(torch.stack([mean[0], common]))[0, 1]) > 0.95


def test_a_reading_is_what_a_curve_adds_to_the_prior() -> None:
    variance, prior = torch.tensor([[0.5, 2.0]]).double(), 2.0 * ONE
    told = Coefficients(torch.tensor([[0.3], [0.0]]).double(), variance[0, :, None, None])
    readings = read_levels(told, CurveList.of(torch.zeros(1, 2, 3).double()), prior=prior)
    gain = 1.0 / (1.0 / readings.variance + 1.0 / prior)
    torch.testing.assert_close(gain, variance[0])
    torch.testing.assert_close(gain * readings.value / readings.variance, told.mean[:, 0])
    assert float(readings.variance[1]) > 1e8  # it says nothing


def test_some_are_drawn_where_there_are_many() -> None:
    readings = read(normal(S, N), 7)
    assert readings.some(42, generator()) is readings
    some = readings.some(10, generator())
    assert len(some) == 10
    assert bool((some.source.diff() >= 0).all())
    assert some.n_source == S
