"""How far apart two encoded configurations are, and which unused one is nearest."""

from collections.abc import Sequence

import numpy as np


def distances(row: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Squared distance of one encoded configuration to others.

    A column that is active in one and inactive in the other counts as 1, one that is inactive in both as 0.

    Args:
        row: One encoded configuration, shape ``(n_column,)``, in [0, 1]; NaN = inactive.
        features: Others, shape ``(n_config, n_column)``.

    Returns:
        Array of shape ``(n_config,)``.

    Example:
        >>> import numpy as np
        >>> distances(np.array([0.5, np.nan]), np.array([[0.5, np.nan], [0.0, np.nan], [0.5, 0.3]])).tolist()
        [0.0, 0.25, 1.0]
    """
    gap = np.square(features - row)
    lone = np.isnan(features) != np.isnan(row)
    total: np.ndarray = np.where(np.isnan(gap), lone, gap).sum(axis=1)
    return total


def nearest(row: np.ndarray, features: np.ndarray, rows: Sequence[int]) -> int:
    """Give the one of `rows` whose encoded configuration is nearest, the earliest among equals."""
    return int(rows[int(np.argmin(distances(row, features[list(rows)])))])


def spread(features: np.ndarray, rows: Sequence[int], n: int, *, start: int) -> list[int]:
    """Pick up to `n` rows that cover the space: each next one is farthest from those picked (maximin).

    Args:
        features: Encoded configurations, shape ``(n_config, n_column)``.
        rows: Rows to pick from.
        n: How many to pick.
        start: The row to start with.
    """
    picked = [start]
    gap = distances(features[start], features[list(rows)])
    while len(picked) < min(n, len(rows)):
        gap[[row in picked for row in rows]] = -1.0
        row = int(rows[int(np.argmax(gap))])
        picked.append(row)
        gap = np.minimum(gap, distances(features[row], features[list(rows)]))
    return picked
