"""Tasks in units of their own: factors that differ by decades, shares and percentages, losses below 0, losses of 0."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from at2.surrogate import History, WeightedSources
from at2.surrogate.transfer.fitted.prior import fit_prior
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.transfer.settling import SettlingBelief
from at2.surrogate.transfer.view import View, view_of
from at2.surrogate.warp import IdentityWarp, LogitWarp, LogWarp
from tests.surrogate.transfer.problems import small_curves, small_history

FACTORS = torch.tensor([1e-4, 3e2, 1.0, 2e4], dtype=torch.float64)[:, None, None, None]


def told(curves: Tensor, target: Tensor) -> SettlingBelief:
    """A belief that was told the last two readings of four of twelve configurations, the best two among them."""
    features = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    belief = WeightedSources().fit(History(curves, features))
    for config in (*target.amax(1).topk(2).indices.tolist(), 0, 1):
        for epoch in (3, 4):
            belief.observe(config, epoch, float(target[config, epoch]))
    return belief


def problem() -> tuple[Tensor, Tensor]:
    """Curves of four sources, and of a target like them."""
    curves = small_curves(5, 12, seed=2)
    return curves[:4], curves[4, 0]


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shift", [0.0, -0.6])
def test_a_target_is_measured_in_its_own_unit_where_every_task_has_one(factor: float, shift: float) -> None:
    sources, target = problem()
    together = told(sources + shift - 5.0, target + shift - 5.0)  # no share: seen as it is
    apart = told(FACTORS * (sources + shift), factor * (target + shift))
    expected, found = together.values().mean + 5.0, apart.values().mean / factor
    assert int(found.argmax()) == int(expected.argmax())
    assert float((found - expected).abs().max()) < 0.5 * float(target.std())


def test_shares_among_percentages_are_not_taken_for_poor_ones() -> None:
    sources, target = problem()
    mixed = torch.cat([sources[:2], 100.0 * sources[2:]])
    for factor in (1.0, 100.0):
        belief = told(mixed, factor * target)
        assert int(belief.worth().argmax()) == int(target.amax(1).argmax())


def test_percentages_after_a_history_of_shares_are_read_as_shares(caplog: pytest.LogCaptureFixture) -> None:
    sources, target = problem()
    shares = told(sources, target)
    assert not caplog.records
    percent = told(sources, 100.0 * target)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "in per cent" in caplog.text
    assert percent.warp == LogitWarp(0.0, 100.0)
    torch.testing.assert_close(percent.values().mean / 100.0, shares.values().mean, rtol=0.0, atol=1e-9)


def test_shares_after_a_history_of_percentages_are_read_as_percentages() -> None:
    sources, target = problem()
    belief = told(100.0 * sources, target)
    assert belief.warp == LogitWarp(0.0, 1.0)
    torch.testing.assert_close(belief.values().mean, told(sources, target).values().mean, rtol=0.0, atol=1e-9)
    belief.observe(7, 4, 45.0)  # per cent after all
    assert float(belief.values().mean[7]) == pytest.approx(45.0, rel=0.05)


@pytest.mark.parametrize("scores", [(1e3, 0.0), (0.3, 60.0)])  # beyond 100; where no share of the sources would lie
def test_readings_that_are_no_percentages_have_a_unit_of_their_own(
    scores: tuple[float, float], caplog: pytest.LogCaptureFixture
) -> None:
    factor, shift = scores
    sources, target = problem()
    belief = told(0.02 * sources, factor * target + shift)
    assert belief.warp == IdentityWarp()
    assert "in another unit" in caplog.text
    assert int(belief.worth().argmax()) == int(target.amax(1).argmax())


def test_a_score_that_stands_for_a_crash_is_no_reason_to_leave_percentages() -> None:
    sources, target = problem()
    belief = told(sources, 100.0 * target)
    belief.observe(7, 4, -1.0)
    assert belief.warp == LogitWarp(0.0, 100.0)


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 1e3), (1e4, 0.0), (1e-4, 0.0)])
def test_a_target_far_from_all_sources_is_measured_in_its_own_unit(factor: float, shift: float) -> None:
    sources, target = problem()
    together = told(sources - 5.0, target - 5.0)
    elsewhere = told(sources - 5.0, factor * (target - 5.0) + shift)
    expected, found = together.values().mean, (elsewhere.values().mean - shift) / factor
    assert int(found.argmax()) == int(expected.argmax())
    assert float((found - expected).abs().max()) < 0.5 * float(target.std())


def test_losses_a_thousand_times_larger_are_a_matter_of_location() -> None:
    sources, target = problem()
    together, elsewhere = told(sources - 1.0, target - 1.0), told(sources - 1.0, 1e3 * (target - 1.0))
    expected, found = together.values().mean, 1e-3 * elsewhere.values().mean
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.0)


def test_losses_below_0_after_a_history_of_positive_ones_are_told_apart() -> None:
    sources, target = problem()
    belief = told(sources - 1.0, 5.0 + target)
    assert int(belief.worth().argmax()) == int(target.amax(1).argmax())
    assert float(belief.values().mean.max()) == pytest.approx(5.0 + float(target.max()), abs=0.1)


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ((0.4, 1e8, 1e8, 1e8), (0.4, 0.4, 0.4, 0.4)),  # one training, which diverged after its first epoch
        ((1e8, 0.4), (1e8, 0.4)),  # two, one of which diverged at once
    ],
)
def test_trainings_that_diverge_do_not_say_where_a_target_lies(losses: Sequence[float], best: Sequence[float]) -> None:
    sources, _ = problem()
    features = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    prior = fit_prior(standardize(-(1.0 - sources[:, 0]).log()), features)
    plain = View(LogWarp())

    def view(best: Sequence[float]) -> View:
        values, best_so_far = -torch.tensor(losses).double(), -torch.tensor(best).double()
        return view_of(values, best_so_far, plain, plain=plain, prior=prior, largest=1.0)

    assert view(best) == plain
    assert view([1e8] * len(losses)) != plain  # where nothing was ever sound, that is where the target lies


def test_scores_for_a_crash_are_no_sign_of_another_unit() -> None:
    history = small_history()
    belief = WeightedSources().fit(history)
    warp = belief.warp
    for config, value in ((0, 0.4), (1, -1.0), (2, 0.5), (3, -1.0)):
        belief.observe(config, 0, value)
    assert belief.warp == warp
    for epoch, value in enumerate((-0.7, -0.6, -0.5)):  # most of them lie there
        belief.observe(4, epoch, value)
    assert belief.warp != warp


def test_an_outlier_is_no_sign_of_another_unit() -> None:
    history = small_history()
    belief = WeightedSources().fit(history)
    belief.observe(0, 0, 0.4)
    warp = belief.warp
    belief.observe(1, 0, 1e30)
    assert belief.warp == warp
    belief.observe(2, 0, 55.0)
    assert belief.warp != warp


def test_a_location_is_never_taken_over_from_another_warp() -> None:
    sources, _ = problem()
    features = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    prior = fit_prior(standardize(torch.logit(sources[:, 0])), features)
    values = torch.tensor([0.5, 0.6, 0.5, 0.6, 45.0], dtype=torch.float64)
    moved = View(LogitWarp(), location=-7.0)
    view = view_of(values, values, moved, plain=View(LogitWarp()), prior=prior, largest=1.0)
    assert view == View(IdentityWarp(), own_unit=True, location=pytest.approx(0.6))
    later = torch.cat([values, torch.tensor([50.0], dtype=torch.float64)])
    unsettled = view_of(later, later, view, plain=View(LogitWarp()), prior=prior, largest=1.0)
    assert unsettled == view  # it is not yet time to settle


def test_what_is_out_stays_out_when_the_unit_changes() -> None:
    sources, target = problem()
    features = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    belief = WeightedSources().fit(History(sources, features))
    belief.fantasize(3, 0)
    before = belief.fork()
    belief.observe(5, 4, 100.0 * float(target[5, 4]))
    belief.observe(3, 0, 100.0 * float(target[3, 0]))
    assert bool(torch.isfinite(belief.values().mean).all())
    assert float(before.values().mean.max()) < 1.0


def test_small_losses_of_the_target_differ_however_large_those_of_the_sources_are() -> None:
    sources, target = problem()
    belief = told(sources - 1.0, 1e-7 * (target - 1.0))
    assert int(belief.worth().argmax()) == int(target.amax(1).argmax())


@pytest.mark.parametrize("least", [1e-2, 1e-9])
def test_a_loss_of_0_is_the_least_of_the_target_and_equals_another(least: float) -> None:
    sources, _ = problem()
    features = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    belief = WeightedSources().fit(History(sources - 1.0, features))
    belief.observe(0, 4, -least)
    belief.observe(1, 4, 0.0)
    belief.observe(2, 4, -3.0 * least)
    belief.observe(3, 4, 0.0)
    values = belief.values().mean
    assert math.isclose(float(values[1]), float(values[3]), rel_tol=1e-9)
    assert float(values[1]) > float(values[0]) > float(values[2])
