"""at2/surrogate/transfer/cold.py: a start without sources, in any unit."""

import pytest
import torch

from at2.surrogate import Belief, History, WeightedSources
from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.prior import prior_without_sources
from at2.surrogate.warp import AffineWarp, ShiftedLogWarp
from tests.surrogate.transfer.problems import small_curves

FEATURES = torch.linspace(0, 1, 6, dtype=torch.float64)[:, None]
EMPTY = History(torch.zeros(0, 1, 6, 5, dtype=torch.float64), FEATURES)


def test_the_unit_of_the_metric_does_not_matter() -> None:
    plain, other = WeightedSources().fit(EMPTY), WeightedSources().fit(EMPTY)
    for k, (config, epoch) in enumerate([(0, 0), (3, 0), (3, 1), (1, 0), (5, 0), (5, 1)]):
        value = 10.0 * [-0.3, 0.4, 0.5, 0.1, 0.2, -0.9][k]
        plain.observe(config, epoch, value)
        other.observe(config, epoch, 1e6 * value + 3e7)
    torch.testing.assert_close(other.values().mean, 1e6 * plain.values().mean + 3e7, rtol=1e-6, atol=1.0)
    torch.testing.assert_close(other.values().std, 1e6 * plain.values().std, rtol=1e-5, atol=1.0)


def observe_losses(*losses: float, unit: float = 1.0) -> Belief:
    belief = WeightedSources().fit(EMPTY)
    for k, loss in enumerate(losses):
        belief.observe(k % 6, k // 6, -unit * loss)
    return belief


LOSSES = (2.3, 2.4, 0.9, 2.2, 3.0, 0.4, 2.3, 2.4, 0.5, 2.1, 2.9, 0.3)


def test_the_unit_of_a_loss_does_not_matter() -> None:
    plain, other = observe_losses(*LOSSES), observe_losses(*LOSSES, unit=1e6)
    torch.testing.assert_close(other.values().mean, 1e6 * plain.values().mean, rtol=1e-6, atol=0.0)


def test_a_training_that_diverges_does_not_set_the_unit_of_the_others() -> None:
    sound, diverged = (observe_losses(*LOSSES[:6], last, *LOSSES[7:]) for last in (3.0, 3e9))
    good, bad = 5, 3
    for belief in (sound, diverged):
        values = belief.values().mean
        assert float(values[good]) == pytest.approx(-0.2, abs=0.3)
        assert float(values[bad]) == pytest.approx(-1.8, abs=0.5)


def test_error_rates_are_seen_on_a_straight_line() -> None:
    assert isinstance(observe_losses(0.9, 0.4, 0.3).warp, AffineWarp)
    warp = observe_losses(1.2, 0.4, 0.3).warp
    assert isinstance(warp, ShiftedLogWarp)
    assert float(warp.forward(torch.tensor(-0.4, dtype=torch.float64))) == pytest.approx(0.0)  # their median


@pytest.mark.parametrize(
    "values",
    [
        [0.5] * 6,
        [1e-3] * 6,
        [0.0] * 6,
        [-4e20, 1.0, 2.0, 3.0, 2.0, 1.0],
        [-4e20, -1.0, 0.0, 0.0, -1.0, 0.0],
        [-1e30] * 6,
    ],
)
def test_odd_readings_leave_it_finite(values: list[float]) -> None:
    belief = WeightedSources().fit(EMPTY)
    for config, value in enumerate(values):
        belief.observe(config, 0, value)
    assert bool(torch.isfinite(belief.values().mean).all())
    assert bool(torch.isfinite(belief.predict().std).all())


@pytest.mark.parametrize("crashed", [-1e2, -1e9, -1e30])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_score_that_stands_for_a_crash_does_not_set_the_unit_of_the_others(crashed: float, scale: float) -> None:
    belief = WeightedSources().fit(EMPTY)
    for config, score in enumerate((0.3, 0.7, 0.5, crashed, 0.6, 0.4)):
        belief.observe(config, 0, scale * score - (scale > 1.0))
    assert int(belief.worth().argmax()) == 1
    assert float(belief.values().mean[1]) < 2.0 * scale  # 31 and more was expected


def test_a_fork_settles_apart() -> None:
    belief = WeightedSources().fit(EMPTY)
    belief.observe(0, 0, 3.0)
    twin = belief.fork()
    twin.fantasize(1, 0)
    twin.observe(2, 0, 9.0)
    assert float(twin.values().mean[2]) > float(belief.values().mean[2])
    assert float(belief.values().mean[2]) == pytest.approx(3.0, abs=1.5)


def test_sources_that_say_nothing_count_as_none() -> None:
    constant = History(torch.full((2, 1, 6, 5), 0.3, dtype=torch.float64), FEATURES)
    assert WeightedSources().fit(constant).source_weights().mean.numel() == 0


def test_better_readings_make_neighbours_look_better() -> None:
    curves = small_curves(1)[0, 0]
    belief = WeightedSources().fit(EMPTY)
    for epoch in range(3):
        belief.observe(0, epoch, float(curves[0, epoch]) * 0.3)
        belief.observe(5, epoch, 0.6 + 0.1 * epoch)
    values = belief.values().mean
    assert float(values[4]) > float(values[1])


@pytest.mark.parametrize("bump", [0.0, 0.4e-9, 0.63e-9, 0.7e-9, 0.9e-9, 1e-6])
def test_sources_all_but_alike_are_used_for_all_or_for_nothing(bump: float) -> None:
    curves = torch.full((1, 1, 3, 4), 0.5, dtype=torch.float64)
    curves[0, 0, 0, 0] += bump  # of the best readings so far, more differ than of the readings
    belief = WeightedSources().fit(History(curves, FEATURES[:3]))
    belief.observe(1, 0, 0.4)
    assert bool(torch.isfinite(belief.values().mean).all())
    assert bool(torch.isfinite(belief.predict().std).all())


@pytest.mark.parametrize("tells", [True, False])
def test_what_first_readings_say_is_learnt(tells: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    level = torch.randn(6, generator=generator, dtype=torch.float64)
    first = level if tells else torch.randn(6, generator=generator, dtype=torch.float64)
    hypotheses = Hypotheses(prior_without_sources(EMPTY.features, EMPTY.n_epoch), Grid())
    posterior = Posterior(hypotheses, temper=WeightedSources().temper_alone)
    for config in range(6):
        for epoch in range(3):
            posterior.observe(config, epoch, float(first[config] if epoch == 0 else level[config]) + 0.1 * epoch)
    assert _silent(posterior) < 0.1 if tells else _silent(posterior) > 0.9


def _silent(posterior: Posterior) -> float:
    """How likely it is held that first readings say nothing."""
    n_way = len(posterior.hypotheses.prior.way_probabilities)
    by_way = posterior.weights.reshape(n_way, -1).sum(1)  # ways change slowest
    return float(by_way[1:].sum())


def test_the_loss_of_an_untrained_network_says_nothing_of_the_trained_one() -> None:
    """All first losses lie far above all others, and differ by how the networks start."""
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(60, 2, generator=generator, dtype=torch.float64)
    belief = WeightedSources().fit(History(torch.zeros(0, 1, 60, 20, dtype=torch.float64), features))
    ends = 0.4 + 0.4 * torch.rand(60, generator=generator, dtype=torch.float64)
    starts = torch.tensor([2.3, 2.6], dtype=torch.float64).repeat(30)

    def observe(config: int, n_epoch: int) -> None:
        for epoch in range(n_epoch):
            decay = 0.2**epoch
            belief.observe(config, epoch, -float(decay * starts[config] + (1.0 - decay) * ends[config]))

    for config in range(10):
        observe(config, 20 if config < 4 else 2)
    before, spread = (float(moment[40]) for moment in belief.latent_values())
    observe(40, 1)
    after = float(belief.latent_values()[0][40])
    assert abs(after - before) < 0.05 * spread**0.5
