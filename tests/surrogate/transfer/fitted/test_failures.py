"""at2/surrogate/transfer: trainings that never learn, on sources and on the target."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from at2.surrogate import History, WeightedSources
from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.failures import find_failures, replace_failures, unseen_failures
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.transfer.watched.signs import Signs
from at2.surrogate.transfer.watched.watch import Watch

N_SOURCE, N_CONFIG, N_EPOCH = 4, 60, 8
FLOOR = -5.0
FAILED = 12  # of the configurations of each source


def sound_curves(seed: int = 0, *, n_epoch: int = N_EPOCH, wander: float = 0.0) -> Tensor:
    """Curves in latent units that rise to what hyperparameters say, and differ a little; some wander about it."""
    generator = torch.Generator().manual_seed(seed)
    level = torch.linspace(-3.5, 2.0, N_CONFIG).double()[:, None]
    own = 0.1 * torch.randn(N_SOURCE, N_CONFIG, 1, generator=generator, dtype=torch.float64)
    noise = 0.02 * torch.randn(N_SOURCE, N_CONFIG, n_epoch, generator=generator, dtype=torch.float64)
    walk = wander * torch.randn(N_SOURCE, N_CONFIG, n_epoch, generator=generator, dtype=torch.float64).cumsum(-1)
    walk[:, ::2] = 0.0
    return level + own + noise + walk - 1.0 / torch.arange(1, n_epoch + 1)


def with_failures(curves: Tensor, *, seed: int = 1, n_failed: int = FAILED) -> tuple[Tensor, Tensor]:
    """Let some trainings of every source stay at the floor; also which."""
    generator = torch.Generator().manual_seed(seed)
    failed = torch.stack([torch.randperm(N_CONFIG, generator=generator) < n_failed for _ in range(N_SOURCE)])
    failed[0] &= ~failed[1:].all(0)  # none fails everywhere
    noise = 0.01 * torch.randn(curves.shape, generator=generator, dtype=torch.float64)
    return torch.where(failed[:, :, None], FLOOR + noise, curves), failed


def prior_of(curves: Tensor) -> TargetPrior:
    sources = standardize(curves.cummax(-1).values, failures_replaced=True)
    return fit_prior(sources, torch.linspace(0, 1, N_CONFIG).double()[:, None])


def test_trainings_that_stay_at_the_floor_are_found_where_others_learn() -> None:
    curves, failed = with_failures(sound_curves())
    found = find_failures(curves.amax(-1))
    good = torch.arange(N_CONFIG) > 0.5 * N_CONFIG
    assert torch.equal(found[:, good], failed[:, good])
    assert not bool(found[:, :5].any())  # these are poor on all sources: that they fail means nothing


def test_values_that_differ_by_degrees_are_no_failures() -> None:
    # one source is hard: what learns on the others ends anywhere there
    curves = sound_curves()
    hard = torch.linspace(0.0, 1.0, N_CONFIG)[torch.randperm(N_CONFIG, generator=torch.Generator().manual_seed(2))]
    curves[0] = FLOOR + hard.double()[:, None] * (curves[0] - FLOOR)
    assert not bool(find_failures(curves.amax(-1)).any())


@pytest.mark.parametrize("n_source", [1, 2, 4])
def test_the_poorest_configuration_of_each_task_is_no_failure(n_source: int) -> None:
    generator = torch.Generator().manual_seed(4)
    assert not bool(find_failures(torch.rand(n_source, 6, generator=generator, dtype=torch.float64)).any())


@pytest.mark.parametrize("n_constant", [1, 3])
def test_a_task_on_which_nothing_learns_holds_no_failure(n_constant: int) -> None:
    values = torch.linspace(0.0, 1.0, 30).double().repeat(3, 1)
    values[:n_constant] = 1.0
    assert not bool(find_failures(values).any())


def test_a_failed_curve_is_replaced_by_what_the_other_sources_say_and_counts_as_a_probability() -> None:
    curves = torch.tensor([[1.0, 2.0], [4.0, 5.0], [7.0, 8.0]]).double()[:, None].expand(3, 2, 2).clone()
    failed = torch.tensor([[True, False], [False, False], [False, False]])
    replaced, told = replace_failures(curves, failed)
    assert replaced[0, 0].tolist() == [5.5, 6.5]
    assert torch.equal(replaced[~failed], curves[~failed])
    assert told is not None
    assert told.mean.tolist() == [1.0, 2.0]
    assert told.probability.tolist() == pytest.approx([(1 + 1 / 6) / 4, (1 / 6) / 4])
    assert replace_failures(curves, failed & False)[1] is None
    moved = [told.share_that_moved_less(by, 0, 1) for by in (-9.0, 0.9, 1.0)]  # the five that learnt moved by 1
    assert moved == pytest.approx([1 / 6, 1 / 6, 1.0])
    far = [told.share_of_stuck_that_moved_as_far(by, 0, 1) for by in (1.0, 1.05, 1.2)]  # the one that failed as well
    assert far == pytest.approx([1.0, 1.0, 0.5])


def test_what_is_poor_everywhere_does_not_say_how_far_curves_that_learn_move() -> None:
    curves, failed = with_failures(sound_curves())
    curves[:, :15] = FLOOR  # poor on every source, and so no failures
    _, told = replace_failures(curves, failed & (torch.arange(N_CONFIG) >= 15))
    assert told is not None
    assert float(told.learnt[:, -1].min()) > FLOOR + 0.5
    assert told.share_that_moved_less(0.1, 0, N_EPOCH - 1) < 0.05  # nearly all that learn rise by more


def test_sources_are_measured_and_compared_as_if_nothing_had_failed() -> None:
    sound = sound_curves()
    curves, failed = with_failures(sound)
    plain, spoilt = standardize(sound), standardize(curves)
    cleaned = standardize(curves, failures_replaced=True)
    assert cleaned.failures is not None
    for told in ("location", "log_scale"):
        off, without = (getattr(some, told) - getattr(plain, told) for some in (cleaned, spoilt))
        assert bool((off.abs() < 0.5 * without.abs()).all())
    good = failed & (torch.arange(N_CONFIG) > 0.5 * N_CONFIG)
    assert float((cleaned.curves[good] - plain.curves[good]).abs().max()) < 0.4
    features = torch.linspace(0, 1, N_CONFIG).double()[:, None]
    between = [fit_prior(some, features).epoch_covariances[0, -1, -1] for some in (cleaned, spoilt)]
    assert float(between[0]) < 0.1 * float(between[1])


def watched(*, n_epoch: int = N_EPOCH, apart: float = 0.0, wander: float = 0.0, n_failed: int = FAILED) -> Watch:
    curves, _ = with_failures(sound_curves(n_epoch=n_epoch, wander=wander), n_failed=n_failed)
    prior = prior_of(curves + apart * torch.arange(N_SOURCE)[:, None, None])
    assert prior.failures is not None
    return Watch.begin(Posterior(Hypotheses(prior, Grid())), prior.failures)


def test_a_training_at_the_floor_is_found_out_and_is_no_evidence() -> None:
    watch = watched()
    sound = sound_curves(seed=5)[0].cummax(-1).values
    for config in (50, 55):
        for epoch in range(3):
            watch = watch.observe(config, epoch, float(sound[config, epoch]))
    weights, n = watch.posterior.weights, watch.posterior.n
    for epoch in range(3):
        watch = watch.observe(58, epoch, FLOOR)
    assert watch.failed.nonzero()[:, 0].tolist() == [58]
    torch.testing.assert_close(watch.posterior.weights, weights)
    assert watch.posterior.n == n


def test_a_training_that_never_rises_is_found_out_where_many_are_poor_on_every_source() -> None:
    rise = 1.0 - 1.0 / torch.arange(1, N_EPOCH + 1).double()
    curves = FLOOR + (sound_curves() - FLOOR) * rise  # all begin at the floor: a first reading tells nothing
    curves[:, :24] = FLOOR
    prior = prior_of(with_failures(curves)[0])
    assert prior.failures is not None
    watch = Watch.begin(Posterior(Hypotheses(prior, Grid())), prior.failures)
    for epoch in range(N_EPOCH):
        watch = watch.observe(58, epoch, FLOOR)
    assert watch.failed.nonzero()[:, 0].tolist() == [58]


@pytest.mark.parametrize(("n_read", "n_failed"), [(2, 2), (4, 4), (20, 0)])
def test_where_many_seem_to_have_failed_and_nearly_all_it_is_the_target_that_differs(
    n_read: int, n_failed: int
) -> None:
    watch = watched()
    for config in range(N_CONFIG - 1 - n_read, N_CONFIG - 1):
        watch = watch.observe(config, 0, FLOOR)
    assert int(watch.failed.sum()) == n_failed


def test_a_training_that_has_settled_is_as_flat_as_one_that_failed_and_is_none() -> None:
    watch = watched(n_epoch=60, apart=5.0, wander=0.2)  # levels differ: a first reading hardly tells
    sound = sound_curves(seed=5, n_epoch=60)[0].cummax(-1).values
    for epoch in range(60):
        watch = watch.observe(55, epoch, float(sound[55, min(epoch, 9)]))
        assert not bool(watch.failed.any())
    assert watch.posterior.n == 60


def unseen(curves_of: Callable[[int], Tensor] = sound_curves) -> tuple[Watch, Tensor]:
    """A target of which nobody has seen that its trainings fail, and its curves, the best of a source last."""
    prior = prior_of(curves_of(0))
    failures = prior.failures_to_watch()
    assert prior.failures is None
    assert failures is not None
    return Watch.begin(Posterior(Hypotheses(prior, Grid())), failures), curves_of(5)[0].cummax(-1).values


def curves_from_chance(seed: int) -> Tensor:
    """Curves that all begin at the floor, give or take a little, and go where `sound_curves` go."""
    curves = sound_curves(seed)
    return FLOOR + (curves - FLOOR) * (1.0 - 0.6 ** torch.arange(N_EPOCH, dtype=torch.float64)) + 0.01 * curves


def test_leading_ones_that_failed_are_found_out_by_what_the_others_say() -> None:
    watch, sound = unseen()
    for config in (59, 58, 57):
        for epoch in range(2):
            watch = watch.observe(config, epoch, FLOOR)
    for config in (50, 45, 40):
        for epoch in range(2):
            watch = watch.observe(config, epoch, float(sound[config, epoch]))
    assert watch.failed.nonzero()[:, 0].tolist() == [57, 58, 59]
    assert watch.posterior.n == 6


def test_leading_ones_that_stay_where_all_begin_are_found_out_by_what_the_others_say() -> None:
    watch, sound = unseen(curves_from_chance)
    for config, is_flat in ((59, True), (50, False), (45, False), (58, True), (57, True), (40, False)):
        for epoch in range(3):
            watch = watch.observe(config, epoch, float(sound[config, 0 if is_flat else epoch]))
    assert watch.failed.nonzero()[:, 0].tolist() == [57, 58, 59]
    assert watch.posterior.n == 9


def test_a_first_reading_where_all_begin_says_nothing_of_failures() -> None:
    watch, sound = unseen(curves_from_chance)
    for config in (59, 50, 45, 40):
        watch = watch.observe(config, 0, float(sound[config, 0]))
    assert not bool(watch.failed.any())
    assert float(watch.signs.odds.max()) < -3.0


@pytest.mark.parametrize("n_failed", [0, 4])
def test_leading_ones_of_whom_each_makes_the_next_look_poor_are_found_out(n_failed: int) -> None:
    watch = watched(n_failed=n_failed) if n_failed else unseen()[0]
    sound = sound_curves(seed=5)[0].cummax(-1).values
    for config in (59, 58, 57, 56):
        for epoch in range(2):
            watch = watch.observe(config, epoch, FLOOR)
    for config in (50, 45, 40):
        for epoch in range(2):
            watch = watch.observe(config, epoch, float(sound[config, epoch]))
    assert watch.failed.nonzero()[:, 0].tolist() == [56, 57, 58, 59]
    assert watch.posterior.n == 6


def test_those_that_failed_together_make_one_another_likelier_though_neither_had_failed_alone() -> None:
    signs = Signs.none(unseen_failures(sound_curves()))
    flat = torch.zeros(N_CONFIG, dtype=torch.float64).index_fill(0, torch.tensor([58, 59]), 4.0)
    signs = replace(signs, since=flat, most=flat, readings=dict.fromkeys((40, 45, 50, 58, 59), ((0, 0.0),)))
    assert signs.suspected == {58, 59}
    assert signs.failed_one_by_one == frozenset()
    assert signs.failed_together(signs.suspected) == {58, 59}
    assert signs.failed_together(frozenset({58})) == frozenset()


def test_three_of_four_may_have_failed_but_not_all() -> None:
    watch, sound = unseen()
    for config in (59, 58, 57):
        watch = watch.observe(config, 0, FLOOR).observe(config, 1, FLOOR)
    assert not bool(watch.failed.any())
    for epoch in range(2):
        watch = watch.observe(50, epoch, float(sound[50, epoch]))
    assert watch.failed.nonzero()[:, 0].tolist() == [57, 58, 59]


def test_one_that_failed_makes_it_likelier_of_the_next_where_nobody_has_seen_failures() -> None:
    watch, sound = unseen()
    for config in (50, 45):
        watch = watch.observe(config, 0, float(sound[config, 0]))
    below = float(sound[55, 0]) - 1.85
    alone = watch.observe(56, 0, below)
    after_another = watch.observe(59, 0, FLOOR).observe(56, 0, below)
    assert not bool(alone.failed[56])
    assert bool(after_another.failed[56])


def test_a_target_on_which_nothing_stands_out_has_no_failures() -> None:
    watch, sound = unseen()
    for config in (59, 57, 55, 50):
        for epoch in range(3):
            watch = watch.observe(config, epoch, float(sound[config, epoch]) - 1.5)  # poorer, and all alike
    assert not bool(watch.failed.any())
    assert watch.posterior.n == 12


def test_one_that_learns_after_all_is_told_after_all() -> None:
    watch = watched()
    watch = watch.observe(58, 0, FLOOR)
    assert bool(watch.failed[58])
    assert watch.posterior.n == 0
    for epoch in range(1, 6):
        watch = watch.observe(58, epoch, -1.0 + 0.4 * epoch)
    assert not bool(watch.failed.any())
    assert watch.posterior.n == 6


def test_a_reading_that_is_out_is_kept_when_all_is_told_anew() -> None:
    watch = watched()
    watch = watch.observe(58, 0, FLOOR)
    watch = watch.fantasize(57, 0)
    assert bool(watch.failed[58])
    assert watch.posterior.n == 1
    for epoch in range(1, 6):
        watch = watch.observe(58, epoch, -1.0 + 0.4 * epoch)
    assert not bool(watch.failed.any())
    assert watch.posterior.n == 7


def test_what_may_fail_is_not_recommended_unread_and_what_failed_is_worth_what_it_reached() -> None:
    curves, failed = with_failures(sound_curves())
    failed[:3, 59], curves[:3, 59] = True, FLOOR  # the best of all, where it learns
    curves[3, 59] += 2.0
    features = torch.linspace(0, 1, N_CONFIG).double()[:, None]
    belief = WeightedSources().fit(History(torch.sigmoid(curves)[:, None], features))
    value, worth = belief.values().mean, belief.worth()
    assert float(value[59]) > float(value[:50].max())
    assert float(worth[59]) < float(worth[50:59].max())
    for epoch in range(3):
        belief.observe(59, epoch, float(torch.sigmoid(torch.tensor(FLOOR))))
    assert float(belief.worth()[59]) == pytest.approx(1.0 / (1.0 + math.exp(-FLOOR)), rel=1e-6)
    assert float(belief.values().std[59]) < 1e-4
    slopes = belief.outlook(torch.tensor([59, 40]), torch.tensor([40, 59]), torch.tensor([2, 3])).slope
    assert float(slopes[1, 0]) > 0.0
    assert slopes[0].tolist() == slopes[:, 1].tolist() == [0.0, 0.0]  # nor does it say anything about others


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_answers_stay_finite(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n_source, n_config = int(torch.randint(2, 5, (), generator=generator)), 24
    curves = torch.rand(n_source, n_config, 4, generator=generator, dtype=torch.float64).cummax(-1).values
    share = torch.rand(n_source, 1, generator=generator)
    curves[torch.rand(n_source, n_config, generator=generator) < share] = 0.0
    if seed % 3 == 0:
        curves[0] = curves[0] > 0.0  # those that learn are all alike
    if seed % 4 == 0:
        curves[-1] = 0.5  # a task that says nothing
    features = torch.linspace(0, 1, n_config).double()[:, None]
    belief = WeightedSources().fit(History(curves[:, None], features))
    for config, epoch, value in ((3, 0, 0.0), (4, 0, 0.9), (3, 1, 0.0), (5, 0, 0.0), (3, 2, 0.8)):
        belief.observe(config, epoch, value)
        assert bool(belief.values().mean.isfinite().all() and belief.worth().isfinite().all())
        assert bool(belief.values().std.isfinite().all())


@pytest.mark.parametrize("score", [0.0, 0.08])  # a crash that is told as 0, and one at chance
def test_a_training_that_fails_where_none_did_leaves_what_sources_say(score: float) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(40, 2, generator=generator, dtype=torch.float64)
    own = 0.15 * torch.randn(6, 40, generator=generator, dtype=torch.float64)
    level = 0.3 + 0.6 * features[:, 0] * (1.0 - 0.3 * features[:, 1]) + 0.1 * own
    rising = 1.0 - 0.7 ** torch.arange(1, 13, dtype=torch.float64)
    curves = 0.1 + (level[:, :, None] - 0.1) * rising
    belief = WeightedSources().fit(History(curves[:5, None], features))
    best, second = belief.worth().topk(2).indices.tolist()
    for epoch in range(2):
        belief.observe(second, epoch, float(curves[5, second, epoch]))
    before = belief.values().mean
    for epoch in range(4):
        belief.observe(best, epoch, score + 1e-4 * epoch)
    others = [k for k in range(40) if k != best]
    moved = (belief.values().mean - before)[others]
    assert float(moved.abs().max()) < 0.5 * float(before.std())
    assert float(belief.source_weights().mean.sum()) == pytest.approx(1.0, abs=0.1)
    assert float(belief.values().mean[best]) < float(before.min())
    assert int(belief.worth().argmax()) != best


def test_a_reading_above_what_is_expected_is_no_failure() -> None:
    features = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    rising = 1.0 - 0.7 ** torch.arange(1, 13, dtype=torch.float64)
    own = 0.02 * torch.randn(4, 30, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sources = (0.2 + 0.5 * features + own) * rising
    belief = WeightedSources().fit(History(sources[:, None], features))
    for config in (5, 6, 7):
        for epoch in range(2):
            belief.observe(config, epoch, 0.3)
    belief.observe(29, 0, 0.9)
    assert float(belief.values().mean[28]) > 0.6  # its neighbour: what was read of it counts
    assert float(belief.values().mean[29]) > 0.9
