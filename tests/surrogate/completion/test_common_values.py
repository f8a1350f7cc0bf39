"""at2/surrogate/completion/common_values.py: sources that agree complete each other, others are left as they are."""

import torch
from torch import Tensor

from at2.surrogate.completion.common_values import Coefficients, _Readings, learn_loadings, rows_to_learn_from, share

S, N, Q = 3, 300, 2
ONE = torch.ones((), dtype=torch.float64)
PRIOR = 1.25 * ONE


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def told(truth: Tensor, noise: Tensor, *, seed: int = 7) -> Coefficients:
    """What readings of each coefficient with a noise variance say under a prior of variance 1.25 around 0."""
    read = truth + noise.sqrt() * normal(*truth.shape, seed=seed)
    variance = 1.0 / (1.0 / noise + 1.0 / PRIOR)
    return Coefficients(variance * read / noise, torch.diag_embed(variance))


def truth(loading: float) -> Tensor:
    """Coefficients whose levels are correlated by the square of a loading; the others are not."""
    values = normal(S, N, Q)
    values[..., 0] = loading * normal(N, seed=1) + (1.0 - loading**2) ** 0.5 * values[..., 0]
    return values - values.mean(1, keepdim=True)


def half_known() -> Tensor:
    """Noise of readings: exact, but for every third configuration of each source, which is unknown there."""
    noise = torch.full((S, N, Q), 1e-3, dtype=torch.float64)
    for source in range(S):
        noise[source, source::3] = 1e6
    return noise


def linked(alone: Coefficients, by_curve: Coefficients) -> tuple[Coefficients, Tensor]:
    """What sources say together, and their loadings."""
    average, rows = alone.mean.mean(1, keepdim=True), rows_to_learn_from(alone.mean.shape[1])
    loadings = learn_loadings(alone.of(rows), by_curve.of(rows), average=average, prior=PRIOR, own=ONE)
    return share(alone, loadings, average=average, prior=PRIOR, own=ONE), loadings


def test_a_configuration_that_others_have_run_is_expected_where_they_say_with_an_honest_variance() -> None:
    values, noise = truth(0.95), half_known()
    alone = told(values, noise)
    both, loadings = linked(alone, alone)
    assert float(loadings.min()) > 0.8
    open_ = noise[..., 0] > 1.0
    before, after = (values - c.mean for c in (alone, both))
    assert float(after[..., 0][open_].std()) < 0.6 * float(before[..., 0][open_].std())
    surprise = after[..., 0][open_] / both.covariance[..., 0, 0][open_].sqrt()
    assert 0.7 < float(surprise.square().mean()) < 1.3
    torch.testing.assert_close(both.mean[..., 0][~open_], alone.mean[..., 0][~open_], atol=0.01, rtol=0.0)


def test_sources_that_have_nothing_in_common_hardly_change_each_other() -> None:
    values, noise = truth(0.0), half_known()
    alone = told(values, noise)
    both, loadings = linked(alone, alone)
    assert float(loadings.square().mean()) < 0.15
    error = [float((values - c.mean)[..., 0].square().mean()) for c in (alone, both)]
    assert error[1] < 1.1 * error[0]


def test_what_smoothness_alone_says_links_sources_less() -> None:
    values, noise = truth(0.9), torch.full((S, N, Q), 0.05, dtype=torch.float64)
    alone, nothing = told(values, noise), told(values, torch.full_like(noise, 1e6))
    by_curve, by_smoothness = (linked(alone, own)[1] for own in (alone, nothing))
    assert bool((by_smoothness < by_curve).all())


def test_given_loadings_it_is_the_joint_gaussian() -> None:
    values = normal(2, 4, Q, seed=3)
    root = normal(2, 4, Q, Q, seed=4)
    information = root @ root.mT
    covariance = torch.linalg.inv(information + torch.eye(Q).double() / PRIOR)
    alone = Coefficients((covariance @ information @ values[..., None])[..., 0], covariance)
    loadings = torch.tensor([0.9, 0.5]).double()
    average = alone.mean.mean(1, keepdim=True)
    found = _Readings(alone, average, prior=PRIOR, own=0.8 * ONE).posterior(loadings)
    between = torch.outer(loadings, loadings)
    before = torch.eye(2 * Q).double().reshape(2, Q, 2, Q)
    before[:, 0, :, 0] = between + torch.diag(1.0 - loadings.square())
    before = 0.8 * before.reshape(2 * Q, 2 * Q)
    for config in range(4):
        precision = torch.linalg.inv(before) + torch.block_diag(*information[:, config])
        pull = information[:, config] @ (values - average)[:, config, :, None]
        covariance = torch.linalg.inv(precision)
        expected = average[:, 0] + (covariance @ pull.reshape(-1, 1)).reshape(2, Q)
        torch.testing.assert_close(found.mean[:, config], expected)
        for source in range(2):
            block = slice(source * Q, (source + 1) * Q)
            torch.testing.assert_close(found.covariance[source, config], covariance[block, block])


def test_many_configurations_are_worked_on_in_parts() -> None:
    alone = told(truth(0.9), half_known())
    tiled = Coefficients(alone.mean.repeat(1, 4, 1), alone.covariance.repeat(1, 4, 1, 1))
    both, _ = linked(tiled, tiled)
    parts = both.mean.reshape(S, 4, N, Q)
    torch.testing.assert_close(parts, parts[:, :1].expand_as(parts))
    assert not torch.equal(both.mean, tiled.mean)


def test_covariances_that_are_barely_singular_stay_finite() -> None:
    mean = normal(S, N, Q)
    covariance = torch.full((S, N, Q, Q), 1e-14, dtype=torch.float64) - 1e-13 * torch.eye(Q).double()
    alone = Coefficients(mean, covariance)
    both, loadings = linked(alone, alone)
    assert all(bool(found.isfinite().all()) for found in (both.mean, both.covariance, loadings))
