"""What a controller may see of a training: the features of Daniel et al. and their running statistics.

======================  ======================================================================  ==============
symbol                  meaning                                                                 shape
======================  ======================================================================  ==============
``f_i``                 loss of sample i of the mini-batch, before the update                   ``(n_sample,)``
``dw``                  update of the parameters that the mini-batch led to                     ``(n_param,)``
``df_i``                predicted change of ``f_i``: its gradient times ``dw``                  ``(n_sample,)``
``phi``                 a feature as measured once                                              scalar
``g``                   discount of the running statistics                                      scalar
======================  ======================================================================  ==============

References:
    Daniel, Taylor, Nowozin, Learning step size controllers for robust neural network training, AAAI 2016: predictive
    change in function value, disagreement of function values, and for mini-batches their discounted averages and
    uncertainty estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from at2.errors import ShapeError

if TYPE_CHECKING:
    import torch

DISCOUNT = 0.9
"""Default discount ``g`` of the running statistics."""

SMALLEST_VARIANCE = 1e-30
"""Variances below this count as this, so that their logarithm is finite: at least -69.1."""


def log_variance(values: torch.Tensor) -> float:
    """Give the logarithm of the variance over samples: how much they disagree.

    ``phi = log(max(Var_i(v_i), 1e-30))``, with the variance of a whole population (divided by n, so that one sample has
    variance 0). With ``v_i = f_i`` it is the loss variance, "disagreement of function values" in the paper; with
    ``v_i = df_i`` the predictive change variance.

    Args:
        values: One number for each sample, shape ``(n_sample,)``, at least one.

    Returns:
        The logarithm, computed in float64; NaN or infinite only where a value is.

    Raises:
        ShapeError: If the values are not one row of at least one.

    Example:
        >>> import torch
        >>> round(log_variance(torch.tensor([1.0, 3.0])), 6), round(log_variance(torch.tensor([2.0, 8.0])), 6)
        (0.0, 2.197225)

    References:
        Daniel, Taylor, Nowozin 2016: ``phi_1 = log(Var(df_i))`` and ``phi_2 = log(Var(f_i))``.
    """
    if values.ndim != 1 or values.numel() == 0:
        raise ShapeError(f"a variance over samples needs one row of values, shape {tuple(values.shape)} came")
    variance = float(values.detach().double().var(correction=0))
    return variance if math.isnan(variance) else math.log(max(variance, SMALLEST_VARIANCE))


def sign_agreement(signs: torch.Tensor, previous: torch.Tensor) -> float:
    """Give how far two successive updates go the same way, parameter by parameter: their alignment.

    ``a = mean_j sign(dw_j) sign(dw'_j)``: 1 where every parameter moves on in its direction, -1 where every one turns
    back. The environment shows 0 after the first update, which has no predecessor.

    Args:
        signs: Signs of the latest update, ``dw.sign()``, shape ``(n_param,)``.
        previous: Signs of the update before, same shape.

    Returns:
        The mean sign, in [-1, 1].

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> import torch
        >>> sign_agreement(torch.tensor([1.0, -2.0, 3.0, 0.0]).sign(), torch.tensor([0.1, -5.0, -1.0, 1.0]).sign())
        0.25

    References:
        Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, 1993,
        adapts step sizes by the signs of successive gradients.
    """
    if signs.shape != previous.shape:
        raise ShapeError(f"updates of {tuple(signs.shape)} and {tuple(previous.shape)} parameters cannot be compared")
    return float(signs @ previous) / signs.numel()


@dataclass
class Discounted:
    """Discounted average of a feature and its uncertainty, both corrected for having begun at 0.

    With ``m_0 = u_0 = 0`` and the t-th measurement ``phi_t``::

        m_t = g m_(t-1) + (1 - g) phi_t                 average     = m_t / (1 - g^t)
        u_t = g u_(t-1) + (1 - g) (phi_t - average)^2   uncertainty = u_t / (1 - g^t)

    Args:
        discount: ``g``, in [0, 1).

    Example:
        >>> statistic = Discounted(discount=0.5)
        >>> statistic.add(2.0), statistic.add(5.0)
        ((2.0, 0.0), (4.0, 0.6666666666666666))

    References:
        Recursions: Daniel, Taylor, Nowozin 2016, features in the mini-batch setting. Correction: Kingma and Ba, Adam,
        2015, section 3; the paper has none, and starts near the first values only after many steps.
    """

    discount: float = DISCOUNT
    average: float = 0.0
    uncertainty: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise ValueError(f"a discount must lie in [0, 1), {self.discount} came")
        self._sum = self._squares = 0.0
        self._rest = 1.0  # g^t

    def add(self, value: float) -> tuple[float, float]:
        """Take one measurement and give average and uncertainty; the first gives itself and 0."""
        g = self.discount
        self._rest *= g
        self._sum = g * self._sum + (1 - g) * value
        self.average = self._sum / (1 - self._rest)
        self._squares = g * self._squares + (1 - g) * (value - self.average) ** 2
        self.uncertainty = self._squares / (1 - self._rest)
        return self.average, self.uncertainty
