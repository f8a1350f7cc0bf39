"""The user's training function or generator, behind one verb: bring a configuration to an epoch and give its metric."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from at2.errors import TuneError
from at2.recommend.query import ConfigId, Query
from at2.scalars import is_real

TrainFunction = Callable[[dict[str, Any], range, Path], Any]
"""``train(config, epochs, checkpoint)``: returns the metric after the last of `epochs`, or yields it after each."""


class TrainingEnded(Exception):
    """A generator that ended before the epoch that was asked for; costs its configuration."""


@dataclass(frozen=True)
class Reading:
    """What one epoch gave.

    Args:
        value: The metric; NaN or infinite where the training diverged.
        metrics: Whatever other numbers came along.
    """

    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_finite(self) -> bool:
        """Whether the metric is a finite number."""
        return math.isfinite(self.value)


class Objective:
    """Calls what the user wrote, as a function or as a generator, and keeps paused generators alive.

    Args:
        train: ``train(config, epochs, checkpoint)``. `epochs` is the range of epochs to train, counted from 1;
            `checkpoint` is a folder that holds what was saved after epoch ``epochs.start - 1``, and is empty where that
            is 0. A *function* trains all of `epochs` and returns the metric after the last; a *generator* yields it
            after each, and is paused between two epochs. The metric is a number, or a dict that holds it by name.
        n_epoch: Length of a full training; the range of a generator ends there.
        metric: Which entry to take where dicts come; None takes the only one, and refuses several.
        most_alive: Most generators that are paused in memory; the one that waits longest is closed, and started
            again from its checkpoint when its turn comes.
    """

    def __init__(self, train: TrainFunction, *, n_epoch: int, metric: str | None = None, most_alive: int = 8) -> None:
        if not callable(train):
            raise TuneError(f"train must be a function or a generator function, got {type(train).__name__}")
        if most_alive < 1:
            raise TuneError(f"most_alive must be at least 1, got {most_alive}")
        self._train, self._n_epoch, self._metric, self._most_alive = train, n_epoch, metric, most_alive
        self._is_generator = _is_generator_function(train)
        self._alive: OrderedDict[ConfigId, tuple[int, Generator[Any, Any, Any]]] = OrderedDict()

    def holds(self, query: Query) -> bool:
        """Whether the training waits in memory at just the epoch that the query goes on from."""
        return query.config_id in self._alive and self._alive[query.config_id][0] == query.from_epoch

    def is_alive(self, config_id: ConfigId) -> bool:
        """Whether a paused generator of that configuration uses its checkpoint folder."""
        return config_id in self._alive

    def advance(self, query: Query, *, start: int, folder: Path) -> Reading:
        """Train a configuration up to the epoch that the query asks for.

        Args:
            query: What to train.
            start: Completed epochs that the checkpoint folder holds; not used where `holds` is true.
            folder: The checkpoint folder.

        Raises:
            TuneError: If what comes back is no number, or several of which none is named; that is a mistake in `train`
                and ends the tuning.
            Exception: Whatever `train` raises.
        """
        if self._is_generator:
            raw = self._next(query, start, folder)
        else:
            raw = self._train(dict(query.config), range(start + 1, query.epoch + 1), folder)
            if inspect.isgenerator(raw):  # a plain function that returns somebody else's generator
                raw.close()
                self._is_generator = True
                raw = self._next(query, start, folder)
        return read_metric(raw, self._metric, query)

    def _next(self, query: Query, start: int, folder: Path) -> Any:
        """Let the generator go on; one that is not alive starts behind its checkpoint."""
        if self.holds(query):
            done, generator = self._alive.pop(query.config_id)
        else:
            self.forget(query.config_id)
            done, generator = start, self._train(dict(query.config), range(start + 1, self._n_epoch + 1), folder)
        raw: Any = None
        try:
            while done < query.epoch:
                raw, done = next(generator), done + 1
        except StopIteration:
            wanted = f"it must yield a metric after each epoch up to {self._n_epoch}"
            raise TrainingEnded(f"the generator ended after epoch {done}, {query.epoch} asked; {wanted}") from None
        self._alive[query.config_id] = query.epoch, generator
        if query.epoch == self._n_epoch:
            self.forget(query.config_id)
        while len(self._alive) > self._most_alive:
            self.forget(next(iter(self._alive)))
        return raw

    def forget(self, config_id: ConfigId) -> None:
        """Close the generator of a configuration, if one is paused."""
        if config_id in self._alive:
            _, generator = self._alive.pop(config_id)
            with contextlib.suppress(Exception):  # what fails while it is cleaned up has nothing left to spoil
                generator.close()

    def close(self) -> None:
        """Close all generators."""
        for config_id in list(self._alive):
            self.forget(config_id)


def read_metric(raw: Any, metric: str | None, query: Query) -> Reading:
    """Make a reading of what `train` gave.

    Raises:
        TuneError: If it is no number and no dict of numbers that holds the metric, or if several come and no name.

    Example:
        >>> query = Query(config_id=7, config={}, epoch=1, number=0)
        >>> read_metric({"accuracy": 0.5, "loss": 2}, "accuracy", query)
        Reading(value=0.5, metrics={'accuracy': 0.5, 'loss': 2.0})
    """
    if not isinstance(raw, Mapping):
        return Reading(_number(raw, "the metric", query))
    numbers = {str(name): _number(value, f"entry {str(name)!r}", query) for name, value in raw.items()}
    if metric is None and len(numbers) > 1:
        raise TuneError(f"{_said(query)} gave the metrics {sorted(numbers)}; pass metric= to say which of them counts")
    name = metric if metric is not None else next(iter(numbers), None)
    if name not in numbers:
        raise TuneError(f"{_said(query)} gave the metrics {sorted(numbers)}; {name or 'one'!r} is wanted among them")
    return Reading(numbers[name], numbers)


def _number(raw: Any, what: str, query: Query) -> float:
    """A float out of whatever number came: Python's, numpy's, or a tensor with one element."""
    count = raw.numel() if callable(getattr(raw, "numel", None)) else getattr(raw, "size", None)
    value = raw.item() if count == 1 else raw
    if not is_real(value):
        shown = repr(raw)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise TuneError(
            f"{_said(query)} gave {shown} as {what}; wanted a number: return it, or yield it after each epoch"
        )
    return float(value)


def _said(query: Query) -> str:
    return f"train for configuration {query.config_id!r}, epoch {query.epoch},"


def _is_generator_function(train: Any) -> bool:
    while isinstance(train, functools.partial):
        train = train.func
    call = getattr(type(train), "__call__", None)  # noqa: B004 - of an object that is called like a function
    return inspect.isgeneratorfunction(train) or inspect.isgeneratorfunction(call)
