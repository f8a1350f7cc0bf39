"""at2/surrogate/transfer: belief, surrogate, features, deviation."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from at2.surrogate import Belief, History, Prediction, WeightedSources, unwarp_moments
from at2.surrogate.kernels import embed
from at2.surrogate.numerics.limited import at_least
from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.agreement import agreement, trust
from at2.surrogate.transfer.fitted.deviation import (
    epoch_covariance,
    fit_config_kernel,
    generic_config_kernel,
    generic_epoch_covariance,
    spread_by_rank,
)
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior
from at2.surrogate.transfer.fitted.residuals import WEIGHT_SPREAD, leave_one_out_residuals, rank_weights, split_common
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.warp import LogitWarp
from tests.surrogate.transfer.problems import matrix, small_curves, small_history


def test_the_best_of_a_curve_is_at_least_what_was_seen_and_known_at_its_end() -> None:
    history = small_history()
    belief = WeightedSources().fit(history)
    for epoch, value in enumerate([0.30, 0.52, 0.50, 0.51, 0.49]):
        belief.observe(1, epoch, value)
        assert float(belief.values().mean[1]) >= max([0.30, 0.52][: epoch + 1]) - 1e-9
    assert float(belief.values().mean[1]) == pytest.approx(0.52, abs=1e-6)
    assert float(belief.values().std[1]) == pytest.approx(0.0, abs=1e-5)


def test_a_target_like_one_source_gives_it_the_largest_weight() -> None:
    history = small_history(n_source=4, n_config=20, seed=3)
    belief = WeightedSources().fit(history)
    for config in range(0, 20, 2):
        for epoch in range(5):
            belief.observe(config, epoch, float(history.values[2, 0, config, epoch]))
    assert int(belief.source_weights().mean.argmax()) == 2
    unseen = torch.arange(1, 20, 2)
    own = history.values[2, 0].amax(1)[unseen]
    others = history.values[[0, 1, 3], 0].mean(0).amax(1)[unseen]
    predicted = belief.values().mean[unseen]
    assert float((predicted - own).square().mean()) < 0.5 * float((others - own).square().mean())


def test_before_the_first_reading_the_best_of_the_sources_counts_as_the_best() -> None:
    # the target's scale is unknown, so that what stands out is the least certain: it must be counted on all the same
    best = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64)
    noise = torch.randn(4, 1, 12, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = torch.tensor([0.1, 0.4, 1.0, 3.0], dtype=torch.float64)[:, None, None, None]
    curves = scale * (best[:, None] + 0.05 * noise)
    belief = WeightedSources().fit(History(10.0 + curves, best[:, None]))
    assert int(belief.worth().argmax()) == 11


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e4, -7.0), (1e-5, 100.0)])
def test_units_of_an_unbounded_metric_do_not_matter(scale: float, shift: float) -> None:
    curves = torch.logit(small_curves())
    features = small_history().features
    plain = WeightedSources().fit(History(curves, features))
    other = WeightedSources().fit(History(scale * curves + shift, features))
    for config, epoch in ((0, 0), (3, 0), (3, 1)):
        value = float(curves[0, 0, config, epoch]) + 0.3
        plain.observe(config, epoch, value)
        other.observe(config, epoch, scale * value + shift)
    torch.testing.assert_close(other.values().mean, scale * plain.values().mean + shift, rtol=1e-4, atol=1e-5 * scale)


def test_fork_is_independent_and_predict_takes_rows() -> None:
    belief = WeightedSources().fit(small_history())
    belief.observe(0, 0, 0.4)
    before = belief.values().mean
    twin = belief.fork()
    twin.observe(2, 0, 0.9)
    torch.testing.assert_close(belief.values().mean, before)
    rows = torch.tensor([4, 1])
    torch.testing.assert_close(twin.predict(rows).mean, twin.predict().mean[rows])
    assert twin.predict(rows).std.shape == (2, 5)


def test_samples_of_values_have_the_moments_of_the_belief() -> None:
    belief = WeightedSources(grid=Grid((0.5,), (0.25,), (1.0,), 1)).fit(small_history())
    belief.observe(0, 0, 0.4)
    belief.observe(3, 0, 0.5)
    samples = belief.sample_values(20_000, seed=1)
    torch.testing.assert_close(samples.mean(0), belief.values().mean, rtol=0.0, atol=0.01)
    assert bool((samples[:, 0] >= 0.4 - 1e-9).all())


def test_the_outlook_is_on_the_values_that_are_believed() -> None:
    belief = WeightedSources().fit(small_history())
    for config, epoch, value in ((0, 0, 0.4), (3, 0, 0.5), (3, 1, 0.3)):
        belief.observe(config, epoch, value)
    rows = torch.tensor([3, 1, 0])
    outlook = belief.outlook(rows, torch.tensor([3, 0, 1]), torch.tensor([4, 1, 4]))
    values = torch.stack(at_least(outlook.least, outlook.mean, outlook.variance))
    torch.testing.assert_close(values, torch.stack(belief.latent_values())[:, rows])
    assert bool((outlook.slope.square() <= outlook.variance[:, None]).all())  # no reading tells more than is open
    assert float(outlook.slope[0, 0]) > 0.0


def test_components_are_those_of_the_mixture() -> None:
    belief = WeightedSources().fit(small_history())
    belief.observe(0, 0, 0.4)
    assert len(belief.components) == len(belief.weights)
    lead = int(belief.weights.argmax())
    component = belief.components[lead]
    rows, cells = torch.tensor([0, 1]), (torch.tensor([2, 3]), torch.tensor([1, 4]))
    assert component.value_covariance(rows, *cells).shape == (2, 2)
    assert component.reading_mean().shape == component.reading_variance().shape == (6, 5)
    assert bool((component.value_variance() > 0).all())


@given(
    mean=st.floats(-5, 5),
    std=st.floats(0.01, 5),
    floor=st.floats(-8, 8),
)
@settings(deadline=None, max_examples=50)
def test_moments_of_a_limited_gaussian(mean: float, std: float, floor: float) -> None:
    z = torch.linspace(-9, 9, 40_001, dtype=torch.float64)
    weight = torch.exp(-0.5 * z.square())
    weight = weight / weight.sum()
    limited = (mean + std * z).clamp_min(floor)
    expected = float((weight * limited).sum())
    spread = float((weight * (limited - expected).square()).sum())
    own_mean, own_variance = at_least(*(torch.tensor(v, dtype=torch.float64) for v in (floor, mean, std**2)))
    assert float(own_mean) == pytest.approx(expected, abs=2e-3 * std)
    assert float(own_variance) == pytest.approx(spread, abs=1e-2 * std**2 + 1e-12)


def test_without_a_floor_nothing_changes() -> None:
    mean, variance = torch.tensor([1.0]).double(), torch.tensor([4.0]).double()
    own = at_least(torch.tensor([-math.inf]).double(), mean, variance)
    assert (float(own[0]), float(own[1])) == (1.0, 4.0)


def test_trainings_that_diverge_on_a_source_leave_the_others_as_likely_as_they_were() -> None:
    generator = torch.Generator().manual_seed(4)
    common = torch.randn(40, dtype=torch.float64, generator=generator)
    own = 0.5 * torch.randn(4, 40, dtype=torch.float64, generator=generator)
    losses = torch.exp(-(common + own))[:, None, :, None].expand(-1, -1, -1, 6).clone()
    features = torch.rand(40, 2, dtype=torch.float64, generator=generator)
    stds = []
    for worst in (float(losses.max()), 1e26):
        losses[0, :, [3, 7, 12, 25]] = worst
        _, variance = WeightedSources().fit(History(-losses, features)).latent_values()
        stds.append(float(variance.sqrt().median()))
    assert stds[1] < 2.0 * stds[0]


def test_residuals_of_equal_sources_vanish_and_of_one_source_are_half_its_own() -> None:
    z = standardize(torch.logit(small_curves(1)[:, 0])).curves
    assert float(leave_one_out_residuals(z.expand(3, -1, -1)).abs().max()) < 0.05
    own = leave_one_out_residuals(z)
    centred = z - z.mean(1, keepdim=True)
    torch.testing.assert_close(own.square().mean(), 0.5 * centred.square().mean())


def test_residuals_are_those_of_a_ridge_regression_on_the_other_sources() -> None:
    z = torch.randn(4, 30, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[1:] += z[:1]
    residuals = leave_one_out_residuals(z)
    for s in range(4):
        others = torch.cat([z[:s], z[s + 1 :], torch.ones_like(z[:1])]).flatten(1)
        prior = z.new_tensor([1 / 3, 1 / 3, 1 / 3, 0.0])
        precision = torch.diag(z.new_tensor([3 / WEIGHT_SPREAD**2] * 3 + [1.0]))
        weights = prior
        for _ in range(5):
            noise = (z[s].flatten() - weights @ others).square().mean()
            gram, moment = others @ others.T / 6 / noise, others @ z[s].flatten() / 6 / noise
            weights = torch.linalg.solve(gram + precision, moment + precision @ prior)
        torch.testing.assert_close(residuals[s], z[s] - (weights @ others).reshape(30, 6))


def test_configurations_count_by_their_rank_on_the_other_sources() -> None:
    values = torch.rand(3, 50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = rank_weights(values)
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=torch.float64))
    changed = values.clone()
    changed[0] = 1.0 - changed[0]
    torch.testing.assert_close(rank_weights(changed)[0], weights[0])  # a source's own values do not count
    ordered = weights[0, (values[1] + values[2])[:, 0].argsort(descending=True)]
    assert bool((ordered.diff() < 0).all())
    assert abs(float(ordered[0] / ordered[10]) - math.e) < 1e-9
    assert float(rank_weights(values[:1]).std()) == 0.0


def test_spread_follows_the_ranks() -> None:
    generator = torch.Generator().manual_seed(3)
    ranks = torch.stack([torch.randperm(200, generator=generator), torch.randperm(200, generator=generator)]) / 200
    residuals = torch.randn(2, 200, 6, generator=generator, dtype=torch.float64) * (1.0 + 2.0 * ranks[:, :, None])
    between = 0.5 * torch.eye(6, dtype=torch.float64)  # half of the variance of two sources' residuals is a deviation's
    asked = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    found = spread_by_rank(residuals, between, ranks.double(), asked)
    assert bool((found / (1.0 + 2.0 * asked) - 1.0).abs().max() < 0.12)


def test_intervals_widen_where_completion_left_much_open() -> None:
    prior = fit_prior(standardize(torch.logit(small_curves()[:, 0])), torch.linspace(0, 1, 6).double()[:, None])
    assert torch.equal(prior.widened().epoch_covariances, prior.epoch_covariances)  # of whole curves nothing is open
    left = 3.0 * prior.epoch_covariances[0].diagonal() * torch.tensor([0, 0, 0, 0, 1, 1], dtype=torch.float64)
    wide = replace(prior, left_open=left).widened()
    torch.testing.assert_close(wide.epoch_covariances[0, :4, :4], prior.epoch_covariances[0, :4, :4])
    torch.testing.assert_close(wide.epoch_covariances[0, 4:, 4:], 4.0 * prior.epoch_covariances[0, 4:, 4:])
    torch.testing.assert_close(wide.epoch_covariances[0, 0, 5], 2.0 * prior.epoch_covariances[0, 0, 5])
    assert not wide.left_open.any()
    unsure = torch.linspace(0.0, 1.0, 6, dtype=torch.float64)
    known = matrix(prior)
    wide = replace(prior, together=replace(prior.together, unsure=unsure)).widened()
    torch.testing.assert_close(
        matrix(wide), (known + torch.diag(2.0 * unsure)) * torch.outer(prior.spread, prior.spread)
    )


def test_what_completion_left_open_of_a_mean_of_sources_falls_with_their_number() -> None:
    features = torch.linspace(0, 1, 6).double()[:, None]

    def unsure(n_source: int) -> float:
        sources = standardize(torch.logit(small_curves(n_source)[:, 0]))
        told = fit_prior(replace(sources, unsure=torch.ones(n_source, 6, dtype=torch.float64)), features)
        return float((told.together.unsure * told.epoch_covariances[0].diagonal().mean()).mean())

    assert unsure(2) == pytest.approx(0.5)
    assert 0.25 <= unsure(4) < 0.35


def test_a_source_that_agrees_with_none_and_is_hardly_known_makes_configurations_no_less_sure() -> None:
    """What completion leaves open counts by the share of its source."""
    curves = torch.logit(small_curves(4)[:, 0])
    curves[3] = torch.randn(curves[3].shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    features = torch.linspace(0, 1, 6).double()[:, None]

    def unsure(source: int) -> float:
        variance = torch.zeros_like(curves)
        variance[source] = curves[source].var()
        return float(fit_prior(standardize(curves, variance), features).together.unsure.mean())

    assert 0.0 < unsure(3) < 0.7 * unsure(0)


def test_knowing_less_of_late_epochs_does_not_make_their_intervals_narrower() -> None:
    generator = torch.Generator().manual_seed(0)
    level, way = torch.randn(30, 1, generator=generator), torch.randn(3, 30, 12, generator=generator).cumsum(-1)
    curves = torch.sigmoid(0.5 * level + 0.2 * way).double()[:, None]  # no interval reaches 0 or 1
    features = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    cut = curves.clone()
    cut[:, :, 6:, 2:] = torch.nan
    widths = []
    for values in (curves, cut):
        low, high = WeightedSources().fit(History(values, features)).interval(0.9)
        widths.append((torch.logit(high) - torch.logit(low)).mean(0))
    growth = widths[1] / widths[0]
    assert float(growth[6:].min()) > float(growth[0])


def test_curves_that_broke_off_say_less_of_how_curves_go() -> None:
    curves, features = torch.logit(small_curves(4)[:, 0]), torch.linspace(0, 1, 6).double()[:, None]

    def learn(share: float) -> TargetPrior:
        cut = torch.full((4, 6), share, dtype=torch.float64)
        return fit_prior(standardize(curves, broken_off=cut), features)

    def early(prior: TargetPrior) -> float:
        between = prior.epoch_covariances[0]
        return float((between[0, -1] / (between[0, 0] * between[-1, -1]).sqrt()).abs())

    whole, half, most = learn(0.0), learn(0.125), learn(0.6)
    assert early(whole) > early(half) > early(most)
    torch.testing.assert_close(most.epoch_covariances.diagonal(0, 1, 2), whole.epoch_covariances.diagonal(0, 1, 2))
    assert not bool(most.rise_covariance.any())
    torch.testing.assert_close(whole.epoch_covariances, fit_prior(standardize(curves), features).epoch_covariances)


def test_intervals_widen_with_the_spread_and_decisions_do_not() -> None:
    prior = fit_prior(standardize(torch.logit(small_curves()[:, 0])), torch.linspace(0, 1, 6).double()[:, None])
    wide = replace(prior, spread=torch.linspace(1.0, 3.0, 6, dtype=torch.float64)).widened()
    assert torch.equal(matrix(wide)[0, 0], matrix(prior)[0, 0])
    torch.testing.assert_close(matrix(wide)[5, 5], 9.0 * matrix(prior)[5, 5])
    plain, both = (
        WeightedBelief(
            Posterior(Hypotheses(prior, Grid())), LogitWarp(), readings=lambda p=p: Posterior(Hypotheses(p, Grid()))
        )
        for p in (prior, wide)
    )
    for belief in (plain, both):
        belief.observe(1, 0, 0.4)
        belief.observe(1, 1, 0.5)
        belief.fantasize(2, 0)
    torch.testing.assert_close(both.values().std, plain.values().std)
    cells = torch.arange(6), torch.tensor([0, 1, 2, 3, 4, 4])
    torch.testing.assert_close(both.best_by(*cells)[1], plain.best_by(*cells)[1])
    (low, high), (narrow_low, narrow_high) = both.fork().interval(0.9), plain.interval(0.9)
    widening = ((high - low) / (narrow_high - narrow_low)).mean(1)
    assert float(widening[5]) > 1.2 * float(widening[0])
    assert torch.equal(both.interval(0.9)[0], low)  # whether it was asked before or in a copy


def best_by(belief: Belief, configs: torch.Tensor, epochs: torch.Tensor) -> Prediction:
    return unwarp_moments(belief.warp, *belief.best_by(configs, epochs))


def test_readings_may_fall_and_the_best_of_them_does_not() -> None:
    belief = WeightedSources().fit(small_history())
    for epoch, value in enumerate([0.30, 0.60, 0.45]):
        belief.observe(1, epoch, value)
    epochs = torch.arange(belief.n_epoch)
    readings, best = belief.predict(torch.tensor([1])).mean[0], best_by(belief, torch.ones_like(epochs), epochs)
    assert float(readings[2]) == pytest.approx(0.45, abs=0.03)
    assert best.mean[:3].tolist() == pytest.approx([0.60] * 3)  # it goes on from there
    assert float(best.std[:3].max()) < 1e-5
    assert bool((best.mean[3:] > readings[3:]).all())
    assert bool((best.std[3:] > 1e-3).all())


def test_a_curve_that_has_settled_is_not_expected_to_gain_by_noise() -> None:
    belief = WeightedSources().fit(small_history(n_epoch=20))
    for epoch in range(16):
        belief.observe(1, epoch, min(0.3 + 0.1 * epoch, 0.6))
    best = best_by(belief, torch.tensor([1]), torch.tensor([16]))
    assert float(best.mean) == pytest.approx(0.6, abs=0.01)
    assert float(best.std) < 0.25 * float(belief.predict(torch.tensor([1])).std[0, 16])


def test_the_best_of_what_is_known_does_not_rise() -> None:
    belief = WeightedSources().fit(small_history())
    for epoch, value in enumerate([0.3, 0.5, 0.6, 0.55, 0.5]):
        belief.observe(1, epoch, value)
    best = best_by(belief, torch.tensor([1]), torch.tensor([4]))
    assert (float(best.mean), float(best.std)) == pytest.approx((0.6, 0.0), abs=1e-5)


def test_one_of_many_sources_may_take_the_whole_say_and_that_is_no_reason_for_caution() -> None:
    few, many = (
        Hypotheses(fit_prior(standardize(torch.logit(small_curves(n)[:, 0])), torch.eye(6).double()), Grid())
        for n in (4, 12)
    )
    assert bool(few.bound.all())
    assert float(few.weight_variance.max()) == pytest.approx(0.75**2)
    assert float((many.weight_variance / 12).max() ** 0.5) == pytest.approx(0.375)
    assert len(many) == len(few) * 3 // 2
    assert float(many.weight_variance[many.bound].max()) == pytest.approx(0.75**2)


def test_what_configurations_have_in_common_is_split_off() -> None:
    generator = torch.Generator().manual_seed(1)
    course = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)
    own = torch.randn(4, 30, 7, generator=generator, dtype=torch.float64)
    weights = torch.softmax(torch.randn(4, 30, generator=generator, dtype=torch.float64), 1)
    common, rest = split_common(own + course, weights)
    expected, own_rest = split_common(own, weights)
    torch.testing.assert_close(common, expected + course)
    torch.testing.assert_close(rest, own_rest)
    assert float(torch.einsum("sc,sct->st", weights, rest).abs().max()) < 1e-12


def test_epoch_covariance_is_that_of_the_configurations_that_count() -> None:
    residuals = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    residuals[:, 20:] *= 10.0
    first = torch.zeros(2, 40, dtype=torch.float64)
    first[:, :20] = 1 / 20
    between = epoch_covariance(residuals, first)
    assert float(between.diagonal().max()) < 1.0  # half of the residuals' variance is a deviation's with two sources
    assert float(epoch_covariance(residuals, torch.full_like(first, 1 / 40)).diagonal().min()) > 10.0


def test_noise_of_readings_is_limited_where_sources_do_not_agree() -> None:
    curves = torch.randn(3, 200, 1, generator=torch.Generator().manual_seed(4), dtype=torch.float64).expand(3, 200, 6)
    weights = torch.full((3, 200), 1 / 200, dtype=torch.float64)
    believed, half, doubted = (epoch_covariance(curves, weights, trust=t) for t in (1.0, 0.5, 0.0))
    noise = [(k.diagonal() - k[0, 1]) for k in (believed, half, doubted)]  # the residuals themselves do not move
    assert float(noise[0][1]) == pytest.approx(0.2 * float(believed[1, 1]), rel=1e-3)
    assert float(noise[2][1]) == pytest.approx(0.03 * 2 / 3, rel=1e-3)  # two thirds of a residual's is a deviation's
    assert float(noise[1][1]) == pytest.approx(float(noise[0][1] + noise[2][1]) / 2, rel=1e-3)
    torch.testing.assert_close(half.diagonal(), believed.diagonal())
    correlation = doubted[0, -1] / (doubted[0, 0] * doubted[-1, -1]).sqrt()
    assert float(correlation) > float(believed[0, -1] / believed[0, 0]) + 0.1  # the best of a curve has no noise then


def test_a_little_noise_stays_whether_sources_agree_or_not() -> None:
    residuals = 0.1 * torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    weights = torch.full((3, 50), 1 / 50, dtype=torch.float64)
    believed, doubted = (epoch_covariance(residuals, weights, trust=t) for t in (1.0, 0.0))
    torch.testing.assert_close(doubted[:-1, :-1], believed[:-1, :-1])
    assert torch.isfinite(epoch_covariance(torch.zeros_like(residuals), weights, trust=0.0)).all()


def test_sources_are_trusted_as_far_as_they_agree() -> None:
    generator = torch.Generator().manual_seed(6)
    shared, own = (torch.randn(n, 400, 3, generator=generator, dtype=torch.float64) for n in (1, 4))
    assert agreement(shared + own) == pytest.approx(0.5, abs=0.1)
    assert agreement(own) == pytest.approx(0.0, abs=0.05)
    assert agreement(torch.cat([shared, -shared])) == pytest.approx(-1.0)
    assert trust(shared + own) == 1.0
    assert agreement(own[:1]) == trust(own[:1]) == 0.0  # nothing confirms a single source
    assert 0.0 <= trust(own) < 0.2
    assert trust(torch.cat([shared, -shared])) == 0.0
    assert trust(torch.zeros_like(own)) == 0.0  # constant values say nothing, and stay finite


def test_curves_may_go_as_without_sources_as_far_as_sources_do_not_agree() -> None:
    generator = torch.Generator().manual_seed(7)
    shared, own = (torch.randn(n, 200, 6, generator=generator, dtype=torch.float64) for n in (1, 4))
    features = torch.rand(200, 2, generator=generator, dtype=torch.float64)
    agreed, doubted, single = (
        fit_prior(standardize(curves.cummax(-1).values), features) for curves in (shared + 0.3 * own, own, own[:1])
    )
    assert agreed.way_probabilities == single.way_probabilities == (1.0,)
    assert doubted.way_probabilities[1] == pytest.approx(0.5, abs=0.1)
    assert sum(doubted.way_probabilities) == pytest.approx(1.0)
    ways = doubted.epoch_covariances
    assert float(ways[1, -1, -1]) == pytest.approx(float(ways[0, -1, -1]))  # they differ in the course, not in size
    plain = generic_epoch_covariance(6, ways)
    torch.testing.assert_close(ways[1] / ways[1, -1, -1], plain / plain[-1, -1])
    near = (features[:, None] - features).norm(dim=2) < 0.05  # what lies close together goes together without sources
    near &= ~torch.eye(200, dtype=torch.bool)
    assert float(matrix(doubted)[near].mean()) > 0.5
    assert float(matrix(agreed)[near].mean()) < 0.3  # but did not in these sources


def test_covariances_are_positive_definite() -> None:
    history = small_history(n_source=2)
    z = standardize(torch.logit(history.mean_over_seeds())).curves
    weights = rank_weights(z)
    residuals = split_common(leave_one_out_residuals(z), weights)[1]
    between = epoch_covariance(residuals, weights)
    own = fit_config_kernel(residuals, embed(history.features), between).matrix(embed(history.features))
    assert float(torch.linalg.eigvalsh(between).min()) > 0
    assert float(torch.linalg.eigvalsh(own).min()) > 0
    assert float(torch.linalg.eigvalsh(generic_epoch_covariance(7, z)).min()) > 0
    torch.testing.assert_close(own.diagonal(), torch.ones(len(own), dtype=own.dtype))


@pytest.mark.parametrize("n_source", [0, 4])
def test_long_readings_of_well_behaved_curves_do_not_make_it_sure_of_the_others(n_source: int) -> None:
    # the leading configurations, which are read, do what is expected of them; the others deviate
    def covered(count: float, seed: int) -> float:
        sources = small_history(n_source=4, n_config=24, n_epoch=12, seed=seed)
        usual = torch.logit(sources.mean_over_seeds()).mean(0)
        unlike = torch.randn(24, 1, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
        read = usual[:, -1].topk(8).indices
        unlike[read] = 0.0
        others = torch.ones(24, dtype=torch.bool).index_fill(0, read, value=False)
        truth = torch.sigmoid(usual + unlike)
        history = sources if n_source else History(sources.values[:0], sources.features)
        belief = WeightedSources(count=count).fit(history)
        for config in read.tolist():
            for epoch in range(12):
                belief.observe(config, epoch, float(truth[config, epoch]))
        low, high = belief.interval(0.9)
        return float(((low <= truth) & (truth <= high))[others].double().mean())

    few, many = (sum(covered(count, seed) for seed in (5, 7, 8)) / 3 for count in (3.0, 100.0))
    assert few > many + 0.05


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"temper must lie in \(0, 1\]"):
        WeightedSources(temper=0.0)
    with pytest.raises(ValueError, match=r"temper_alone must lie in \(0, 1\]"):
        WeightedSources(temper_alone=2.0)
    with pytest.raises(ValueError, match="count must be positive"):
        WeightedSources(count=0.0)
    with pytest.raises(ValueError, match="reach must be positive"):
        WeightedSources(reach=-1.0)
    with pytest.raises(ValueError, match="must be positive"):
        Grid(levels=(0.0,))
    with pytest.raises(ValueError, match="at least one value"):
        Grid(shapes=())


def test_configurations_of_a_single_source_go_together_in_part_as_without_sources() -> None:
    generator = torch.Generator().manual_seed(8)
    rough = torch.randn(1, 40, 6, generator=generator, dtype=torch.float64)  # says nothing of what lies close together
    features = torch.rand(40, 2, generator=generator, dtype=torch.float64)
    alike = rough + 0.5 * torch.randn(3, 40, 6, generator=generator, dtype=torch.float64)
    single, several = (fit_prior(standardize(z.cummax(-1).values), features) for z in (rough, alike))
    assert single.doubt == 0.0  # its curves are believed all the same
    points = embed(features)
    plain = generic_config_kernel(points).matrix(points)
    apart = ~torch.eye(40, dtype=torch.bool)
    assert float(matrix(single)[apart].mean()) > 0.4 * float(plain[apart].mean())
    assert float(matrix(several)[apart].mean()) < 0.2 * float(plain[apart].mean())
