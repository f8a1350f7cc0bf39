"""Small histories for the tests of the default surrogate."""

import torch
from torch import Tensor

from at2.surrogate import History
from at2.surrogate.transfer.fitted.prior import TargetPrior


def small_curves(n_source: int = 3, n_config: int = 6, n_epoch: int = 5, *, seed: int = 0) -> Tensor:
    """Accuracies that rise and differ, ``(n_source, 1, n_config, n_epoch)``."""
    generator = torch.Generator().manual_seed(seed)
    quality = torch.randn(n_config, generator=generator, dtype=torch.float64)
    own = torch.randn(n_source, n_config, generator=generator, dtype=torch.float64)
    epochs = torch.arange(1, n_epoch + 1, dtype=torch.float64)
    level = (quality + 0.5 * own)[:, :, None] - 2.0 / epochs
    noise = 0.05 * torch.randn(n_source, n_config, n_epoch, generator=generator, dtype=torch.float64)
    return torch.sigmoid(level + noise)[:, None]


def small_history(n_source: int = 3, n_config: int = 6, n_epoch: int = 5, *, seed: int = 0) -> History:
    """A complete history with two hyperparameters."""
    generator = torch.Generator().manual_seed(seed + 100)
    features = torch.rand(n_config, 2, generator=generator, dtype=torch.float64)
    return History(small_curves(n_source, n_config, n_epoch, seed=seed), features)


def matrix(prior: TargetPrior) -> Tensor:
    """``Kc`` between all configurations, ``(n_config, n_config)``."""
    return prior.together.with_all(torch.arange(prior.n_config))
