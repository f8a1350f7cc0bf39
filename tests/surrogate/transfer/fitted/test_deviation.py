"""at2/surrogate/transfer/fitted/deviation.py: the fit of the kernel between configurations, and what readings say."""

import pytest
import torch

from at2.surrogate.transfer.fitted import deviation
from at2.surrogate.transfer.fitted.prior import TargetPrior, fit_prior
from at2.surrogate.transfer.fitted.residuals import usual_part
from at2.surrogate.transfer.fitted.sources import standardize
from tests.surrogate.transfer.problems import matrix


def test_the_descent_takes_the_steps_of_adam() -> None:
    generator = torch.Generator().manual_seed(0)
    goal = torch.randn(5, generator=generator, dtype=torch.float64)
    ours, theirs = (torch.zeros(5, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def loss(at: torch.Tensor) -> torch.Tensor:
        return (at - goal).square().sum() + (3.0 * at[0] * at[1]).sin()

    deviation._descend(lambda: loss(ours), [ours])
    adam = torch.optim.Adam([theirs], lr=deviation._RATE)
    for _ in range(deviation._STEPS):
        theirs.grad = torch.autograd.grad(loss(theirs), theirs)[0]
        adam.step()
    assert float((ours - theirs).detach().abs().max()) < 1e-9
    assert float(ours.detach().abs().max()) > 0.1


@pytest.mark.parametrize("doubt", [0.0, 0.3, 1.0])
def test_readings_that_say_less_of_the_best_leave_a_covariance(doubt: float) -> None:
    root = torch.randn(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    root[-2] = root[-1] + 0.3 * root[-2]  # the last epoch goes with the best of the curve, others as they like
    between = root @ root.T
    less = deviation.less_of_readings(between, doubt)
    torch.testing.assert_close(less.diagonal(), between.diagonal())
    assert float(torch.linalg.eigvalsh(less)[0]) > -1e-9
    assert bool((less[-1].abs() <= between[-1].abs() + 1e-12).all())
    torch.testing.assert_close(less, less.T)
    assert doubt > 0.0 or torch.allclose(less, between)


def test_residuals_that_lie_far_out_hardly_count_as_usual() -> None:
    generator = torch.Generator().manual_seed(0)
    usual = torch.randn(3, 40, 5, generator=generator, dtype=torch.float64)
    even = torch.full((3, 40), 1 / 40, dtype=torch.float64)
    failed = usual.clone()
    failed[0, :4] -= 50.0
    found, as_before = usual_part(failed, even), usual_part(usual, even)
    assert float(found[0, :4].square().mean()) < 0.1 * float(as_before.square().mean())
    assert float((found[1:] - as_before[1:]).abs().max()) < 0.5  # the median is a little larger
    assert abs(float(found[0, 4:].square().mean() / as_before[0, 4:].square().mean()) - 1.0) < 0.2


def prior_of(n_failed: int, *, stays_at_chance: int = 0) -> TargetPrior:
    """Four sources of sixty configurations; each fails with some of its own, and with the last ones all sources do."""
    generator = torch.Generator().manual_seed(1)
    value = torch.linspace(1.0, 0.0, 60, dtype=torch.float64)
    curves = value[:, None] + 0.1 * torch.randn(4, 60, 1, generator=generator, dtype=torch.float64)
    curves = curves - 0.2 / torch.arange(1, 7, dtype=torch.float64)
    for source in range(4):
        curves[source, torch.randperm(40, generator=generator)[:n_failed]] = -5.0
    if stays_at_chance:
        curves[:, -stays_at_chance:] = -5.0
    noise = 0.01 * torch.randn(4, 60, 6, generator=generator, dtype=torch.float64)
    return fit_prior(standardize(curves + noise), torch.linspace(0, 1, 60).double()[:, None])


def test_where_a_few_fail_on_one_source_curves_may_also_deviate_as_they_usually_do() -> None:
    assert prior_of(0).way_probabilities == (1.0,)
    told = prior_of(5)
    assert sum(told.way_probabilities) == pytest.approx(1.0)
    assert told.way_probabilities[-1] == pytest.approx(0.5)
    assert float(told.epoch_covariances[-1, -1, -1]) < 0.25 * float(told.epoch_covariances[0, -1, -1])


def test_configurations_that_learn_on_no_source_deviate_less_than_the_leading_ones() -> None:
    alike = prior_of(0)
    torch.testing.assert_close(matrix(alike).diagonal(), matrix(alike)[:1, 0].expand(60))
    some = prior_of(5, stays_at_chance=20)
    assert float(matrix(some).diagonal()[-1]) < 0.5 * float(matrix(some).diagonal()[:10].mean())


def test_where_most_configurations_are_just_alike_that_is_not_how_they_usually_deviate() -> None:
    generator = torch.Generator().manual_seed(2)
    curves = torch.zeros(3, 60, 6, dtype=torch.float64)
    curves[:, ::10] += 1.0 + torch.rand(3, 6, 1, generator=generator, dtype=torch.float64)  # all others return nothing
    told = fit_prior(standardize(curves), torch.linspace(0, 1, 60).double()[:, None])
    assert float(told.epoch_covariances[:, -1, -1].min()) > 0.01 * float(told.epoch_covariances[:, -1, -1].max())
    assert bool(torch.isfinite(matrix(told)).all())


def test_of_many_columns_only_the_leading_components_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(2, 12, 40, generator=generator, dtype=torch.float64).cumsum(2)
    points = torch.rand(12, 3, generator=generator, dtype=torch.float64)
    between = deviation.epoch_covariance(residuals, torch.full((2, 12), 1 / 12, dtype=torch.float64))
    whole = deviation.fit_config_kernel(residuals, points, between).matrix(points)
    monkeypatch.setattr(deviation, "_MANY_COLUMNS", 39)
    leading = deviation.fit_config_kernel(residuals, points, between).matrix(points)
    torch.testing.assert_close(leading, whole, atol=1e-8, rtol=0.0)
    assert torch.equal(leading, deviation.fit_config_kernel(residuals, points, between).matrix(points))
    values, vectors = deviation._leading(between)
    torch.testing.assert_close(between @ vectors, vectors * values)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(between)[-len(values) :])
