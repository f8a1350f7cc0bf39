"""at2/recommend/acquisition/knowledge_gradient.py: gains against sampling, look-aheads within reach."""

from dataclasses import replace

import pytest
import torch

from at2.recommend import SearchState
from at2.recommend.acquisition.knowledge_gradient import (
    KnowledgeGradient,
    expected_improvement,
    expected_rise,
    metric_improvement,
    rank_by_promise,
    reachable_cells,
    share_in_part,
)
from at2.surrogate import IdentityWarp, LogitWarp, Outlook, Warp
from at2.surrogate.warp import AffineWarp, LogWarp


def unlimited(mean: torch.Tensor, slope: torch.Tensor) -> Outlook:
    """Values of configurations none of which was read, each moved by its slopes and known no better than that."""
    return Outlook(mean, slope.square().amax(1), torch.full_like(mean, -torch.inf), slope)


def test_expected_rise_is_what_sampling_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(6, dtype=torch.float64, generator=generator)
    slope = torch.randn(6, 4, dtype=torch.float64, generator=generator)
    z = torch.randn(200_000, 1, 1, dtype=torch.float64, generator=generator)
    sampled = (mean[None, :, None] + z * slope).amax(1).mean(0) - mean.max()
    torch.testing.assert_close(expected_rise(unlimited(mean, slope), n_node=40), sampled, rtol=0.02, atol=0.01)


def test_a_reading_that_moves_all_alike_gains_nothing() -> None:
    mean = torch.tensor([0.3, 0.1, -2.0], dtype=torch.float64)
    alike = unlimited(mean, torch.ones(3, 1, dtype=torch.float64))
    torch.testing.assert_close(expected_rise(alike), torch.zeros(1).double())


def test_expected_improvement_far_below_is_zero_and_not_nan() -> None:
    gain = expected_improvement(torch.tensor([-50.0, 0.0, 50.0], dtype=torch.float64))
    assert gain.tolist() == pytest.approx([0.0, 0.398942, 50.0], abs=1e-6)


@pytest.mark.parametrize("warp", [IdentityWarp(), LogitWarp(), LogWarp()])
def test_an_improvement_of_the_metric_is_what_sampling_gives(warp: Warp) -> None:
    mean, best = torch.tensor([1.5, 0.8, -0.5]).double(), torch.tensor(1.0).double()
    std = torch.tensor([0.2, 0.4, 0.5]).double()
    z = torch.randn(400_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sampled = (warp.inverse(mean + z * std) - warp.inverse(best)).clamp_min(0.0).mean(0)
    torch.testing.assert_close(metric_improvement(warp, best, mean, std.square()), sampled, rtol=0.1, atol=1e-5)


@pytest.mark.parametrize("warp", [IdentityWarp(), AffineWarp(3.0, 0.1), LogWarp(), LogitWarp()])
def test_an_improvement_far_off_is_small_and_in_order(warp: Warp) -> None:
    mean, best = torch.tensor([-1e30, -1e3, -11.0, -9.0, -8.0, 1.0]).double(), torch.tensor(1.0).double()
    found = metric_improvement(warp, best, mean, torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).double())
    assert bool(torch.isfinite(found).all())
    assert found.tolist() == [*sorted(found[:5].tolist()), pytest.approx(0.0, abs=1e-12)]
    assert 0.0 < float(found[2]) < float(found[3]) < float(found[4]) < 1e-18


