"""Syne Tune's transfer methods: zero-shot, quantile-based (CTS) with ASHA, and the bounding box with ASHA."""

import contextlib
import io
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from at2.errors import At2Error
from at2.recommend import Budget, Problem
from at2.rivals.knobs import Knobs
from at2.rivals.libraries import quiet, require
from at2.rivals.rungs import rungs
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.rivals.scores import mean_over_seeds

_METRIC = "cost"
_TRANSFER = "syne_tune.optimizer.schedulers.transfer_learning"


class SyneTuneTransfer(ScheduledTuner):
    """Lets one of Syne Tune's transfer methods propose configurations.

    Proposals are snapped to the nearest unused candidate in the encoded space. What is recommended showed the best
    value so far, and before anything was seen what the method proposes first.

    Args:
        problem: Sources, candidates and direction of the metric.
        budget: What may be spent.
        seed: Seed of the method.

    Raises:
        At2Error: If there is no source with curves.
        MissingExtraError: If Syne Tune or what it needs for this method is not installed.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        if not np.isfinite(self.values).any():
            raise At2Error("transfer needs at least one source task with curves, none given; pass sources=")
        self.seed = seed % 2**31
        self.knobs = Knobs(problem)
        self._proposals: list[int] = []
        self._source: Iterator[dict[str, Any]] | None = None

    @abstractmethod
    def proposals(self) -> Iterator[dict[str, Any]]:
        """Yield the knobs of one proposal after the other."""

    def first_choice(self) -> list[int]:
        """Give the first proposal, then the others."""
        first = self.proposed(0)
        return [first, *(row for row in self.candidates if row != first)]

    def proposed(self, place: int) -> int:
        """Give the row of the proposal at a place; IndexError once every candidate was proposed."""
        while len(self._proposals) <= place:
            unused = [row for row in self.candidates if row not in set(self._proposals)]
            if not unused:
                raise IndexError(place)
            if self._source is None:
                self._source = self.proposals()
            with _silence():
                values = next(self._source, None)
            row = unused[0] if values is None else self.knobs.snap(values, unused)
            self._proposals.append(row)
        return self._proposals[place]

    def space(self) -> dict[str, Any]:
        """Give the knobs as Syne Tune's search space."""
        domains = require("syne_tune", "syne_tune.config_space")
        return {
            knob.name: domains.choice(list(range(knob.n_choice))) if knob.n_choice else domains.uniform(0.0, 1.0)
            for knob in self.knobs.knobs
        }

    def evaluations(self, *, common: bool = False) -> dict[str, Any]:
        """Give the sources as Syne Tune's evaluations: costs, which fall where the metric rises.

        A curve that ends early keeps its last value.

        Args:
            common: Whether to leave out configurations that some source has not run.

        Raises:
            At2Error: If `common` and no configuration was run on every source.
        """
        module = require("syne_tune", f"{_TRANSFER}.transfer_learning_task_evaluation")
        space, found = self.space(), {}
        filled = _filled(self.values)
        everywhere = np.isfinite(filled[:, :, 0]).all(axis=0)
        if common and not everywhere.any():
            raise At2Error("this method needs configurations that every source ran, there are none; take fewer sources")
        for place, curves in enumerate(filled):  # (n_config, n_epoch)
            was_run = np.flatnonzero(everywhere if common else np.isfinite(curves[:, 0]))
            if was_run.size:
                found[f"source-{place}"] = module.TransferLearningTaskEvaluations(
                    configuration_space=space,
                    hyperparameters=pd.DataFrame([self.knobs.read(int(row)) for row in was_run]),
                    objectives_names=[_METRIC],
                    objectives_evaluations=-curves[was_run][:, None, :, None],
                )
        return found

    def halve(self) -> Schedule:
        """Yield proposals under asynchronous successive halving of the stopping kind, as Syne Tune's ASHA does."""
        levels = rungs(self.n_epoch, 3)
        reached: list[list[float]] = [[] for _ in levels]
        for place in range(len(self.candidates)):
            row = self.proposed(place)
            for rung, level in enumerate(levels):
                yield from self.train(row, level - int(self.n_done[row]))
                if self.failed[row]:
                    break
                reached[rung].append(float(self.latest[row]))
                if self.latest[row] < np.quantile(reached[rung], 1 - 1 / 3):
                    break


