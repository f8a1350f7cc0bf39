"""Learning curves of a drawn collection.

Every task has a response surface over the hyperparameters, from which come the level that a configuration reaches, how
fast it gets there and whether it diverges. What tasks have in common is drawn once, the rest for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from at2.bench.drawn.traits import Traits
from at2.bench.replay.views import cut_sources

if TYPE_CHECKING:
    import pandas as pd

    from at2.tables import LearningCurveTable

TARGET = "target"

_N_WAVE = 64
_OWN = (0.0, 0.1, 0.4)  # standard deviation of what the hyperparameters do not explain
_SPEED = (0.2, 0.6)  # standard deviation of the log of how fast curves go
_TIME = 0.15  # of a training, in which a usual curve goes most of its way
_START = 1.2  # where curves start, if levels lie between 0 and 1
_LATE, _FLAT = 3.0, 4 / 3  # times that, until a late curve is halfway, and until one leaves its plateau
_CUT = ("halved", "sweeps")  # histories in which trainings were stopped
_DROPS = (0.5, 0.8)  # of a training, after which the learning rate falls


class Metric(NamedTuple):
    """What is made of a height, 0 the best and 1.2 the start.

    Args:
        of: Metric of heights ``(n_task, n_config, n_epoch)``, a spread of each task ``(n_task, 1, 1)``, and a draw.
        maximize: Whether larger is better.
        poor: What a training that diverged is about.
    """

    of: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
    maximize: bool
    poor: float


def draw_table(traits: Traits) -> LearningCurveTable:
    """Draw a collection.

    Args:
        traits: What it is like.

    Returns:
        A table of one metric and seed with the tasks ``source0``, ``source1``, ... and ``target``. Of the sources it
        holds what is kept, of the target all but what would have come after a training diverged.
    """
    from at2 import tables

    rng = np.random.default_rng([traits.seed, 1])
    points = rng.random((traits.n_config, traits.n_hyperparameter))
    choice = rng.integers(traits.n_choice, size=traits.n_config)
    surface = _Surfaces(traits, points, choice, rng)
    heights = _heights(traits, surface, rng)
    metric = METRIC_OF[traits.metric]
    values = metric.of(heights, np.exp(rng.normal(0.0, 0.4, (len(heights), 1, 1))), rng)
    gone = _diverged(traits, surface, rng)
    values[gone] = np.nan if traits.diverged == "missing" else metric.poor * rng.uniform(1.0, 1.1, int(gone.sum()))
    sources = [f"source{k}" for k in range(traits.n_source)]

    def table_of(curves: np.ndarray, status: np.ndarray | None = None) -> LearningCurveTable:
        return tables.LearningCurveTable(
            {traits.metric: curves},
            tasks=[*sources, TARGET],
            configs=_configs(points, choice),
            metrics=[tables.Metric(traits.metric, maximize=metric.maximize)],
            status=status,
            name=f"drawn {traits.seed}",
        )

    curves = values[:, None]
    if traits.kept != "whole":
        curves = cut_sources(table_of(curves), sources, history=traits.kept, seed=traits.seed).curves()
    return table_of(curves, _status(traits, curves, gone[:, None]))


def _status(traits: Traits, curves: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """How each run ended, ``(n_task, 1, n_config)``: one that was cut before it diverged was stopped early."""
    from at2.tables import RunStatus

    read = np.isfinite(curves)
    last = np.maximum(gone.argmax(-1) - 1, 0)[..., None]  # epoch before it diverged, if it did
    ran_on = np.take_along_axis(read, last, -1)[..., 0] if traits.kept in _CUT else read.any(-1)
    status = np.full(read.shape[:-1], RunStatus.NOT_RUN)
    status[read.any(-1)] = RunStatus.STOPPED_EARLY
    status[read[..., -1]] = RunStatus.OK
    status[gone.any(-1) & ran_on & (traits.diverged == "missing")] = RunStatus.DIVERGED
    return status


def _configs(points: np.ndarray, choice: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    configs = pd.DataFrame(points, columns=[f"x{k}" for k in range(points.shape[1])])
    if choice.any():
        configs["choice"] = np.array(["a", "b", "c"])[choice]
    return configs


class _Surfaces:
    """Draws response surfaces of all tasks, ``(n_task, n_config)``, each of mean 0 and variance 1.

    Bowls whose deepest points and widths differ, or sums of random waves; choices move both up or down.
    """

    def __init__(self, traits: Traits, points: np.ndarray, choice: np.ndarray, rng: np.random.Generator) -> None:
        self._n_task, self._points, self._choice, self._rng = traits.n_source + 1, points, choice, rng
        self._choice_size = rng.choice((0.0, 0.5, 1.0))
        self._own = rng.choice(_OWN)

    def draw(self, distance: float) -> np.ndarray:
        """Draw one surface for each task, that far from each other."""
        rng, n_choice = self._rng, int(self._choice.max()) + 1
        smooth = self._bowls(distance) if rng.random() < 0.5 else self._waves(distance)
        moved = self._choice_size * self._alike((n_choice,), distance)[:, self._choice]
        own = self._own * self._alike((len(self._points),), distance)
        return _standard(_standard(smooth + 0.3 * moved) + own)

    def _alike(self, shape: tuple[int, ...], distance: float) -> np.ndarray:
        """Normal numbers of each task, ``(n_task, ...)``: the same for all at a distance of 0, unlike at 1."""
        common, own = self._rng.normal(size=shape), self._rng.normal(size=(self._n_task, *shape))
        numbers: np.ndarray = (1.0 - distance) * common + distance * own
        return numbers

    def _bowls(self, distance: float) -> np.ndarray:
        rng, shape = self._rng, self._points.shape[1:]
        apart = distance * rng.normal(size=(self._n_task, *shape))
        deepest = rng.uniform(0.2, 0.8, shape) + 0.35 * apart
        width = rng.exponential(size=shape) * np.exp(0.7 * distance * rng.normal(size=(self._n_task, *shape)))
        bowls: np.ndarray = ((self._points - deepest[:, None]) ** 2 * width[:, None]).sum(2)
        return bowls

    def _waves(self, distance: float) -> np.ndarray:
        frequencies = self._rng.normal(0.0, 3.0, (self._points.shape[1], _N_WAVE))
        waves = np.cos(self._points @ frequencies + self._rng.uniform(0.0, 2.0 * np.pi, _N_WAVE))
        sums: np.ndarray = self._alike((_N_WAVE,), distance) @ waves.T
        return sums


def _standard(surface: np.ndarray) -> np.ndarray:
    standard: np.ndarray = (surface - surface.mean(1, keepdims=True)) / np.maximum(surface.std(1, keepdims=True), 1e-12)
    return standard


def _heights(traits: Traits, surfaces: _Surfaces, rng: np.random.Generator) -> np.ndarray:
    """Where curves are, 0 the best, ``(n_task, n_config, n_epoch)``."""
    level = _sigmoid(surfaces.draw(traits.distance))[:, :, None]
    slowness = rng.choice(_SPEED) * surfaces.draw(traits.distance) + rng.normal(0.0, 0.3, (traits.n_source + 1, 1))
    share = np.arange(1, traits.n_epoch + 1) / traits.n_epoch
    left = _COURSE_OF[traits.course](share, _TIME * np.exp(slowness)[:, :, None], rng)
    noise = traits.noise * rng.normal(size=left.shape)
    if traits.course == "scheduled":  # a high learning rate is a noisy one
        noise = noise * (1.0 + (share[:, None] < _DROPS).sum(1))
    heights: np.ndarray = level + (_START - level) * left + noise
    return heights


def _diverged(traits: Traits, surfaces: _Surfaces, rng: np.random.Generator) -> np.ndarray:
    """Which readings come after a training diverged, ``(n_task, n_config, n_epoch)``."""
    risk = surfaces.draw(0.5 * traits.distance)
    limit = np.quantile(risk, 1.0 - traits.diverging) + rng.normal(0.0, 0.2, (len(risk), 1))
    when = rng.integers(1, max(2, traits.n_epoch // 2), risk.shape)
    epochs = np.arange(traits.n_epoch)
    gone: np.ndarray = (traits.diverging > 0.0) & (risk > limit)[:, :, None] & (epochs >= when[:, :, None])
    return gone


def _overfitting(share: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    back = 0.4 * rng.random((1, time.shape[1], 1))
    left: np.ndarray = np.exp(-share / time) + back * np.maximum(share - 2.0 * time, 0.0)
    return left


def _wandering(share: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    walk = rng.normal(size=(*time.shape[:2], len(share))).cumsum(2) / np.sqrt(len(share))
    left: np.ndarray = np.exp(-share / time) + 0.1 * walk
    return left


def _sigmoid(x: np.ndarray) -> np.ndarray:
    between: np.ndarray = 1.0 / (1.0 + np.exp(-x))
    return between


_COURSE_OF: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "power": lambda share, time, _: (1.0 + 4.5 * share / time) ** -0.8,
    "exponential": lambda share, time, _: np.exp(-share / time),
    "overfitting": _overfitting,
    "late": lambda share, time, _: _sigmoid((_LATE * time - share) / 0.05),
    "plateau": lambda share, time, _: np.exp(-np.maximum(share - _FLAT * time, 0.0) / (0.5 * time)),
    "scheduled": lambda share, time, _: (
        0.5 * np.exp(-share / (0.3 * time)) + np.where(share < _DROPS[0], 0.5, np.where(share < _DROPS[1], 0.2, 0.0))
    ),
    "wandering": _wandering,
}
"""What is left of the way from the start to the level after a share of a training, for curves that take some time."""

METRIC_OF: dict[str, Metric] = {
    "accuracy": Metric(lambda u, spread, _: 1.0 - 0.9 * _sigmoid(4.0 * u * spread**0.3 - 2.5), True, 0.1),
    "percentage": Metric(lambda u, spread, _: 100.0 - 50.0 * _sigmoid(4.0 * u - 2.5), True, 50.0),
    "error": Metric(lambda u, spread, _: 0.9 * _sigmoid(4.0 * u - 3.0), False, 0.9),
    "log loss": Metric(lambda u, spread, _: np.exp(2.0 * u * spread - 2.5), False, 1e3),
    "squared error": Metric(lambda u, spread, rng: np.exp(rng.normal(0.0, 3.0, spread.shape) + 4.0 * u), False, 1e8),
    "reward": Metric(
        lambda u, spread, rng: 100.0 * spread * (1.0 - u) + rng.normal(0.0, 30.0, spread.shape), True, -500.0
    ),
}
"""How each metric comes from a height."""
