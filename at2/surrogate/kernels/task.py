"""The exchangeable task kernel: any two different tasks are equally alike.

| symbol   | meaning                                        | shape                  |
|----------|------------------------------------------------|------------------------|
| K_task   | ``rho 11' + (1 - rho) I``                      | ``(n_task, n_task)``   |
| U_s, l_s | its eigenvectors (known, whatever rho) and values | ``(S, S)``, ``(S,)`` |

The eigenvectors do not depend on rho, so nothing is differentiated through a decomposition with repeated eigenvalues.
"""

from __future__ import annotations

import torch
from torch import Tensor


def exchangeable(n_task: int, rho: Tensor) -> Tensor:
    """Return the dense kernel matrix.

    Args:
        n_task: Number of tasks.
        rho: Correlation of two different tasks in [0, 1), a scalar tensor.

    Returns:
        Tensor of shape ``(n_task, n_task)`` with ones on the diagonal.
    """
    eye = torch.eye(n_task, dtype=rho.dtype, device=rho.device)
    return rho + (1.0 - rho) * eye


def exchangeable_values(n_task: int, rho: Tensor) -> Tensor:
    """Return the eigenvalues, ``(n_task,)``: ``1 + (n_task - 1) rho`` first, then ``1 - rho`` for all others.

    Example:
        >>> import torch
        >>> exchangeable_values(3, torch.tensor(0.5, dtype=torch.float64))
        tensor([2.0000, 0.5000, 0.5000], dtype=torch.float64)
    """
    first = (1.0 + (n_task - 1) * rho).reshape(1)
    return torch.cat([first, (1.0 - rho).expand(n_task - 1)])


def exchangeable_vectors(n_task: int, *, device: torch.device | None = None) -> Tensor:
    """Return orthonormal eigenvectors in the columns: the constant one first, then Helmert contrasts.

    Args:
        n_task: Number of tasks, at least 1.
        device: Where to build the matrix.

    Returns:
        Tensor of shape ``(n_task, n_task)``, float64.
    """
    vectors = torch.zeros(n_task, n_task, dtype=torch.float64, device=device)
    vectors[:, 0] = n_task**-0.5
    for k in range(1, n_task):
        vectors[:k, k] = (k * (k + 1)) ** -0.5
        vectors[k, k] = -((k / (k + 1)) ** 0.5)
    return vectors
