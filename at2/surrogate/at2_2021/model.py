"""The sparse variational Gaussian process: means, kernel and inducing points put together."""

from __future__ import annotations

from typing import Any

import torch
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import Kernel
from gpytorch.models import ApproximateGP
from gpytorch.variational import CholeskyVariationalDistribution, VariationalStrategy
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils import parametrize

from at2.surrogate.at2_2021.config_kernel import ConfigKernel
from at2.surrogate.at2_2021.epoch_kernel import EpochKernel
from at2.surrogate.at2_2021.inputs import Points
from at2.surrogate.at2_2021.task_kernel import TaskKernel


class CurveKernel(Kernel):
    """Product of the kernels between tasks, configurations and epochs.

    Args:
        points: The configurations.
        curves: Curves of all tasks, shape ``(n_task, n_config, n_epoch)``, NaN where not observed.
    """

    def __init__(self, points: Points, curves: Tensor) -> None:
        super().__init__()
        self.task = TaskKernel(curves)
        self.config = ConfigKernel(points.n_numeric, points.n_choices)
        self.epoch = EpochKernel()

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Return the covariance of two lists of rows, ``(n, m)``, or its diagonal ``(n,)``."""
        product = self.task.forward(x1, x2, diag=diag)
        for kernel in (self.config, self.epoch):
            product = product * kernel.forward(x1, x2, diag=diag)
        return product


class PositiveEpoch(nn.Module):
    """Keeps the last column of the inducing points positive while they are learnt."""

    def forward(self, raw: Tensor) -> Tensor:
        """Return the points of raw parameters."""
        return torch.cat([raw[:, :-1], softplus(raw[:, -1:])], dim=1)

    def right_inverse(self, points: Tensor) -> Tensor:
        """Return the raw parameters of points."""
        epoch = points[:, -1:]
        return torch.cat([points[:, :-1], epoch + torch.log(-torch.expm1(-epoch))], dim=1)


class CurveModel(ApproximateGP):
    """A prior over the readings of all tasks, and a Gaussian over its values at the inducing points.

    Args:
        points: The configurations.
        curves: Curves of all tasks, shape ``(n_task, n_config, n_epoch)``, NaN where not observed.
        inducing: Inducing points to start from, shape ``(n_inducing, n_column)``.
    """

    def __init__(self, points: Points, curves: Tensor, inducing: Tensor) -> None:
        variational = CholeskyVariationalDistribution(inducing.shape[0])
        strategy = VariationalStrategy(self, inducing, variational, learn_inducing_locations=True)
        super().__init__(strategy)
        parametrize.register_parametrization(strategy, "inducing_points", PositiveEpoch())
        self.task_means = nn.Parameter(torch.zeros(curves.shape[0]))
        self.kernel = CurveKernel(points, curves)

    def forward(self, x: Tensor) -> MultivariateNormal:
        """Return the prior at rows ``(n, n_column)``."""
        return MultivariateNormal(self.task_means[x[:, -2].long()], self.kernel(x))


def make_model(points: Points, curves: Tensor, inducing: Tensor, *, seed: int) -> CurveModel:
    """Build a model in float64 whose starting values come from the seed; no global generator is moved.

    Args:
        points: The configurations.
        curves: Curves of all tasks, shape ``(n_task, n_config, n_epoch)``, NaN where not observed.
        inducing: Inducing points to start from, shape ``(n_inducing, n_column)``.
        seed: Seed of the starting values.

    Returns:
        The model, on the device of the inducing points.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model: CurveModel = CurveModel(points, curves.cpu(), inducing.cpu()).double()
        model(inducing[:1].cpu())  # draws the variational distribution's starting mean
    model.to(inducing.device)
    return model
