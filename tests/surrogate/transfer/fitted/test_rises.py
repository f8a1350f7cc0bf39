"""at2/surrogate/transfer/fitted/rises.py: what a target repeats of the rises of its sources."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.agreement import consensus
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior
from at2.surrogate.transfer.fitted.residuals import leave_one_out_residuals
from at2.surrogate.transfer.fitted.rises import Rises, learn_rises
from at2.surrogate.transfer.fitted.sources import standardize
from tests.surrogate.transfer.problems import small_curves

N_CONFIG, N_EPOCH = 40, 12


def curves_with_rises(*, shared: bool, n_source: int = 4, seed: int = 0) -> Tensor:
    """Curves whose late rises are those of the configuration, or drawn anew on each source."""
    generator = torch.Generator().manual_seed(seed)
    value = torch.randn(N_CONFIG, 1, generator=generator, dtype=torch.float64)
    late = torch.rand(n_source, N_CONFIG, 1, generator=generator, dtype=torch.float64)
    late = late[:1].expand(n_source, -1, -1) if shared else late
    left = torch.linspace(1.0, 0.0, N_EPOCH, dtype=torch.float64)
    noise = 0.02 * torch.randn(n_source, N_CONFIG, N_EPOCH, generator=generator, dtype=torch.float64)
    return (value - 3.0 * late * left + noise).cummax(-1).values


def learn(curves: Tensor) -> Rises:
    z = standardize(curves).curves
    return learn_rises(z, leave_one_out_residuals(z))


def test_rises_that_sources_share_are_expected_and_others_are_not() -> None:
    early = slice(0, N_EPOCH // 2)
    assert float(learn(curves_with_rises(shared=True)).share[early].min()) > 0.8
    assert float(learn(curves_with_rises(shared=False)).share[early].max()) < 0.6


def test_a_bent_mean_keeps_values_and_repeats_a_share_of_the_rises() -> None:
    rises = learn(curves_with_rises(shared=True))
    mean = consensus(standardize(curves_with_rises(shared=True)).curves)
    bent = replace(rises, share=torch.full_like(rises.share, 0.5)).bend(mean)
    torch.testing.assert_close(bent[:, -1], mean[:, -1])
    before, after = ((c[:, -1:] - c)[3] - (c[:, -1:] - c)[7] for c in (mean, bent))
    torch.testing.assert_close(after, 0.5 * before)


def test_rises_in_doubt_are_expected_as_they_are() -> None:
    rises = learn(curves_with_rises(shared=False))
    half, whole = rises.doubted(0.5), rises.doubted(1.0)
    torch.testing.assert_close(half.share, 0.5 * (1.0 + rises.share))
    torch.testing.assert_close(half.covariance, 0.5 * rises.covariance)
    assert whole.share.tolist() == [1.0] * len(whole.share)
    assert not bool(whole.covariance.any())


@pytest.mark.parametrize("n_source", [1, 2, 5])
def test_the_covariance_is_positive_definite_and_a_single_source_is_repeated_in_full(n_source: int) -> None:
    rises = learn(small_curves(n_source)[:, 0])
    assert float(torch.linalg.eigvalsh(rises.covariance)[0]) > -1e-9
    assert bool(rises.share.isfinite().all())
    assert n_source > 1 or rises.share.tolist() == [1.0] * len(rises.share)


def test_equal_sources_stay_finite() -> None:
    rises = learn(small_curves(1).expand(3, -1, -1, -1)[:, 0])
    assert bool(rises.bend(rises.rise).isfinite().all())
    assert float(rises.covariance.min()) > 0.0


def test_a_target_that_does_not_rise_teaches_that_others_will_not_either() -> None:
    curves = curves_with_rises(shared=True)
    prior = fit_prior(standardize(curves), torch.zeros(N_CONFIG, 1, dtype=torch.float64))
    riser = int(prior.rise[:, 0].argmax())
    others = prior.rise[:, 0].argsort(descending=True)[1:6].tolist()
    free, fixed = (
        _expected(p, riser, others) for p in (prior, replace(prior, rise_covariance=0 * prior.rise_covariance))
    )
    assert free < 0.7 * fixed


def _expected(prior: TargetPrior, riser: int, others: list[int]) -> float:
    """Further rise expected of a configuration, after the complete and flat curves of some others."""
    posterior = Posterior(Hypotheses(prior, Grid()))
    for config in others:
        for epoch in range(N_EPOCH):
            posterior.observe(config, epoch, 0.0)
    posterior.observe(riser, 0, 0.0)
    means, _ = posterior.value_moments()
    return float((posterior.weights @ means)[riser])


def test_only_several_sources_leave_open_how_much_of_their_rises_is_repeated() -> None:
    features = torch.linspace(0, 1, 12, dtype=torch.float64).reshape(6, 2)
    single, several = (fit_prior(standardize(small_curves(n)[:, 0]), features) for n in (1, 3))
    assert bool((single.rise_covariance == 0.0).all())
    assert float(several.rise_covariance.diagonal().min()) > 0.0
