"""at2/surrogate/transfer/fitted/ways.py: how curves begin where no source has logged it."""

import pytest
import torch

from at2.surrogate import Belief, History, WeightedSources
from at2.surrogate.transfer.fitted.deviation import generic_epoch_covariance, generic_noise, of_unlogged
from at2.surrogate.transfer.fitted.ways import learnt_ways

S, N, T = 4, 40, 12
NAN = float("nan")


def shown(n_column: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """A covariance between columns, and what of its diagonal is noise."""
    root = torch.randn(n_column, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = torch.linspace(0.1, 0.3, n_column, dtype=torch.float64)
    return root @ root.T + torch.diag(noise), noise


def test_sources_that_have_logged_all_epochs_say_how_all_of_them_go() -> None:
    (only,) = learnt_ways(shown(), shown(), 0.0)
    assert torch.equal(only.covariance, shown()[0])
    assert not bool(of_unlogged(0, only.noise).any())


@pytest.mark.parametrize("n_unlogged", [1, 3, 5])
@pytest.mark.parametrize("doubt", [0.0, 0.7])
def test_first_epochs_that_no_source_has_logged_go_with_the_others_as_without_sources(
    n_unlogged: int, doubt: float
) -> None:
    between, noise = shown()
    ways = learnt_ways((between, noise), (between, noise), doubt, n_unlogged=n_unlogged)
    assert sum(way.probability for way in ways) == pytest.approx(1.0)
    later = slice(n_unlogged, None)
    torch.testing.assert_close(ways[0].covariance[later, later], between[later, later])
    torch.testing.assert_close(ways[0].noise[later], noise[later])
    for way in ways:
        torch.testing.assert_close(way.covariance, way.covariance.T)
        assert float(torch.linalg.eigvalsh(way.covariance)[0]) > 0.0
        assert float(torch.linalg.eigvalsh(way.covariance - torch.diag(way.noise))[0]) > -0.01
    for way in ways[-3:]:
        assert not bool(way.covariance[0, 1:].any())
        torch.testing.assert_close(way.noise[0], way.covariance[0, 0])


@pytest.mark.parametrize("part", [1.0, 0.05])
def test_the_less_sources_leave_of_values_the_less_first_readings_say_of_it(part: float) -> None:
    """Values lie apart by 1, and sources leave a part of that: how curves get there is nothing that they share."""
    plain = generic_epoch_covariance(6, shown()[0])
    left, noise = part * plain, part * generic_noise(7, plain)
    between = learnt_ways((left, noise), (left, noise), 0.0, n_unlogged=3, size=float(plain[-1, -1]))[0].covariance
    if part == 1.0:
        torch.testing.assert_close(between, plain, rtol=0.05, atol=0.0)
    correlation, as_without = (each[:3, -1] / (each.diagonal()[:3] * each[-1, -1]).sqrt() for each in (between, plain))
    assert bool((correlation < (1.02 if part == 1.0 else 0.6) * as_without).all())
    assert bool((correlation > 0.1).all())


def test_how_low_all_curves_start_is_left_open_before_the_first_epoch_that_was_logged() -> None:
    start = of_unlogged(3, torch.zeros(7, dtype=torch.float64))
    assert bool((start.diagonal()[:3].diff() < 0.0).all())
    assert not bool(start[3:].any())
    torch.testing.assert_close(start, start.T)


def belief_of(step: int) -> tuple[Belief, torch.Tensor]:
    """What sources let expect that have logged every so many epochs, and the target's curves: first readings are alike.

    Args:
        step: After how many epochs sources have logged one.
    """
    generator = torch.Generator().manual_seed(1)
    features = torch.rand(N, 2, generator=generator, dtype=torch.float64)
    own = 0.2 * torch.randn(S + 1, N, generator=generator, dtype=torch.float64)
    level = 2.0 * features[:, 0] + own
    learnt = 1.0 - 0.3 ** torch.arange(T, dtype=torch.float64)
    start = -3.0 + 0.05 * torch.randn(S + 1, N, 1, generator=generator, dtype=torch.float64)
    curves = torch.sigmoid(learnt * level[:, :, None] + (1.0 - learnt) * start)
    values = curves[:S, None].clone()
    values[:, :, :, [t for t in range(T) if (t + 1) % step]] = NAN
    return WeightedSources().fit(History(values, features)), curves[S]


@pytest.mark.parametrize("step", [1, 4, T])
def test_a_first_reading_before_any_training_hardly_speaks_against_the_configuration(step: int) -> None:
    belief, curves = belief_of(step)
    leader = int(belief.worth().argmax())

    def lead() -> float:
        values = belief.latent_values()[0]
        return float(values[leader] - values.mean())

    before = lead()
    belief.observe(leader, 0, float(curves[leader, 0]))
    assert lead() > 0.5 * before > 0.2


def test_readings_on_a_plateau_are_noise_of_their_own() -> None:
    between, noise = shown(14)
    plateaus = [way for way in learnt_ways((between, noise), (between, noise), 0.0, n_unlogged=10) if way.n_silent > 1]
    assert {way.n_silent for way in plateaus} == {2, 6}  # 13 epochs
    for way in plateaus:
        silent, later = slice(None, way.n_silent), slice(10, None)
        assert torch.equal(way.covariance[silent], torch.diag(way.noise)[silent])
        torch.testing.assert_close(way.covariance[later, later], between[later, later])


def test_a_plateau_that_no_source_has_logged_leaves_what_sources_say_of_values() -> None:
    belief, curves = belief_of(T)  # final values alone
    order = belief.values().mean.argsort(descending=True).tolist()
    noise = 1e-3 * torch.randn(N, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for config in order[:4] + order[::4]:  # good and poor ones are alike
        for epoch in range(2):
            belief.observe(config, epoch, 0.05 + float(noise[config, epoch]))
    values = belief.values().mean
    assert int(belief.worth().argmax()) in order[:3]
    assert float(torch.corrcoef(torch.stack([values, curves[:, -1]]))[0, 1]) > 0.7
    assert float(belief.source_weights().mean.sum()) > 0.5
