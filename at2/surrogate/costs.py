"""What an epoch costs: one per epoch until seconds are known, then a small model on the logarithm of the seconds.

``log seconds[i] = history[i] + offset + own[i]``: the sources say which configurations are slow, the target's own
timings say how fast this machine and task are (offset) and what is special about a configuration (own, shrunk).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from at2.errors import ShapeError


class EpochCosts:
    """Predicted cost of one epoch of every configuration; grows by one timing at a time.

    Args:
        n_config: Number of configurations.
        source_seconds: Seconds per epoch on each source, shape ``(n_source, n_config)``, NaN where unknown; None if
            no source was timed.

    Raises:
        ShapeError: If `source_seconds` does not have `n_config` columns.

    Example:
        >>> costs = EpochCosts(2)
        >>> costs.predict()
        tensor([1., 1.], dtype=torch.float64)
        >>> costs.observe(0, 30.0)
        >>> costs.predict().round()
        tensor([30., 30.], dtype=torch.float64)
    """

    def __init__(self, n_config: int, source_seconds: Tensor | None = None) -> None:
        if source_seconds is not None and source_seconds.shape[-1] != n_config:
            raise ShapeError(f"wanted seconds of {n_config} configurations, got {tuple(source_seconds.shape)}")
        self._base = torch.zeros(n_config, dtype=torch.float64)
        self._residuals: list[tuple[int, float]] = []
        self._timed = source_seconds is not None and bool((source_seconds > 0).any())
        if source_seconds is not None:
            self._base = _history_part(source_seconds.detach().to("cpu", torch.float64), n_config)

    @property
    def known(self) -> bool:
        """Whether predictions are in seconds; without any timing they count epochs."""
        return self._timed or bool(self._residuals)

    def observe(self, config: int, seconds: float) -> None:
        """Learn from one timed epoch of the target; a time of zero counts as a microsecond."""
        self._residuals.append((config, math.log(max(seconds, 1e-6)) - float(self._base[config])))

    def predict(self) -> Tensor:
        """Return the expected cost of one further epoch, ``(n_config,)``: seconds once any are known, else 1."""
        if not self._residuals:
            return self._base.exp()
        offset = sum(r for _, r in self._residuals) / len(self._residuals)
        total, count = torch.zeros_like(self._base), torch.zeros_like(self._base)
        for config, residual in self._residuals:
            total[config] += residual - offset
            count[config] += 1.0
        return (self._base + offset + total / (count + 1.0)).exp()


def _history_part(seconds: Tensor, n_config: int) -> Tensor:
    """Mean log seconds over the sources; configurations that nobody timed get the mean of all others."""
    logs = torch.where(seconds > 0, seconds, torch.nan).log()
    if not torch.isfinite(logs).any():
        return torch.zeros(n_config, dtype=torch.float64)
    mean = torch.nanmean(logs, dim=0)
    return torch.where(torch.isfinite(mean), mean, mean[torch.isfinite(mean)].mean())
