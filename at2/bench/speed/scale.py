"""How fit, step and memory grow with the history, on histories drawn from the model itself.

Each size is measured in a fresh process with one thread. Curves are sums of what all tasks share and what is a task's
own, each smooth in the hyperparameters plus a part of the configuration's own, with the covariance between epochs with
which a run without history starts; a logistic function makes shares of them.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from at2.bench.speed.readings import peak_memory_mb, time_reference
from at2.errors import At2Error, BudgetError, ShapeError
from at2.processes import run_all

if TYPE_CHECKING:
    import pandas as pd

    from at2.recommend.settings import Goal
    from at2.tables import LearningCurveTable

TARGET = "target"
GROWING = ("n_source", "n_config", "n_epoch")
_MEASURED = ("fit_ratio", "step_ratio", "peak_mb")  # ratios: the machine may be busier at one size than at another
_N_WAVE = 256  # random waves that stand for the smooth part of the configuration kernel
_N_HYPERPARAMETER = 7
_SHARED = 0.5  # share of the variance that all tasks have in common
_OWN = 0.2  # share of the variance that the hyperparameters do not explain


@dataclass(frozen=True)
class Size:
    """One synthetic history.

    Args:
        n_source: Number of source tasks.
        n_config: Number of configurations over all tasks.
        n_epoch: Length of a full training.
        ragged: Whether every source has run configurations of its own, each for a random number of epochs; otherwise
            every source has a full curve of every configuration.
        name: What it is called in a report.

    Raises:
        ShapeError: If a number is below 1, or a ragged history has fewer configurations than sources.
    """

    n_source: int
    n_config: int
    n_epoch: int
    ragged: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.n_source, self.n_config, self.n_epoch) < 1:
            raise ShapeError(f"a history has at least one source, configuration and epoch, got {self}")
        if self.ragged and self.n_config < self.n_source:
            raise ShapeError(
                f"every source of a ragged history needs a configuration of its own: {self.n_source} sources, "
                f"{self.n_config} configurations; ask for more configurations"
            )


BASE = Size(8, 200, 26, name="base")
LARGE = Size(34, 2000, 52, name="large")
RAGGED = Size(25, 5000, 52, ragged=True, name="ragged")
SWEEPS = Size(50, 10_000, 100, ragged=True, name="sweeps")  # what a team leaves: sweeps of 200 configurations each
LONG = Size(5, 60, 5000, name="long")  # a reading for each of some thousand steps
WIDE = Size(3, 62_208, 100, name="wide")  # the size of FCNet's tables (Klein and Hutter, 2019, arXiv:1905.04970)
MANY = Size(1000, 200, 50, name="many")  # tasks, as in TaskSet (Metz et al., 2020, arXiv:2002.11887)
STUDIES = Size(1000, 50_000, 50, ragged=True, name="studies")  # of 50 configurations each
LARGEST = (LARGE, RAGGED, SWEEPS, STUDIES, LONG, WIDE, MANY)
LIMITS = {  # fit in s, step in ms, peak in MB
    "large": {"fit_s": 60.0, "step_ms": 100.0, "peak_mb": 4000.0},
    "ragged": {"fit_s": 120.0, "step_ms": 1000.0},
}


def growing_sizes(base: Size = BASE, factors: Sequence[float] = (1.0, 4.0, 16.0)) -> list[Size]:
    """List sizes that differ from a base in one number each, every size once.

    Args:
        base: The size that grows.
        factors: What each number is multiplied with.

    Example:
        >>> [(size.n_source, size.n_config, size.n_epoch) for size in growing_sizes(Size(2, 4, 6), (1, 2))]
        [(2, 4, 6), (4, 4, 6), (2, 8, 6), (2, 4, 12)]
    """
    sizes = []
    for name, factor in itertools.product(GROWING, factors):
        number = max(1, round(getattr(base, name) * factor))
        sizes.append(replace(base, **{name: number, "name": f"{name}={number}"}))
    return list({(size.n_source, size.n_config, size.n_epoch): size for size in sizes}.values())


def synthetic_table(size: Size, *, seed: int = 0) -> LearningCurveTable:
    """Draw a history and a target from the model.

    Args:
        size: How large.
        seed: Seed of the draw.

    Returns:
        A table whose tasks are ``source0``, ``source1``, ... and ``target``; the target has every full curve.
    """
    import pandas as pd

    from at2.tables import LearningCurveTable, Metric
    from at2.tables.storage.sparse import RunValues

    rng = np.random.default_rng(seed)
    points = rng.random((size.n_config, _N_HYPERPARAMETER))
    draw = _CurveSampler(points, size.n_epoch, rng)
    everyone = np.arange(size.n_config)
    common = draw(everyone)
    sweeps = _sweeps(size, rng) if size.ragged else None
    trend = 1.5 * (1.0 - np.arange(1, size.n_epoch + 1) ** -0.5)
    curves, runs = [], []
    for task in range(size.n_source + 1):
        own = sweeps if task < size.n_source else None
        rows = everyone if own is None else np.flatnonzero(own[0] == task)
        latent = math.sqrt(_SHARED) * common[rows] + math.sqrt(1.0 - _SHARED) * draw(rows) + trend
        latent = rng.normal(0.0, 0.5) + math.exp(rng.normal(0.0, 0.3)) * latent
        values = 1.0 / (1.0 + np.exp(-latent))
        if own is not None:
            values[np.arange(size.n_epoch) >= own[1][rows, None]] = np.nan
        curves.append(values)
        runs.append(task * size.n_config + rows)
    kept = RunValues(np.concatenate(curves), np.concatenate(runs), (size.n_source + 1, 1, size.n_config))
    configs = pd.DataFrame(points, columns=[f"x{k}" for k in range(_N_HYPERPARAMETER)])
    tasks = [f"source{k}" for k in range(size.n_source)] + [TARGET]
    return LearningCurveTable(
        {"accuracy": kept}, tasks=tasks, configs=configs, metrics=[Metric("accuracy", maximize=True)], name="drawn"
    )


class _CurveSampler:
    """Draws curves of some configurations, ``(n, n_epoch)``, with variance 1 in the end.

    Random waves with Student-t frequencies stand for a Matern-5/2 kernel (Rahimi and Recht, Random features for
    large-scale kernel machines, 2007), so that thousands of configurations need no factorization.
    """

    def __init__(self, points: np.ndarray, n_epoch: int, rng: np.random.Generator) -> None:
        import torch

        from at2.surrogate.transfer.fitted.deviation import generic_epoch_covariance

        scale = 0.5 * math.sqrt(points.shape[1])
        covariance = generic_epoch_covariance(n_epoch, torch.zeros((), dtype=torch.float64))[:-1, :-1]
        self._root = torch.linalg.cholesky(covariance).numpy()
        width = np.sqrt(5.0 / rng.chisquare(5.0, _N_WAVE))  # degrees of freedom: twice the smoothness, 2.5
        waves = points @ (rng.standard_normal((points.shape[1], _N_WAVE)) * width) / scale
        phase = rng.uniform(0.0, 2.0 * math.pi, _N_WAVE)
        self._features = math.sqrt(2.0 / _N_WAVE) * np.cos(waves + phase)
        self._rng = rng

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        n_epoch = len(self._root)
        smooth = self._features[rows] @ self._rng.standard_normal((_N_WAVE, n_epoch))
        own = self._rng.standard_normal((len(rows), n_epoch))
        curves: np.ndarray = (math.sqrt(1.0 - _OWN) * smooth + math.sqrt(_OWN) * own) @ self._root.T
        return curves


def _sweeps(size: Size, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which source has run each configuration, and for how many epochs, ``(n_config,)`` each."""
    owner = rng.permutation(size.n_config) % size.n_source
    return owner, rng.integers(1, size.n_epoch + 1, size.n_config)


