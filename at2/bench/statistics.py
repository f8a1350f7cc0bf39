"""How sure a comparison is: intervals of means, paired comparisons, average ranks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from at2.errors import ShapeError


@dataclass(frozen=True)
class Mean:
    """A mean with its confidence interval.

    Args:
        value: The mean.
        half_width: Half the width of its interval; None where one value alone gives none.
        n: How many values.
    """

    value: float
    half_width: float | None
    n: int

    def __str__(self) -> str:
        return self.text()

    def text(self, digits: int = 2) -> str:
        """Write the mean, and its interval where there is one.

        Example:
            >>> mean_interval([84.68, 85.05, 85.13, 85.13, 85.13]).text(), mean_interval([84.68]).text()
            ('85.02 +- 0.24', '84.68 (one value, no interval)')
        """
        if self.half_width is None:
            return f"{self.value:.{digits}f} (one value, no interval)"
        return f"{self.value:.{digits}f} +- {self.half_width:.{digits}f}"


@dataclass(frozen=True)
class Paired:
    """How two contestants differ on the same cases.

    Args:
        difference: Mean of first minus second.
        low: Lower end of its bootstrap interval; None where there is one case.
        high: Upper end.
        p_value: Two-sided p-value of the Wilcoxon signed-rank test; 1 where no case differs, None where there is one.
        n: How many cases.
    """

    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    n: int


@dataclass(frozen=True)
class Ranks:
    """Average ranks of contestants over cases.

    Args:
        average: Average rank of each, 1 is best, equals sharing theirs, shape ``(n_contestant,)``.
        critical_difference: Two whose average ranks lie closer than this do not differ; None with one case or
            contestant.
        p_value: Of the Friedman test that all are alike; None with fewer than three contestants or one case.
    """

    average: np.ndarray
    critical_difference: float | None
    p_value: float | None


def mean_interval(values: npt.ArrayLike, *, confidence: float = 0.95) -> Mean:
    """Give the mean of independent values with its Student-t interval.

    Args:
        values: Finite numbers, at least one, shape ``(n,)``.
        confidence: Share of such intervals that hold the true mean.

    Raises:
        ShapeError: If there is no value, or one is not finite.
        ValueError: If the confidence does not lie between 0 and 1.
    """
    array = _vector(values)
    mean, half = mean_intervals(array[:, None], confidence=confidence)
    return Mean(float(mean[0]), None if half is None else float(half[0]), array.size)


def mean_intervals(values: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray | None]:
    """Give the means of many quantities with their Student-t intervals, as `mean_interval` does for one.

    Args:
        values: One column for each quantity, shape ``(n, n_quantity)``; NaN makes its column's answer NaN.
        confidence: Share of such intervals that hold the true mean.

    Returns:
        Means and half widths, each ``(n_quantity,)``; None instead of half widths where there is one row.

    Raises:
        ShapeError: If there is no row.
        ValueError: If the confidence does not lie between 0 and 1.

    Example:
        >>> mean, half = mean_intervals(np.array([[1.0, 2.0], [3.0, 2.0]]))
        >>> mean.tolist(), half.round(2).tolist()
        ([2.0, 2.0], [12.71, 0.0])
    """
    from scipy.stats import t

    _check_confidence(confidence)
    if values.ndim != 2 or len(values) == 0:
        raise ShapeError(f"wanted at least one row of quantities, got an array of shape {values.shape}")
    mean: np.ndarray = values.mean(axis=0)
    n = len(values)
    if n == 1:
        return mean, None
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * values.std(axis=0, ddof=1) / math.sqrt(n)
    return mean, half


def standard_error(values: npt.ArrayLike) -> float:
    """Give the standard error of the mean; NaN for one value.

    Example:
        >>> standard_error([1.0, 3.0]), standard_error([1.0])
        (1.0, nan)
    """
    array = _vector(values)
    return math.nan if array.size == 1 else float(array.std(ddof=1)) / math.sqrt(array.size)


def paired_comparison(
    first: npt.ArrayLike, second: npt.ArrayLike, *, confidence: float = 0.95, n_resample: int = 5000, seed: int = 0
) -> Paired:
    """Compare two contestants case by case.

    Args:
        first: One number for each case, shape ``(n_case,)``.
        second: Those of the other contestant for the same cases, in the same order.
        confidence: Share of such intervals that hold the true mean difference.
        n_resample: Number of bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        Mean difference first - second, its bootstrap percentile interval, and the Wilcoxon signed-rank test.

    Raises:
        ShapeError: If there is no case, the numbers of cases differ, or a value is not finite.
        ValueError: If the confidence does not lie between 0 and 1.

    Example:
        >>> paired_comparison([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
        Paired(difference=1.0, low=1.0, high=1.0, p_value=0.25, n=3)

    References:
        Wilcoxon, Individual comparisons by ranking methods, 1945; Efron and Tibshirani, An introduction to the
        bootstrap, 1993.
    """
    from scipy.stats import bootstrap, wilcoxon

    one, two = _vector(first), _vector(second)
    _check_confidence(confidence)
    if one.size != two.size:
        raise ShapeError(f"a paired comparison needs the same cases, {one.size} and {two.size} given")
    gaps = one - two
    mean = float(gaps.mean())
    if gaps.size == 1:
        return Paired(mean, None, None, None, 1)
    p_value = float(wilcoxon(gaps).pvalue) if np.any(gaps != 0) else 1.0
    if np.ptp(gaps) == 0:
        return Paired(mean, mean, mean, p_value, gaps.size)
    resampled = bootstrap(
        (gaps,),
        np.mean,
        n_resamples=n_resample,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = resampled.confidence_interval
    return Paired(mean, float(interval.low), float(interval.high), p_value, gaps.size)


def average_ranks(costs: npt.ArrayLike, *, confidence: float = 0.95) -> Ranks:
    """Rank contestants on each case and average the ranks.

    Args:
        costs: Lower is better, shape ``(n_case, n_contestant)``.
        confidence: One minus the level of the Nemenyi test behind the critical difference.

    Raises:
        ShapeError: If the array is not two-dimensional, is empty, or holds what is not finite.
        ValueError: If the confidence does not lie between 0 and 1.

    Example:
        >>> average_ranks([[0.1, 0.2, 0.3], [0.2, 0.2, 0.4]]).average.tolist()
        [1.25, 1.75, 3.0]

    References:
        Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    array = np.asarray(costs, dtype=float)
    _check_confidence(confidence)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise ShapeError(f"wanted finite costs (n_case, n_contestant), got an array of shape {array.shape}")
    n_case, n = array.shape
    ranks = rankdata(array, axis=1)
    if n_case == 1 or n == 1:
        return Ranks(ranks.mean(axis=0), None, None)
    q = float(studentized_range.ppf(confidence, n, np.inf)) / math.sqrt(2)
    differ = bool(np.any(np.ptp(ranks, axis=1) > 0))
    p_value = float(friedmanchisquare(*array.T).pvalue) if n >= 3 and differ else None
    return Ranks(ranks.mean(axis=0), q * math.sqrt(n * (n + 1) / (6 * n_case)), p_value)


def shares_won(costs: npt.ArrayLike) -> np.ndarray:
    """Give the share of cases that each contestant wins; those that tie for the lowest cost share the case.

    Args:
        costs: Lower is better, shape ``(n_case, n_contestant)``.

    Example:
        >>> shares_won([[0.1, 0.2], [0.3, 0.3]]).tolist()
        [0.75, 0.25]
    """
    array = np.asarray(costs, dtype=float)
    is_best = array == array.min(axis=1, keepdims=True)
    share: np.ndarray = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    return share


def _vector(values: npt.ArrayLike | Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ShapeError(f"wanted a list of finite numbers, at least one; got {values!r}")
    return array


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, {confidence} given")
