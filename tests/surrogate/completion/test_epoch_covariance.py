"""at2/surrogate/completion/epoch_covariance.py: what is recovered from curves that break off."""

import torch

from at2.surrogate.completion.epoch_covariance import EpochModel, _Whitened, fit_epochs
from at2.surrogate.kernels import EpochKernel

T = 12
NAN = float("nan")


def draw(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Curves with a known mean and covariance."""
    one = torch.ones((), dtype=torch.float64)
    covariance = EpochKernel(torch.tensor([0.6, 0.35, 0.05], dtype=torch.float64), one, 3 * one).matrix(T)
    mean = 1.0 - 2.0 / torch.arange(1, T + 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    root = torch.linalg.cholesky(covariance)
    return mean + torch.randn(n, T, dtype=torch.float64, generator=generator) @ root.T, mean, covariance


def test_complete_curves_give_back_mean_and_covariance() -> None:
    curves, mean, covariance = draw(300)
    found = fit_epochs(curves)
    torch.testing.assert_close(found.mean, mean, atol=0.2, rtol=0)
    total = found.covariance + found.noise * torch.eye(T, dtype=torch.float64)
    torch.testing.assert_close(total, covariance, atol=0.25, rtol=0)


def test_curves_stopped_for_what_they_had_shown_do_not_bias_the_mean() -> None:
    curves, mean, _ = draw(300)
    stopped = curves.clone()
    stopped[curves[:, 3] < mean[3], 4:] = NAN  # successive halving after the fourth epoch
    naive = torch.nanmean(stopped, 0)[-1] - mean[-1]
    found = fit_epochs(stopped).mean[-1] - mean[-1]
    assert abs(found) < 0.15 * abs(naive)


def test_few_that_went_on_do_not_stand_for_all() -> None:
    curves, mean, covariance = draw(300)
    order = curves[:, 1].argsort(descending=True)
    stopped = curves.clone()
    stopped[order[30:], 2:] = NAN  # one in ten goes on after the second epoch
    naive = torch.nanmean(stopped, 0)[-1] - mean[-1]
    found = fit_epochs(stopped)
    assert abs(found.mean[-1] - mean[-1]) < 0.35 * abs(naive)
    assert float(found.covariance[1, -1]) > 0.5 * float(covariance[1, -1])


def test_a_first_reading_before_any_training_does_not_hide_that_later_ones_go_together() -> None:
    curves, _, covariance = draw(300)
    curves[:, 0] = torch.randn(300, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    curves[:, 3:] = NAN
    found = fit_epochs(curves).covariance
    assert float(found[2, -1]) > 0.35 * float(covariance[2, -1])


def test_epochs_that_nobody_reached_get_a_finite_guess() -> None:
    curves, _, _ = draw(40)
    curves[:, 6:] = NAN
    found = fit_epochs(curves)
    assert bool(found.mean.isfinite().all())
    assert float(torch.linalg.eigvalsh(found.covariance)[0]) > -1e-9
    assert float(found.covariance[11, 11]) > 0.1 * float(found.covariance[5, 5])


def test_the_factor_and_the_rest_have_the_variances_of_the_whole() -> None:
    _, mean, covariance = draw(1)
    for rank in (1, 3, T):
        factor, rest = EpochModel(mean, covariance, 1e-3).factor(rank)
        assert factor.shape[1] <= rank
        torch.testing.assert_close(factor.square().sum(1) + rest, covariance.diagonal())


def test_very_long_curves_are_estimated_at_some_epochs_and_interpolated() -> None:
    epochs = torch.arange(1, 401, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    level = torch.randn(15, 1, dtype=torch.float64, generator=generator)
    curves = level - 2.0 / epochs.sqrt() + 0.01 * torch.randn(15, 400, dtype=torch.float64, generator=generator)
    curves[:, epochs % 7 != 0] = NAN  # validated after every seventh epoch
    found = fit_epochs(curves, max_iter=8)
    assert found.covariance.shape == (400, 400)
    expected = level.mean() - 2.0 / epochs.sqrt()
    torch.testing.assert_close(found.mean[10:], expected[10:], atol=0.2, rtol=0)
    assert 0.5 < float(found.covariance[200, 350] / level.var()) < 1.5


def test_curves_that_share_a_mask_are_whitened_as_each_one_alone() -> None:
    curves, _, covariance = draw(9)
    seen = torch.arange(T) < torch.tensor([12, 3, 7, 3, 12, 1, 7, 3, 12])[:, None]
    seen[3, 1] = False  # a gap
    noise, prior, total = 0.1, torch.eye(T, dtype=torch.float64), torch.zeros(T, T, dtype=torch.float64)
    pull, log_density = torch.zeros(T, dtype=torch.float64), 0.0
    for curve, at in zip(curves, seen, strict=True):
        own = covariance[at][:, at] + noise * torch.eye(int(at.sum()), dtype=torch.float64)
        total[torch.outer(at, at)] += torch.linalg.inv(own).flatten()
        pull[at] += torch.linalg.solve(own, curve[at])
        log_density += float(curve[at] @ torch.linalg.solve(own, curve[at]) + torch.logdet(own))
    system = prior + total  # of the mean curve, under a prior with variance 1
    log_density += float(torch.logdet(system) - pull @ torch.linalg.solve(system, pull))
    whitened = _Whitened(torch.where(seen, curves, 0.0), seen, covariance, noise)
    torch.testing.assert_close(whitened.mean_curve(prior), torch.linalg.solve(system, pull))
    assert abs(2.0 * float(whitened.negative_log_density(prior)) - log_density) < 1e-8
