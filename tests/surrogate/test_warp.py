"""at2/surrogate/warp."""

import math

import pytest
import torch

from at2.surrogate.warp import (
    AffineWarp,
    IdentityWarp,
    LogitWarp,
    LogWarp,
    ShiftedLogWarp,
    Warp,
    choose_warp,
    unwarp_moments,
)


@pytest.mark.parametrize("warp", [IdentityWarp(), LogitWarp(), LogWarp(), ShiftedLogWarp(-1.0, shift=1.0)])
@pytest.mark.parametrize("mean", [-2000.0, -300.0, 0.0, 300.0, 2000.0])
@pytest.mark.parametrize("variance", [0.0, 1.0, 1e6])
def test_moments_are_finite_however_wild_the_belief(warp: Warp, mean: float, variance: float) -> None:
    moments = unwarp_moments(warp, torch.tensor([mean]).double(), torch.tensor([variance]).double())
    assert math.isfinite(float(moments.mean))
    assert math.isfinite(float(moments.std))


def test_the_moments_of_a_loss_are_those_of_a_log_normal() -> None:
    moments = unwarp_moments(LogWarp(), torch.tensor([0.7]).double(), torch.tensor([0.04]).double())
    mean = -math.exp(-0.7 + 0.02)
    assert float(moments.mean) == pytest.approx(mean, rel=1e-7)
    assert float(moments.std) == pytest.approx(-mean * math.sqrt(math.exp(0.04) - 1.0), rel=1e-4)


@pytest.mark.parametrize("warp", [LogitWarp(), LogitWarp(0.0, 100.0)])
def test_shares_keep_their_order_up_to_their_ends(warp: LogitWarp) -> None:
    shares = torch.tensor([0.0, 1e-5, 2e-5, 0.004, 0.006, 0.5, 0.994, 0.996, 0.999, 1.0], dtype=torch.float64)
    latent = warp.forward(warp.high * shares)
    assert bool((latent.diff() > 0.0).all())
    torch.testing.assert_close(warp.inverse(latent), warp.high * shares)
    assert float(latent[-1]) == pytest.approx(math.log(199.0) + 1.0, abs=0.01)  # a perfect reading is bounded
    assert warp.inverse(torch.tensor([-1e300, 1e300], dtype=torch.float64)).tolist() == [0.0, warp.high]


def test_every_positive_loss_has_its_own_place_and_a_loss_of_0_one_in_the_history() -> None:
    warp = choose_warp(torch.tensor([-2.0, -0.5], dtype=torch.float64))
    latent = warp.forward(-torch.tensor([1e-30, 1e-9, 0.005, 0.0], dtype=torch.float64))
    assert latent.tolist() == pytest.approx([-math.log(x) for x in (1e-30, 1e-9, 0.005, 0.005)])


def test_shares_and_percentages_have_no_range_in_common() -> None:
    shares = torch.tensor([0.3, 0.9], dtype=torch.float64)
    assert choose_warp(shares, shares) == LogitWarp(0.0, 1.0)
    assert choose_warp(100.0 * shares, 50.0 * shares) == LogitWarp(0.0, 100.0)
    assert choose_warp(100.0 * shares, 0.2 * 100.0 * shares) == LogitWarp(0.0, 100.0)  # none of them good
    assert choose_warp(100.0 * shares, shares) == IdentityWarp()
    assert choose_warp() == choose_warp(shares[:0]) == IdentityWarp()


@pytest.mark.parametrize(
    ("warp", "inside", "outside"),
    [
        (LogitWarp(), [0.0, 1.0, 1.0 + 1e-7], [-0.1, 1.1]),
        (LogitWarp(0.0, 100.0), [0.0, 100.0], [-1.0, 101.0]),
        (LogWarp(zero=0.01), [-1e30, 0.0, 1e-9], [0.02, 5.0]),
        (IdentityWarp(), [-1e30, 1e30], []),
        (AffineWarp(1.0, 2.0), [-1e30, 1e30], []),
    ],
)
def test_a_warp_admits_what_it_was_made_for(warp: Warp, inside: list[float], outside: list[float]) -> None:
    assert [warp.admits(value) for value in [*inside, *outside]] == [True] * len(inside) + [False] * len(outside)


