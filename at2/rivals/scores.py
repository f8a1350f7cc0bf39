"""How good each configuration was on the sources: the scores behind all zero-shot rankings."""

import numpy as np
from scipy.stats import rankdata

from at2.errors import At2Error
from at2.rivals.distance import distances


def mean_over_seeds(values: np.ndarray) -> np.ndarray:
    """Average ``(n_task, n_seed, n_config)`` over the seeds that were run; NaN where none was."""
    was_run = ~np.isnan(values)
    count = was_run.sum(axis=1)
    total = np.where(was_run, values, 0.0).sum(axis=1)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def best_of_curves(oriented: np.ndarray) -> np.ndarray:
    """Reduce curves to their best value, averaged over the seeds that were run.

    Args:
        oriented: Values where larger is better, shape ``(n_task, n_seed, n_config, n_epoch)``, NaN = not run.

    Returns:
        Array of shape ``(n_task, n_config)``, NaN where no seed was run.
    """
    best = np.where(np.isfinite(oriented), oriented, -np.inf).max(axis=3)  # (n_task, n_seed, n_config)
    return mean_over_seeds(np.where(np.isneginf(best), np.nan, best))


def final_of_curves(oriented: np.ndarray) -> np.ndarray:
    """Reduce curves to the last value that was measured, averaged over the seeds that were run.

    Args:
        oriented: Values where larger is better, shape ``(n_task, n_seed, n_config, n_epoch)``, NaN = not run.

    Returns:
        Array of shape ``(n_task, n_config)``, NaN where no seed was run.
    """
    was_run = np.isfinite(oriented)
    last = oriented.shape[3] - 1 - was_run[..., ::-1].argmax(axis=3)
    final = np.take_along_axis(oriented, last[..., None], axis=3)[..., 0]
    return mean_over_seeds(np.where(was_run.any(axis=3), final, np.nan))


def average_rank(best: np.ndarray) -> np.ndarray:
    """Average each configuration's relative rank over the tasks that ran it.

    Args:
        best: Value of each configuration on each task, larger is better, shape ``(n_task, n_config)``, NaN = not run.

    Returns:
        Array of shape ``(n_config,)`` in (0, 1], ``inf`` for a configuration that no task ran.

    Example:
        >>> import numpy as np
        >>> average_rank(np.array([[0.9, 0.5], [0.8, 0.1]])).tolist()
        [0.5, 1.0]
    """
    ranks = np.full(best.shape, np.nan)
    for row, values in zip(ranks, best, strict=True):
        was_run = ~np.isnan(values)
        if was_run.any():
            row[was_run] = rankdata(-values[was_run]) / was_run.sum()
    mean = _mean_over_tasks(ranks)
    return np.where(np.isnan(mean), np.inf, mean)


def standardized_final(final: np.ndarray) -> np.ndarray:
    """Average each configuration's final value, standardized over the configurations of its task, over the tasks.

    Args:
        final: Final value of each configuration on each task, larger is better, shape ``(n_task, n_config)``, NaN =
            not run.

    Returns:
        Array of shape ``(n_config,)``, NaN for a configuration that no task ran. A task on which all configurations
        are equal counts as 0.

    Example:
        >>> import numpy as np
        >>> standardized_final(np.array([[1.0, 3.0], [10.0, 30.0]])).tolist()
        [-1.0, 1.0]
    """
    scores = np.full(final.shape, np.nan)
    for row, values in zip(scores, final, strict=True):
        was_run = ~np.isnan(values)
        if was_run.any():
            spread = values[was_run].std()
            row[was_run] = (values[was_run] - values[was_run].mean()) / (spread if spread > 0 else 1.0)
    return _mean_over_tasks(scores)


def regrets(best: np.ndarray) -> np.ndarray:
    """Turn values into normalized regrets: per task 0 for the best configuration, 1 for the worst.

    Args:
        best: Value of each configuration on each task, larger is better, shape ``(n_task, n_config)``, NaN = not run.

    Returns:
        Array of the same shape; 0 throughout a task on which all configurations are equal.

    Example:
        >>> import numpy as np
        >>> regrets(np.array([[1.0, 3.0, 2.0]])).tolist()
        [[1.0, 0.0, 0.5]]
    """
    result = np.full(best.shape, np.nan)
    for row, values in zip(result, best, strict=True):
        was_run = ~np.isnan(values)
        if was_run.any():
            top, spread = values[was_run].max(), np.ptp(values[was_run])
            row[was_run] = (top - values[was_run]) / (spread if spread > 0 else 1.0)
    return result


def average_regret(best: np.ndarray) -> np.ndarray:
    """Average each configuration's normalized regret over the tasks that ran it; NaN where none did."""
    return _mean_over_tasks(regrets(best))


def ranking(cost: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Order configurations by a cost from the sources, lowest first, the earlier one among equals.

    A configuration that no source ran takes the cost of the nearest one that was run, and stands behind it.

    Args:
        cost: Cost of each configuration, ``(n_config,)``; NaN or infinite where no source ran it.
        features: Encoded configurations, ``(n_config, n_column)``, NaN = inactive.

    Returns:
        Rows, best first, ``(n_config,)``.

    Raises:
        At2Error: If no configuration has a cost: there is no source.
    """
    known = np.flatnonzero(np.isfinite(cost))
    if known.size == 0:
        raise At2Error("a zero-shot ranking needs at least one source task with curves, none given; pass sources=")
    filled, is_new = cost.copy(), ~np.isfinite(cost)
    for row in np.flatnonzero(is_new):
        filled[row] = cost[known[int(np.argmin(distances(features[row], features[known])))]]
    return np.lexsort((is_new, filled))


def _mean_over_tasks(scores: np.ndarray) -> np.ndarray:
    count = (~np.isnan(scores)).sum(axis=0)
    mean: np.ndarray = np.divide(np.nansum(scores, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean
