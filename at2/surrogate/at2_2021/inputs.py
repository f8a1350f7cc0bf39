"""Readings as rows of numbers: a configuration's numbers, its choices, the task and the epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LEFT_OUT = 0.0  # an inactive number


@dataclass(frozen=True)
class Points:
    """Encoded configurations as the model reads them.

    Args:
        values: Shape ``(n_config, n_numeric + n_choice)``: numbers, 0 where inactive, then for every categorical
            hyperparameter the number of its choice, counted from 0.
        n_choices: How many choices each categorical hyperparameter has; one more where it may be inactive.
        n_epoch: Length of a full curve.
    """

    values: Tensor
    n_choices: tuple[int, ...]
    n_epoch: int

    @property
    def n_numeric(self) -> int:
        """Number of leading columns that are not choices."""
        return self.values.shape[1] - len(self.n_choices)

    def rows(self, configs: Tensor, epochs: Tensor, task: int) -> Tensor:
        """Return readings of one task as rows.

        Args:
            configs: Rows of `values`, shape ``(n,)``.
            epochs: Epochs counted from 0, shape ``(n,)``.
            task: Number of the task.

        Returns:
            Shape ``(n, n_numeric + n_choice + 2)``; the last two columns are the task and the share of a full curve.
        """
        share = (epochs + 1).to(self.values) / self.n_epoch
        return torch.cat([self.values[configs], torch.full_like(share, task)[:, None], share[:, None]], dim=1)

    def readings(self, curves: Tensor, task: int) -> tuple[Tensor, Tensor]:
        """Return the finite cells of one task's curves ``(n_config, n_epoch)`` as rows and their values ``(n,)``."""
        configs, epochs = torch.nonzero(torch.isfinite(curves), as_tuple=True)
        return self.rows(configs, epochs, task), curves[configs, epochs]


def make_points(features: Tensor, *, n_epoch: int) -> Points:
    """Sort encoded columns into numbers and choices.

    Args:
        features: Encoded configurations, shape ``(n_config, n_column)``, NaN where inactive; the one-hot columns of a
            categorical hyperparameter stand side by side.
        n_epoch: Length of a full curve.

    Returns:
        The points, on the device of the features.

    Example:
        >>> nan = float("nan")
        >>> points = make_points(torch.tensor([[0.3, 1.0, 0.0], [nan, 0.0, 1.0]], dtype=torch.float64), n_epoch=5)
        >>> points.values, points.n_choices
        (tensor([[0.3000, 0.0000], [0.0000, 1.0000]], dtype=torch.float64), (2,))
    """
    groups = one_hot_groups(features)
    taken = {column for group in groups for column in group}
    numeric = [column for column in range(features.shape[1]) if column not in taken]
    columns, n_choices = [features[:, numeric].nan_to_num(nan=_LEFT_OUT)], []
    for group in groups:
        inactive = features[:, group[0]].isnan()
        choice = features[:, list(group)].nan_to_num().argmax(1)
        columns.append(torch.where(inactive, len(group), choice)[:, None].to(features))
        n_choices.append(len(group) + int(inactive.any()))
    return Points(torch.cat(columns, dim=1), tuple(n_choices), n_epoch)


def one_hot_groups(features: Tensor) -> list[range]:
    """Find the runs of at least two columns of which exactly one is 1, the others 0, wherever they are active."""
    groups, start = [], 0
    while start < features.shape[1]:
        group = _group_at(features, start)
        if group:
            groups.append(group)
        start += max(len(group), 1)
    return groups


def _group_at(features: Tensor, start: int) -> range:
    """The shortest group that begins at a column, empty if none does."""
    active = ~features[:, start].isnan()
    total = torch.zeros_like(features[:, start])
    for end in range(start, features.shape[1]):
        column = features[:, end]
        is_binary = (column == 0) | (column == 1) | ~active
        if not active.any() or not is_binary.all() or not torch.equal(column.isnan(), ~active):
            break
        total += column.nan_to_num()
        if end > start and (total[active] == 1).all():
            return range(start, end + 1)
    return range(0)