def measure_scale(
    sizes: Sequence[Size], *, n_step: int = 50, seed: int = 0, device: str = "cpu", goal: Goal = "recommend"
) -> Iterator[dict[str, object]]:
    """Fit and play the default recommender on synthetic histories, each size in a process of its own.

    Args:
        sizes: The histories.
        n_step: Steps of one ``ask`` and one ``tell`` to take the median of.
        seed: Seed of the draws.
        device: Where the surrogate computes; the reference computation stays on the CPU.
        goal: Goal of the recommender, which decides what a step is.

    Yields:
        A row for each size: its numbers, ``device``, ``goal``, ``n_reading`` of the history, ``fit_s`` (from building a
        `Recommender` to its first query), ``step_ms`` (the median), ``peak_mb`` (10^6 bytes, the table included),
        ``reference_s`` of the reference computation in the same process, and ``fit_ratio`` and ``step_ratio`` to it.

    Raises:
        BudgetError: If there is no step to measure.
        DeviceError: If there is no such device here.
        At2Error: If a measured process dies.
    """
    if n_step < 1:
        raise BudgetError(f"at least 1 step must be measured, {n_step} given")
    for size in sizes:
        (row,) = run_all(_measure, [(size, n_step, seed, device, goal)], jobs=1, lost=_lost)
        yield row


