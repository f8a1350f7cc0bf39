"""Prefixes as rows of numbers: the configuration, the plain readings, or what summarises a prefix of any length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from at2.curves.batch import Batch, fill_gaps

__all__ = ["config_columns", "extra_columns", "plain_readings", "summary"]

Floats = npt.NDArray[np.float64]

_LAGS = (1, 2, 3, 4, 6, 8, 16)
_SMALL = 1e-3  # roughness below this counts as none


def config_columns(configs: Floats, *, optional: npt.NDArray[np.bool_]) -> Floats:
    """Return encoded configurations without NaN: 0 where inactive, and a 0/1 column for each that may be inactive.

    Args:
        configs: Shape ``(n, n_column)``.
        optional: Which columns were inactive somewhere in training, shape ``(n_column,)``.
    """
    return np.hstack([np.nan_to_num(configs), np.isfinite(configs[:, optional]).astype(np.float64)])


def plain_readings(batch: Batch) -> Floats:
    """Return the readings of prefixes of one length, gaps filled, shape ``(n, length)``."""
    length = int(batch.lengths[0]) if len(batch) else 0
    return fill_gaps(batch.prefixes, batch.lengths)[:, :length]


def extra_columns(batch: Batch) -> Floats:
    """Return what summarises the extra series: the last value, its change since the middle, and the mean."""
    length = int(batch.lengths[0]) if len(batch) else 0
    if batch.extra is None or length == 0:
        return np.zeros((len(batch), 0))
    series = batch.extra[:, :length]
    last, mean = series[:, -1], series.mean(axis=1)
    return np.hstack([last, last - series[:, length // 2], mean])


def summary(readings: Floats) -> Floats:
    """Return what summarises prefixes of one length on a warped line.

    The last reading; how the readings 1, 2, 3, 4, 6, 8 and 16 epochs before it, the first, the lowest, the highest and
    the mean differ from it; and the logs of how rough the whole prefix and its end are.

    Args:
        readings: Warped readings without NaN, shape ``(n, length)``, at least one epoch.

    Returns:
        Array of shape ``(n, n_feature)``; the number of features depends on the length alone.

    Example:
        >>> summary(np.array([[3.0, 2.0, 1.0]]))[0, :4].tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    length = readings.shape[1]
    last = readings[:, -1]
    columns = [last]
    columns += [readings[:, -1 - lag] - last for lag in _LAGS if lag < length]
    if length > 1:
        columns += [part - last for part in (readings[:, 0], readings.min(1), readings.max(1), readings.mean(1))]
    if length > 2:
        bends = np.abs(np.diff(readings, n=2, axis=1))
        columns += [np.log(bends.mean(axis=1) + _SMALL), np.log(bends[:, -1] + _SMALL)]
    return np.stack(columns, axis=1)