class Losses:
    """Latent values of a loss: two good ones, and poor ones that may be anything."""

    warp = LogWarp()

    def latent_values(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([-7.0, 1.5, -6.0, 2.0, 1.2]).double(), torch.tensor([4.0, 0.5, 3.0, 0.1, 0.5]).double() ** 2


def test_poor_losses_promise_less_than_good_ones_however_little_is_known_of_them() -> None:
    ones = torch.ones(5, dtype=torch.float64)
    state = SearchState(torch.zeros(5).long(), torch.full((5,), 4), ones > 0, ones, 0 * ones, 0.0)
    assert rank_by_promise(Losses(), state).tolist() == [1, 3, 4, 0, 2]


class Scores:
    """Latent values of a score: two good ones, and poor ones of which that is known well."""

    warp = IdentityWarp()

    def latent_values(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([-7.0, 1.5, -30.0, 2.0, 1.2]).double(), torch.tensor(
            [0.4, 0.5, 1e-3, 0.1, 0.5]
        ).double() ** 2


def test_configurations_that_are_known_to_be_poor_come_last() -> None:
    ones = torch.ones(5, dtype=torch.float64)
    state = SearchState(torch.zeros(5).long(), torch.full((5,), 4), ones > 0, ones, 0 * ones, 0.0)
    assert rank_by_promise(Scores(), state).tolist() == [1, 3, 4, 0, 2]


def test_lookaheads_end_at_the_horizon() -> None:
    state = SearchState(
        done=torch.tensor([0, 4, 2]),
        horizon=torch.tensor([4, 1, 0]),
        eligible=torch.ones(3, dtype=torch.bool),
        cost=torch.ones(3, dtype=torch.float64),
        entry_cost=torch.zeros(3, dtype=torch.float64),
        best_seen=0.0,
    )
    configs, epochs, steps = reachable_cells(torch.tensor([0, 1]), state, (1, 3, 8))
    assert list(zip(configs.tolist(), epochs.tolist(), steps.tolist(), strict=True)) == [
        (0, 0, 1),
        (0, 2, 3),
        (0, 3, 4),
        (1, 4, 1),
    ]


def test_what_is_known_limits_the_rise_from_below() -> None:
    mean, slope = torch.tensor([0.0, -1.0]).double(), torch.tensor([[2.0], [0.5]]).double()
    least = torch.tensor([-torch.inf, 0.5]).double()  # the second is known to be worth 0.5 at least
    variance = slope[:, 0].square()  # after the reading both values are known
    z = torch.randn(400_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = torch.maximum(mean + z * slope[:, 0], least)
    sampled = values.amax(1).mean() - values.mean(0).max()
    rise = expected_rise(Outlook(mean, variance, least, slope), n_node=64)[0]
    torch.testing.assert_close(rise, sampled, rtol=0.02, atol=0.0)


@pytest.mark.parametrize("least", [-torch.inf, -1.0, 0.0, 0.3, 2.0])
@pytest.mark.parametrize("told", [0.2, 0.7, 1.0])
def test_reading_one_configuration_alone_gains_nothing(least: float, told: float) -> None:
    """Its value is expected to be tomorrow what it is expected to be today, however good a reading it has shown."""
    outlook = Outlook(*torch.tensor([[0.0], [1.0], [least], [told]]).double()[:3], torch.tensor([[told]]).double())
    assert expected_rise(outlook).tolist() == [0.0]


def test_a_leader_below_its_best_reading_is_not_read_for_that_alone() -> None:
    """It is worth 0.5 whatever comes, and the other is far behind: nothing can be gained by reading it."""
    mean, variance = torch.tensor([0.0, -8.0]).double(), torch.tensor([0.25, 0.25]).double()
    least, slope = torch.tensor([0.5, -torch.inf]).double(), torch.tensor([[0.5], [0.0]]).double()
    assert float(expected_rise(Outlook(mean, variance, least, slope))) < 1e-9


def test_what_a_reading_leaves_open_counts_after_it() -> None:
    """Sampled in two steps: the reading, and then the values that it leaves open, each not below its least."""
    mean, variance = torch.tensor([0.2, 0.0]).double(), torch.tensor([0.5, 1.0]).double()
    least, slope = torch.tensor([0.3, -0.4]).double(), torch.tensor([[0.3], [0.8]]).double()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2_000, 1, 1, dtype=torch.float64, generator=generator)
    left = (variance - slope[:, 0].square()).sqrt() * torch.randn(1, 2_000, 2, dtype=torch.float64, generator=generator)
    after = torch.maximum(mean + z * slope[:, 0] + left, least).mean(1)
    sampled = after.amax(1).mean() - after.mean(0).max()
    rise = expected_rise(Outlook(mean, variance, least, slope), n_node=40)[0]
    torch.testing.assert_close(rise, sampled, rtol=0.1, atol=0.0)


def test_a_certain_reading_is_worth_nothing() -> None:
    assert not expected_rise(unlimited(torch.tensor([1.0, 2.0]).double(), torch.zeros(2, 3).double())).any()


class Taught:
    """Two leaders that only a reading of a third, poor configuration tells apart well; in latent units."""

    warp = IdentityWarp()

    def latent_values(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([0.0, 0.0, -3.0]).double(), torch.tensor([1.0, 1.0, 1.0]).double()

    def outlook(self, rows: torch.Tensor, configs: torch.Tensor, epochs: torch.Tensor) -> Outlook:
        slopes = torch.tensor([[0.5, 0.0, 0.35], [0.0, 0.5, -0.35], [0.0, 0.0, 0.1]]).double()
        mean, variance = self.latent_values()
        return Outlook(mean[rows], variance[rows], torch.full_like(mean, -torch.inf)[rows], slopes[rows][:, configs])


def test_what_is_learnt_of_others_counts_in_part() -> None:
    ones = torch.ones(3, dtype=torch.float64)
    state = SearchState(torch.zeros(3).long(), torch.full((3,), 4), torch.ones(3) > 0, ones, 0 * ones, 0.0)
    assert KnowledgeGradient(sharing=1.0).choose(Taught(), state).config == 2
    assert KnowledgeGradient().choose(Taught(), state).config in (0, 1)


def test_moving_all_alike_gains_nothing_however_much_is_shared() -> None:
    class Alike(Taught):
        def outlook(self, rows: torch.Tensor, configs: torch.Tensor, epochs: torch.Tensor) -> Outlook:
            outlook = super().outlook(rows, configs, epochs)
            return replace(outlook, slope=torch.full_like(outlook.slope, 2.0))

    ones = torch.ones(3, dtype=torch.float64)
    state = SearchState(torch.zeros(3).long(), torch.full((3,), 4), torch.ones(3) > 0, ones, 0 * ones, 0.0)
    assert KnowledgeGradient().choose(Alike(), state).gain == pytest.approx(0.0, abs=1e-9)


def test_known_values_do_not_move_with_the_others() -> None:
    slope = torch.tensor([[2.0, 0.5], [1.0, 1.5], [0.0, 0.0]]).double()  # the third is known
    own = torch.tensor([[True, False], [False, True], [False, False]])
    shared = share_in_part(slope, own, 0.5)
    torch.testing.assert_close(shared, torch.tensor([[2.0, 0.75], [1.25, 1.5], [0.0, 0.0]]).double())
    assert not share_in_part(0.0 * slope, own, 0.5).any()
