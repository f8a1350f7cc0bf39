"""at2/surrogate/kronecker/exact.py against the dense Gaussian process."""

import pytest
import torch
from torch import Tensor

from at2.surrogate.kernels import exchangeable
from at2.surrogate.kronecker.exact import condition_on_sources, extend, log_marginal, rotate_tasks
from tests.surrogate.dense import condition, log_density, random_psd

S, N, T = 3, 5, 4


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def curves(generator: torch.Generator) -> Tensor:
    return torch.randn(S, N, T, dtype=torch.float64, generator=generator)


def _dense_covariance(rho: Tensor, config: Tensor, epoch: Tensor, noise: Tensor, n_task: int = S) -> Tensor:
    kronecker = torch.kron(torch.kron(exchangeable(n_task, rho), config), epoch)
    return kronecker + noise * torch.eye(len(kronecker), dtype=torch.float64)


def _arguments(generator: torch.Generator, *, repeated: bool) -> dict[str, Tensor]:
    config, epoch = random_psd(N, generator), random_psd(T, generator)
    if repeated:  # equal configurations and an identity: eigenvalues repeat, eigenvectors have no gradient
        config = 0.3 * torch.eye(N, dtype=torch.float64) + 0.5
        epoch = torch.eye(T, dtype=torch.float64)
    rho, noise = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.05, dtype=torch.float64)
    return {"rho": rho, "config": config, "epoch": epoch, "noise": noise}


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("n_task", [1, S])
def test_log_marginal_and_its_gradient_are_those_of_the_dense_process(curves, generator, repeated, n_task) -> None:
    given = _arguments(generator, repeated=repeated)
    curves = curves[:n_task]
    ours = {name: value.clone().requires_grad_() for name, value in given.items()}
    theirs = {name: value.clone().requires_grad_() for name, value in given.items()}
    value = log_marginal(rotate_tasks(curves), **ours)
    twin = log_density(curves.reshape(-1), _dense_covariance(**theirs, n_task=n_task))
    torch.testing.assert_close(value, twin, rtol=1e-10, atol=1e-8)
    value.backward()
    twin.backward()
    for name in given:
        if n_task == 1 and name == "rho":
            continue  # a single task has no correlation; both gradients are zero or absent
        mine, other = ours[name].grad, theirs[name].grad
        mine = 0.5 * (mine + mine.T) if mine.ndim == 2 else mine
        torch.testing.assert_close(mine, 0.5 * (other + other.T) if other.ndim == 2 else other, rtol=1e-8, atol=1e-8)


def _joint_prior_of_target(curves: Tensor, given: dict[str, Tensor], n_config: int) -> tuple[Tensor, Tensor]:
    """Dense posterior over the target's cells given the first N configurations of every source."""
    signal = _dense_covariance(given["rho"], given["config"], given["epoch"], torch.tensor(0.0), n_task=S + 1)
    cells = [(s * n_config + i) * T + t for s in range(S) for i in range(N) for t in range(T)]
    mean, covariance = condition(
        torch.zeros(len(signal), dtype=torch.float64), signal, cells, curves.reshape(-1), float(given["noise"])
    )
    target = slice(S * n_config * T, None)
    return mean[target], covariance[target, target]


def test_target_prior_is_the_dense_posterior_given_the_sources(curves, generator) -> None:
    given = _arguments(generator, repeated=False)
    mean, covariance = _joint_prior_of_target(curves, given, N)
    settings = {"rho": float(given["rho"]), "config": given["config"], "epoch": given["epoch"], "noise": 0.05}
    prior = condition_on_sources(curves, **settings).prior
    torch.testing.assert_close(prior.mean.reshape(-1), mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(prior.dense(), covariance, rtol=0, atol=1e-8)


def test_configurations_outside_the_grid_are_as_in_the_dense_process(curves, generator) -> None:
    n_new = 3
    given = _arguments(generator, repeated=False)
    whole = random_psd(N + n_new, generator)
    mean, covariance = _joint_prior_of_target(curves, {**given, "config": whole}, N + n_new)
    target = condition_on_sources(curves, rho=0.6, config=whole[:N, :N], epoch=given["epoch"], noise=0.05)
    prior = extend(target, cross=whole[N:, :N], own=whole[N:, N:])
    torch.testing.assert_close(prior.mean.reshape(-1), mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(prior.dense(), covariance, rtol=0, atol=1e-8)


def test_without_sources_the_target_keeps_the_plain_prior(generator) -> None:
    given = _arguments(generator, repeated=False)
    nothing = torch.zeros(0, N, T, dtype=torch.float64)
    prior = condition_on_sources(nothing, rho=0.6, config=given["config"], epoch=given["epoch"], noise=0.05).prior
    assert not prior.mean.any()
    torch.testing.assert_close(prior.dense(), torch.kron(given["config"], given["epoch"]))


def test_a_singular_kernel_still_extends(curves, generator) -> None:
    given = _arguments(generator, repeated=False)
    whole = random_psd(N + 2, generator, rank=2)
    target = condition_on_sources(curves, rho=0.6, config=whole[:N, :N], epoch=given["epoch"], noise=0.05)
    prior = extend(target, cross=whole[N:, :N], own=whole[N:, N:])
    mean, covariance = _joint_prior_of_target(curves, {**given, "config": whole}, N + 2)
    torch.testing.assert_close(prior.mean.reshape(-1), mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(prior.dense(), covariance, rtol=0, atol=1e-6)
