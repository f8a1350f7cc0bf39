"""Each kernel against its formula, written out in plain loops, and what every kernel must do."""

import math

import pytest
import torch
from gpytorch.kernels import Kernel
from torch.nn.functional import softplus

from at2.surrogate.at2_2021.config_kernel import ConfigKernel
from at2.surrogate.at2_2021.epoch_kernel import EpochKernel
from at2.surrogate.at2_2021.inputs import make_points
from at2.surrogate.at2_2021.model import CurveKernel
from at2.surrogate.at2_2021.task_kernel import TaskKernel, compare_tasks
from tests.surrogate.at2_2021.conftest import make_curves, make_features

LOG2 = math.log(2.0)  # softplus(0): where positive parameters start
POINTS = make_points(make_features(), n_epoch=5)


def make_rows(n_task: int = 3) -> torch.Tensor:
    configs, epochs = torch.arange(8).repeat_interleave(5), torch.arange(5).repeat(8)
    return torch.cat([POINTS.rows(configs, epochs, task) for task in range(n_task)])[::7]


def make_kernel(name: str) -> Kernel:
    torch.manual_seed(0)
    curves = make_curves()
    kernels = {
        "task": lambda: TaskKernel(curves),
        "config": lambda: ConfigKernel(POINTS.n_numeric, POINTS.n_choices),
        "epoch": EpochKernel,
        "curve": lambda: CurveKernel(POINTS, curves),
    }
    with torch.random.fork_rng():
        return kernels[name]().double()


@pytest.mark.parametrize("name", ["task", "config", "epoch", "curve"])
def test_is_symmetric_positive_semi_definite_and_knows_its_diagonal(name):
    kernel, x = make_kernel(name), make_rows()
    matrix = kernel.forward(x, x).detach()
    assert matrix.dtype == torch.float64
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix)[0] > -1e-10 * matrix.diagonal().max()
    torch.testing.assert_close(kernel.forward(x, x, diag=True).detach(), matrix.diagonal())
    torch.testing.assert_close(kernel.forward(x[:2], x).detach(), matrix[:2])
    torch.testing.assert_close(kernel(x)[:3, 4:].to_dense().detach(), matrix[:3, 4:])


@pytest.mark.parametrize("name", ["task", "epoch"])
def test_has_true_gradients(name):
    kernel, x = make_kernel(name), make_rows()
    weights = torch.linspace(-1, 2, x.shape[0] ** 2, dtype=torch.float64).reshape(x.shape[0], -1)
    (weights * kernel.forward(x, x)).sum().backward()
    for parameter in kernel.parameters():
        found, totals = parameter.grad.item(), []
        with torch.no_grad():
            for step in (1e-6, -2e-6):
                parameter += step
                totals.append((weights * kernel.forward(x, x)).sum())
            parameter += 1e-6
        assert found == pytest.approx((totals[0] - totals[1]).item() / 2e-6, rel=1e-4)


def test_epoch_kernel_follows_its_formula_and_is_a_mixture_of_decays():
    kernel, x = make_kernel("epoch"), make_rows()
    t, u = 0.2, 1.0
    formula = 1 + (LOG2 / (t + u + LOG2)) ** LOG2 - (LOG2 / (t + LOG2)) ** LOG2 - (LOG2 / (u + LOG2)) ** LOG2
    one, other = x[:1].clone(), x[:1].clone()
    one[0, -1], other[0, -1] = t, u
    assert kernel.forward(one, other).item() == pytest.approx(LOG2 * formula)
    rates = torch.distributions.Gamma(LOG2, LOG2).sample((200_000,)).double()
    mixture = ((1 - torch.exp(-rates * t)) * (1 - torch.exp(-rates * u))).mean()
    assert formula == pytest.approx(mixture.item(), abs=0.01)
    one[0, -1] = 0.0
    assert kernel.forward(one, x).abs().max() < 1e-12


def test_task_kernel_follows_its_formula():
    curves = make_curves()
    curves[2, 4:] = torch.nan  # half of the target's cells are missing
    distance = {}
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = torch.isfinite(curves[i]) & torch.isfinite(curves[j])
        gap = curves[i][both] - curves[j][both]
        distance[i, j] = ((gap - gap.mean()) ** 2).mean().item()
    kernel = TaskKernel(curves).double()
    for (i, j), gap in distance.items():
        reach = 1.5 / (1 + 0.5 * (0.5 if j == 2 else 1.0))
        expected = LOG2 * math.exp(-gap / (LOG2 * reach) ** 2)
        assert kernel.matrix()[i, j].item() == pytest.approx(expected, rel=1e-6)
    assert kernel.matrix()[1, 1].item() == pytest.approx(LOG2)


def test_tasks_without_common_cells_are_half_a_unit_apart():
    nothing = torch.full((2, 3), torch.nan)
    assert compare_tasks(nothing, torch.rand(2, 3)) == (0.5, 0.0)
    one = nothing.clone()
    one[0, 0] = 0.3
    assert compare_tasks(one, torch.rand(2, 3)) == (0.5, 1 / 6)


def test_distance_does_not_see_a_shift():
    curves = torch.rand(4, 3, dtype=torch.float64)
    assert compare_tasks(curves, curves + 0.3)[0] == pytest.approx(0.0, abs=1e-12)


def test_an_impossible_triangle_of_tasks_is_shifted_to_a_covariance():
    curves = torch.full((3, 2, 50), torch.nan, dtype=torch.float64)
    curves[:2, 0] = torch.linspace(-3, 3, 50, dtype=torch.float64) * torch.tensor([[1.0], [-1.0]])
    curves[0, 1], curves[1, 1] = 0.0, 5.0
    curves[2, 0, 24:26] = 0.0  # where both are near 0: close to both, and they are far apart
    kernel = TaskKernel(curves).double()
    bare = softplus(kernel.raw_variance) * torch.exp(-kernel.distance / kernel.distance.new_tensor(0.5))
    assert torch.linalg.eigvalsh(bare)[0] < -0.1
    assert torch.linalg.eigvalsh(kernel.matrix())[0] > -1e-12
    torch.testing.assert_close(kernel.forward(make_rows(1), make_rows(1), diag=True)[0], kernel.matrix()[0, 0])


def test_config_kernel_is_a_square_of_codes():
    kernel, x = make_kernel("config"), make_rows()
    codes = kernel.encode(x)
    assert codes.shape == (x.shape[0], 4)  # two numbers and two choices
    torch.testing.assert_close(kernel.forward(x, x), (codes @ codes.T + LOG2) ** 2)
