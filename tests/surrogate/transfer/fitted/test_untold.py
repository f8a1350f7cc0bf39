"""at2/surrogate/transfer/fitted/untold.py: sources that ran few configurations show less than a target deviates."""

from dataclasses import replace

import torch

from at2.surrogate import History
from at2.surrogate.completion.complete import NeverRun, complete
from at2.surrogate.kernels import ConfigKernel
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior
from at2.surrogate.transfer.fitted.residuals import rank_weights
from at2.surrogate.transfer.fitted.sources import Sources, standardize
from at2.surrogate.transfer.fitted.together import Together
from at2.surrogate.transfer.fitted.untold import Untold, untold_of
from at2.surrogate.warp import IdentityWarp

S, N, T = 12, 40, 4
ONE = torch.ones((), dtype=torch.float64)
KERNEL = ConfigKernel(ONE[None], constant=0 * ONE, smooth=0.8 * ONE, own=0.2 * ONE)
EYE = torch.eye(3, dtype=torch.float64)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whole_curves(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Curves ``(S + 1, N, T)`` of tasks that share a level and deviate smoothly from it; and the one feature."""
    features = torch.linspace(0.0, 1.0, N, dtype=torch.float64)[:, None]
    waves = torch.cat([torch.sin(torch.arange(1, 7) * features), torch.cos(torch.arange(1, 7) * features)], 1)
    common, own = normal(12, seed=seed), 0.4 * normal(S + 1, 12, seed=seed + 1)
    level = (common + own) @ waves.T
    rise = 1.0 - 0.5 / torch.arange(1, T + 1, dtype=torch.float64)
    return level[:, :, None] * rise + 0.02 * normal(S + 1, N, T, seed=seed + 2), features


def learnt(per_source: int, seed: int = 0) -> tuple[Sources, TargetPrior]:
    """What is learnt from sources of which each has run some configurations drawn at random."""
    curves, features = whole_curves(seed)
    values = curves[:S, None].clone()
    for source in range(S):
        order = torch.randperm(N, generator=torch.Generator().manual_seed(100 * seed + source))
        values[source, :, order[per_source:]] = float("nan")
    done = complete(History(values, features), warp=IdentityWarp())
    sources = standardize(done.mean, done.variance, never_run=done.never_run)
    return sources, fit_prior(sources, features)


def sources_of(told: NeverRun | None) -> Sources:
    sources = standardize(normal(2, 4, 2, seed=0))
    return replace(sources, never_run=told, unsure=torch.ones_like(sources.unsure))


def test_what_is_missing_counts_as_much_as_the_configurations_never_run_do() -> None:
    which = torch.zeros(2, 4, dtype=torch.bool)
    which[1, :2] = True
    weights = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.2, 0.3, 0.4, 0.1]], dtype=torch.float64)
    untold = untold_of(sources_of(NeverRun(which, torch.stack([7.0 * EYE, 2.0 * EYE]), KERNEL)), weights)
    torch.testing.assert_close(untold.covariance, 0.5 * (0.2 + 0.3) * 2.0 * EYE)
    assert untold.kernel == KERNEL


def test_what_is_missing_is_drawn_towards_what_the_evidence_says_as_far_as_curves_were_stopped() -> None:
    which = torch.ones(2, 4, dtype=torch.bool)
    weights = torch.full((2, 4), 0.25, dtype=torch.float64)
    missing = torch.tensor([[1.0, 0.5, 0.5], [0.5, 2.0, 1.0], [0.5, 1.0, 4.0]], dtype=torch.float64)
    own = torch.tensor([[0.5, 0.1, 0.1], [0.1, 0.6, 0.2], [0.1, 0.2, 1.0]], dtype=torch.float64)
    told = NeverRun(which, missing.expand(2, 3, 3), KERNEL, own)

    def covariance(told: NeverRun, put_in: float) -> torch.Tensor:
        return untold_of(sources_of(told), weights, put_in=put_in).covariance

    torch.testing.assert_close(covariance(told, 0.0), missing)
    torch.testing.assert_close(covariance(replace(told, own=None), 1.0), missing)
    torch.testing.assert_close(covariance(told, 1.0), 4.0 * own)
    torch.testing.assert_close(covariance(told, 0.5), 0.5 * missing + 2.0 * own)


def test_where_all_was_run_nothing_changes() -> None:
    sources = sources_of(None)
    untold, together = untold_of(sources, rank_weights(sources.curves)), Together.plain(EYE[:, :1], KERNEL)
    assert not untold.covariance.any()
    assert untold.share(EYE) == 0.0
    assert untold.add_to(together, EYE) is together
    assert torch.equal(untold.with_missing(EYE[0], EYE), EYE[0])


def test_shown_and_missing_deviations_count_by_their_variances() -> None:
    untold = Untold(3.0 * EYE, KERNEL)
    assert untold.share(EYE) == 0.75
    both = untold.add_to(Together.plain(EYE[:, :1], KERNEL.scaled(2.0)), EYE)
    torch.testing.assert_close(both.variance(torch.arange(3)), (0.25 * 2.0 + 0.75 * 1.0) * torch.ones(3).double())
    factor = torch.tensor([1.0, 5.0], dtype=torch.float64)
    torch.testing.assert_close(untold.with_missing(factor, EYE), torch.tensor([1.0, 7.0**0.5], dtype=torch.float64))


def test_a_kernel_that_tells_more_patterns_of_activity_apart_is_left_out() -> None:
    wide = replace(KERNEL, length_scales=torch.ones(2, dtype=torch.float64))
    together = Together.plain(EYE[:, :1], KERNEL)
    assert Untold(EYE, wide).add_to(together, EYE) is together


def test_a_target_deviates_as_far_as_is_expected_where_sources_ran_few_configurations() -> None:
    expected, shown, true = [], [], []
    for seed in range(4):
        sources, prior = learnt(4, seed)
        target = standardize(whole_curves(seed)[0][S:]).curves[0, :, -1]
        left = target - prior.mean[:, -1]
        true.append(float((left - left.mean()).square().mean()))
        expected.append(float(prior.epoch_covariances[0, -1, -1]))
        features = whole_curves()[1]
        shown.append(float(fit_prior(replace(sources, never_run=None), features).epoch_covariances[0, -1, -1]))
    assert 0.4 < sum(expected) / sum(true) < 2.5
    assert sum(shown) < 0.3 * sum(true)
