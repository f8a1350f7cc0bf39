"""The kernel between epochs: what lasts, what changes slowly in log time, and what is rough from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.kernels.matern import exponential, matern52


@dataclass(frozen=True)
class EpochKernel:
    """Correlation between the epochs of one curve, ones on the diagonal.

    The smooth part lives on the logarithm of the epoch: curves move fast first and slowly later.

    Args:
        shares: Shares of the constant, the smooth and the rough part, shape ``(3,)``, positive, summing to 1.
        smooth_scale: Length scale of the smooth part in units of log epochs, a scalar tensor.
        rough_scale: Length scale of the rough part in epochs, a scalar tensor.

    Example:
        >>> import torch
        >>> t = torch.tensor([1.0, 1.0], dtype=torch.float64)
        >>> EpochKernel(torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), t[0], t[1]).matrix(3).diagonal()
        tensor([1., 1., 1.], dtype=torch.float64)
    """

    shares: Tensor
    smooth_scale: Tensor
    rough_scale: Tensor

    def matrix(self, n_epoch: int) -> Tensor:
        """Return the correlation of completed epochs 1 to `n_epoch`, ``(n_epoch, n_epoch)``."""
        epochs = torch.arange(1, n_epoch + 1, dtype=self.shares.dtype, device=self.shares.device)[:, None]
        slow = epochs.log() / self.smooth_scale
        fast = epochs / self.rough_scale
        constant, smooth, rough = self.shares
        matrix: Tensor = constant + smooth * matern52(slow, slow) + rough * exponential(fast, fast)
        return matrix