def test_losses_that_were_rounded_to_zero_are_losses_still() -> None:
    losses = -torch.tensor([2.0, 0.5, 0.01, 0.0, 3.0], dtype=torch.float64)
    warp = choose_warp(losses)
    assert warp == LogWarp(zero=0.005)
    latent = warp.forward(losses)
    assert bool(torch.isfinite(latent).all())
    assert int(latent.argmax()) == 3
    torch.testing.assert_close(warp.inverse(latent)[:3], losses[:3])


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 0.0, 0.0, -1.0], [-1.0, 1e-3]], ids=["zero", "mostly", "signed"])
def test_what_is_zero_for_the_most_part_or_may_be_positive_is_no_loss(values: list[float]) -> None:
    assert not isinstance(choose_warp(torch.tensor(values, dtype=torch.float64)), LogWarp)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_scores_that_stand_for_a_crash_make_no_loss_of_an_accuracy(share: float) -> None:
    scores = torch.linspace(0.1, 0.9, 100, dtype=torch.float64)
    scores[: int(100 * share)] = -1e6
    assert choose_warp(scores) == IdentityWarp()


@pytest.mark.parametrize("least", [5e-324, 0.0])
def test_the_smallest_losses_have_a_logarithm(least: float) -> None:
    losses = -torch.tensor([1.0, 5e-324, least], dtype=torch.float64)
    latent = choose_warp(losses).forward(losses)
    assert bool(torch.isfinite(latent).all())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.2, 0.99, math.nan], LogitWarp(0.0, 1.0)),
        ([3.0, 95.0], LogitWarp(0.0, 100.0)),
        ([3.0, 12.0], IdentityWarp()),
        ([-0.5, -0.1], LogWarp(zero=0.1 * 0.01)),
        ([-0.5, 0.0], LogWarp(zero=0.5 * 0.5)),
        ([-0.5, 0.1], IdentityWarp()),
        ([-5.0, 1e6], IdentityWarp()),
        ([math.nan], IdentityWarp()),
        ([-2.0, -0.5, 1e-12], LogWarp(zero=0.25)),
        ([-2e-9, -1e-9, 1e-20], LogWarp(zero=1e-9 * 0.5)),
        ([-2e-9, -1e-9], LogWarp(zero=1e-9 * 0.01)),
        ([-2.0, -0.5, 0.01], IdentityWarp()),
    ],
)
def test_the_warp_follows_from_the_range(values: list[float], expected: Warp) -> None:
    assert choose_warp(torch.tensor(values, dtype=torch.float64)) == expected


def test_a_loss_of_which_nothing_is_known_is_expected_near_its_median() -> None:
    median = torch.log(torch.tensor(2.0, dtype=torch.float64)).neg()
    mean, std = (float(part) for part in vars(unwarp_moments(LogWarp(), median, torch.tensor(400.0).double())).values())
    assert -2.0 * math.exp(2.0) == pytest.approx(mean, rel=0.01)
    assert 0.0 < std < 1000.0
    narrow = unwarp_moments(LogWarp(), median, torch.tensor(0.25).double())  # of a lognormal
    assert float(narrow.mean) == pytest.approx(-2.0 * math.exp(0.125), rel=1e-6)


def test_a_shifted_log_goes_there_and_back_and_ends_at_0() -> None:
    warp, losses = ShiftedLogWarp(-0.5, shift=0.5, unit=0.7), -torch.tensor([1e20, 700.0, 2.0, 0.5, 1e-3, 0.0]).double()
    latent = warp.forward(losses)
    assert latent.tolist() == sorted(latent.tolist())
    torch.testing.assert_close(warp.inverse(latent), losses, rtol=1e-9, atol=1e-12)
    beyond = warp.inverse(torch.tensor([1.5, 2.0, 50.0]).double())  # of a loss below 0: the order stays
    assert beyond.tolist() == sorted(beyond.tolist())
    assert 0.0 < float(beyond[0]) < float(beyond[2]) <= 1e-6
    assert math.isfinite(float(warp.inverse(torch.tensor(-1e9).double())))
    assert warp.admits(-3.0)
    assert not warp.admits(0.1)