def _measure(item: tuple[Size, int, int, str, Goal]) -> dict[str, object]:
    from at2.bench.replay.objective import TableObjective
    from at2.devices import usable_device
    from at2.recommend import Budget, Recommender

    size, n_step, seed, device, goal = item
    usable_device(device)  # a graphics card is started before anything is timed
    reference_s = time_reference(3)
    table = synthetic_table(size, seed=seed)
    objective = TableObjective(table, TARGET)
    start = time.perf_counter()
    tuner = Recommender(table, target=TARGET, budget=Budget(epochs=n_step), seed=seed, device=device, goal=goal)
    query = tuner.ask()
    fit_s = time.perf_counter() - start
    steps_s = []
    while query is not None:
        shown = objective.measure(query.config_id, query.epoch)
        start = time.perf_counter()
        tuner.tell(query, shown.value, failed=shown.failed)
        query = tuner.ask()
        steps_s.append(time.perf_counter() - start)
    step_s = statistics.median(steps_s)
    return {
        **vars(size),
        "device": device,
        "goal": goal,
        "n_reading": int(np.isfinite(table.kept().values).sum()) - size.n_config * size.n_epoch,
        "fit_s": fit_s,
        "step_ms": 1e3 * step_s,
        "peak_mb": peak_memory_mb(),
        "reference_s": reference_s,
        "fit_ratio": fit_s / reference_s,
        "step_ratio": step_s / reference_s,
    }


def _lost(item: tuple[Size, int, int, str, Goal]) -> NoReturn:
    raise At2Error(f"the process that measured {item[0]} died (killed for memory, or a crash)")


def growth(frame: pd.DataFrame, base: Size = BASE) -> pd.DataFrame:
    """Give log-log slopes: 1 where a number grows in proportion to the history, 2 with its square.

    Args:
        frame: Rows of `measure_scale`.
        base: The size from which all others of a slope differ in one number.

    Returns:
        A row for each of tasks, configurations and epochs that the frame holds at two sizes or more, with the least
        squares slope of ``fit_ratio``, ``step_ratio`` and ``peak_mb``.
    """
    import pandas as pd

    rows = []
    for name in GROWING:
        others = [other for other in GROWING if other != name]
        alike = frame[(frame[others] == [getattr(base, other) for other in others]).all(axis=1) & ~frame["ragged"]]
        if alike[name].nunique() > 1:
            x = np.log(alike[name].to_numpy(dtype=np.float64))
            slopes = {key: np.polyfit(x, np.log(alike[key].to_numpy(dtype=np.float64)), 1)[0] for key in _MEASURED}
            rows.append({"grows": name, "sizes": alike[name].nunique(), **slopes})
    return pd.DataFrame(rows, columns=["grows", "sizes", *_MEASURED])