class SyneTuneZeroShot(SyneTuneTransfer):
    """Trains what Syne Tune's zero-shot transfer proposes, one after the other, each to its end.

    References:
        Wistuba, Schilling, Schmidt-Thieme, Sequential model-free hyperparameter tuning, ICDM 2015.
    """

    def proposals(self) -> Iterator[dict[str, Any]]:
        """Yield the configurations of the sources by Syne Tune's order."""
        module = require("syne_tune", f"{_TRANSFER}.zero_shot")
        with _silence():
            method = module.ZeroShotTransfer(
                config_space=self.space(),
                metric=_METRIC,
                transfer_learning_evaluations=self.evaluations(common=True),
                do_minimize=True,
                sort_transfer_learning_evaluations=False,
                random_seed=self.seed,
            )
        while (values := method.get_config()) is not None:
            yield values

    def schedule(self) -> Schedule:
        """Yield each proposal to its end."""
        for place in range(len(self.candidates)):
            yield from self.train(self.proposed(place), self.n_epoch)


class SyneTuneQuantile(SyneTuneTransfer):
    """Halves what Syne Tune's quantile-based surrogate (copula Thompson sampling) proposes.

    References:
        Salinas, Shen, Perrone, A quantile-based approach for hyperparameter transfer learning, ICML 2020.
    """

    def proposals(self) -> Iterator[dict[str, Any]]:
        """Yield Thompson samples of the surrogate."""
        module = require("syne_tune", f"{_TRANSFER}.quantile_based.quantile_based_searcher")
        with _silence():
            method = module.QuantileBasedSurrogateSearcher(
                config_space=self.space(), transfer_learning_evaluations=self.evaluations(), random_seed=self.seed
            )
        while True:
            yield method.suggest()

    def schedule(self) -> Schedule:
        """Yield the proposals under halving."""
        return self.halve()


class SyneTuneBoundingBox(SyneTuneTransfer):
    """Halves random configurations from the box around the best ones of the sources, by Syne Tune's bounding box.

    References:
        Perrone, Shen, Seeger, Archambeau, Jenatton, Learning search spaces for Bayesian optimization, NeurIPS 2019.
    """

    def proposals(self) -> Iterator[dict[str, Any]]:
        """Yield random configurations of the box."""
        module = require("syne_tune", f"{_TRANSFER}.bounding_box")
        baselines = require("syne_tune", "syne_tune.optimizer.baselines")

        def search(space: dict[str, Any], metric: str, do_minimize: bool, random_seed: int) -> Any:
            return baselines.RandomSearch(space, [metric], do_minimize=do_minimize, random_seed=random_seed)

        with _silence():
            method = module.BoundingBox(
                search,
                config_space=self.space(),
                metric=_METRIC,
                transfer_learning_evaluations=self.evaluations(),
                do_minimize=True,
                random_seed=self.seed,
            )
        while True:
            yield method.suggest().config

    def schedule(self) -> Schedule:
        """Yield the proposals under halving."""
        return self.halve()


def _filled(values: np.ndarray) -> np.ndarray:
    """Average curves over seeds and carry values forward over what was not run, ``(n_task, n_config, n_epoch)``."""
    mean = np.stack([mean_over_seeds(values[..., epoch]) for epoch in range(values.shape[3])], axis=2)
    frame = pd.DataFrame(mean.reshape(-1, mean.shape[2])).ffill(axis=1).bfill(axis=1)
    filled: np.ndarray = frame.to_numpy().reshape(mean.shape)
    return filled


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hold back what the library prints and logs."""
    with quiet("syne_tune"), contextlib.redirect_stdout(io.StringIO()):
        yield
