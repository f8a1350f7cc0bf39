"""Three tasks of eight nested configurations, and settings that train in a moment."""

import pytest
import torch
from torch import Tensor

from at2.surrogate import History
from at2.surrogate.at2_2021 import AutoTuning2021

N_TASK, N_CONFIG, N_EPOCH = 3, 8, 5


def make_curves() -> Tensor:
    """Accuracies in [0, 1], ``(n_task, n_config, n_epoch)``; the best configuration moves a little between tasks."""
    config = torch.linspace(0, 1, N_CONFIG, dtype=torch.float64)
    task = torch.arange(N_TASK, dtype=torch.float64)[:, None]
    level = 0.9 - (config - 0.5 - 0.05 * task).square() - 0.1 * task
    return level[:, :, None] * (1 - 0.5 / torch.arange(1, N_EPOCH + 1))


def make_features() -> Tensor:
    """A number, a choice of two in one-hot columns, and a number that only the second choice has."""
    x = torch.linspace(0, 1, N_CONFIG, dtype=torch.float64)
    second = torch.arange(N_CONFIG) % 2 == 1
    return torch.stack([x, (~second).double(), second.double(), torch.where(second, 1 - x, torch.nan)], dim=1)


@pytest.fixture
def history() -> History:
    return History(make_curves()[:, None], make_features())


@pytest.fixture(scope="session")
def tiny() -> AutoTuning2021:
    return AutoTuning2021(
        num_inducing_point=12,
        batch_size=20,
        num_training_epoch=4,
        num_tuning_budget=5,
        num_tuning_epoch=1,
        warmup_ratio=0.1,
    )
