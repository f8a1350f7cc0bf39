"""at2/surrogate/transfer/fitted/sources.py: curves of the sources in one unit."""

import pytest
import torch

from at2.surrogate import History, WeightedSources
from at2.surrogate.completion.completed import NeverRun
from at2.surrogate.kernels import ConfigKernel
from at2.surrogate.transfer.fitted.sources import draw_in, standardize
from tests.surrogate.transfer.problems import small_curves


@pytest.mark.parametrize("outlier", [-1e30, 1e30])
def test_an_outlier_does_not_set_the_scale(outlier: float) -> None:
    curves = torch.randn(1, 40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wild = curves.clone()
    wild[0, 0, 0] = outlier
    assert float(draw_in(wild).std()) < 3.0 * float(curves.std())
    torch.testing.assert_close(draw_in(curves), curves)


def test_the_few_that_learn_anything_are_told_apart() -> None:
    chance = 0.001 * torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    able = torch.tensor([0.5, 1.0, 1.1, 1e4, 1e8], dtype=torch.float64)
    drawn = draw_in(torch.cat([chance, able]).reshape(1, -1, 1)).flatten()
    torch.testing.assert_close(drawn[:200], chance)
    assert bool((drawn[200:].diff() > 1e-5).all())
    assert float(drawn[200]) > float(chance.max())


def test_many_diverged_trainings_do_not_set_the_scale_and_stay_in_order() -> None:
    good = torch.linspace(0.0, 1.0, 90, dtype=torch.float64)
    diverged = -torch.logspace(1.0, 30.0, 10, dtype=torch.float64)
    curves = torch.cat([diverged.flip(0), good]).reshape(1, 100, 1)
    drawn = draw_in(curves, poor=True)
    torch.testing.assert_close(drawn[:, 10:], curves[:, 10:])
    assert bool((drawn.flatten().diff() >= 0).all())
    assert bool((drawn[0, 4:10, 0].diff() > 0).all())
    assert float(drawn.min()) > -35.0
    assert float(draw_in(curves).min()) < -1e3


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
@pytest.mark.parametrize("score", [-1e6, -1e30])
def test_a_score_for_a_crash_does_not_set_the_scale_however_many_crash(score: float, share: float) -> None:
    curves = torch.rand(1, 100, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    crashed, sound = curves.clone(), int(100 * (1.0 - share))
    crashed[:, sound:] = score
    drawn = draw_in(crashed, poor=True)[0]
    assert float(drawn[:sound].std()) > 0.9 * float(curves[0, :sound].std())
    assert float(drawn.std()) < 150.0 * float(curves.std())
    assert float(drawn[sound:].max()) < float(drawn[:sound].min())


def test_tasks_that_say_nothing_are_left_out() -> None:
    curves = torch.cat([torch.logit(small_curves()[:, 0]), torch.full((1, 6, 5), 0.7, dtype=torch.float64)])
    sources = standardize(curves)
    assert sources.kept.tolist() == [True, True, True, False]
    torch.testing.assert_close(sources.curves.flatten(1).std(1, correction=0), torch.ones(3, dtype=torch.float64))


def curves_with_a_source_few_learn_on(n_source: int = 4) -> torch.Tensor:
    """Latent curves: on the first source all but three configurations are alike, ``(n_source, 40, 5)``."""
    generator = torch.Generator().manual_seed(6)
    common = torch.linspace(-1.0, 1.0, 40, dtype=torch.float64)
    values = common + 0.1 * torch.randn(n_source, 40, dtype=torch.float64, generator=generator)
    values[0] = 0.01 * values[0]
    values[0, [4, 6, 8]] = 5.0
    return values[:, :, None] - 1.0 / torch.arange(1, 6, dtype=torch.float64)


@pytest.mark.parametrize("n_source", [1, 4])
def test_leads_are_levelled_among_several_sources(n_source: int) -> None:
    curves = curves_with_a_source_few_learn_on(n_source)
    plain, levelled = standardize(curves), standardize(curves, leads_levelled=True)
    leads = [s.curves[:, :, -1].amax(1) - s.curves[:, :, -1].median(1).values for s in (plain, levelled)]
    assert float(leads[0].max()) > 2.5
    torch.testing.assert_close(leads[1], leads[0] if n_source == 1 else leads[0].clamp_max(1.5))
    for sources in (plain, levelled):  # what the unit is, the sources stay what they are
        unit = sources.log_scale.exp()[:, None, None]
        torch.testing.assert_close(sources.location[:, None, None] + unit * sources.curves[:, :, :-1], curves)


def test_a_larger_unit_counts_for_what_completion_left_open_too() -> None:
    curves = curves_with_a_source_few_learn_on()
    variance = torch.zeros_like(curves)
    variance[0, 7] = 1.0
    plain, levelled = (standardize(curves, variance, leads_levelled=told).unsure[0, 7] for told in (False, True))
    assert 0.0 < float(levelled) < 0.5 * float(plain)


def test_what_completion_left_open_is_told_by_configuration_and_by_column() -> None:
    curves = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variance = torch.zeros_like(curves)
    variance[1, 4, 2] = 1.0
    sources = standardize(curves, variance)
    unit = float(sources.log_scale[1].exp())
    torch.testing.assert_close(sources.unsure, torch.tensor([[0.0] * 5, [0, 0, 0, 0, 1 / 3 / unit**2]]).double())
    torch.testing.assert_close(sources.left_open, torch.tensor([0, 0, 0.1, 0.1]).double() / unit**2)
    assert not standardize(curves).left_open.any()


def test_configurations_never_run_are_told_of_in_the_same_unit_and_on_their_own() -> None:
    curves = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curves[0] = 1.0  # says nothing, is left out
    variance = torch.ones_like(curves)
    which = torch.zeros(3, 5, dtype=torch.bool)
    which[2, 1:] = True
    kernel = ConfigKernel(*torch.ones(4, 1, dtype=torch.float64))
    covariance = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64).expand(3, 2, 2)
    sources = standardize(curves, variance, never_run=NeverRun(which, covariance, kernel))
    told, unit = sources.never_run, sources.log_scale.exp().square()
    assert told is not None
    assert told.which.tolist() == which[1:].tolist()
    expected = torch.tensor([[1.0, 0.5, 0.5], [0.5, 2.0, 2.0], [0.5, 2.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(told.covariance, expected / unit[:, None, None])
    torch.testing.assert_close(sources.unsure_if_never_run, which[1:] / unit[:, None])
    torch.testing.assert_close(sources.left_open, (0.1 * (5 / unit[0] + 1 / unit[1])).expand(3))


def test_a_source_on_which_few_learn_anything_does_not_set_the_order() -> None:
    curves = torch.sigmoid(curves_with_a_source_few_learn_on(2))[:, None]
    features = torch.linspace(0.0, 1.0, 40, dtype=torch.float64)[:, None]
    order = WeightedSources().fit(History(curves, features)).values().mean.argsort(descending=True)
    assert not {4, 6, 8} & set(order[:5].tolist())  # on the other source they lie below the median
