"""SMAC3 with several fidelities: random forests under Hyperband, by the library of its authors."""

from typing import Any

import numpy as np

from at2.recommend import Budget, Problem
from at2.rivals.knobs import Knobs
from at2.rivals.libraries import quiet, require, scratch_folder
from at2.rivals.schedule import Schedule, ScheduledTuner


class SMACRival(ScheduledTuner):
    """Lets SMAC3's multi-fidelity facade choose configurations and epochs; without transfer: sources are not read.

    Proposals are snapped to the nearest unused candidate in the encoded space; a configuration that is proposed again
    at more epochs goes on where it was paused. What is recommended showed the best value so far.

    Args:
        problem: Candidates and direction of the metric.
        budget: What may be spent.
        seed: Seed of SMAC.

    Raises:
        MissingExtraError: If SMAC3 is not installed.

    References:
        Lindauer et al., SMAC3, JMLR 2022.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        self._knobs = Knobs(problem)
        self._seed = seed % 2**31
        self._smac = require("smac")
        self._runs = require("smac", "smac.runhistory")

    def schedule(self) -> Schedule:
        """Yield the trials that SMAC asks for."""
        rows: dict[Any, int] = {}
        worst = 0.0
        facade = self._make(scratch_folder(self))
        while True:
            try:
                with quiet("smac"):
                    trial = facade.ask()
            except StopIteration:
                return
            row = self._row(trial.config, rows)
            if row is None:
                return
            target = min(self.n_epoch, max(1, round(float(trial.budget or self.n_epoch))))
            yield from self.train(row, target - int(self.n_done[row]))
            cost = -float(self.best[row])
            worst = max(worst, cost) if np.isfinite(cost) else worst
            value = self._runs.TrialValue(cost=cost if np.isfinite(cost) else worst + 1.0, time=float(target))
            with quiet("smac"):
                facade.tell(trial, value, save=False)

    def _row(self, config: Any, rows: dict[Any, int]) -> int | None:
        """Give the row of a configuration: the one it had before, else the nearest unused, None if none is."""
        values = dict(config)
        key = tuple(sorted(values.items()))
        if key not in rows:
            unused = [row for row in self.candidates if row not in set(rows.values())]
            if not unused:
                return None
            rows[key] = self._knobs.snap({name: _plain(value) for name, value in values.items()}, unused)
        return rows[key]

    def _make(self, folder: str) -> Any:
        from ConfigSpace import Categorical, ConfigurationSpace, Float

        space = ConfigurationSpace(seed=self._seed)
        for knob in self._knobs.knobs:
            choices = list(range(knob.n_choice))
            space.add(Categorical(knob.name, choices) if choices else Float(knob.name, (0.0, 1.0)))
        with quiet("smac"):
            scenario = self._smac.Scenario(
                space,
                deterministic=True,
                n_trials=10_000,
                min_budget=1,
                max_budget=max(2, self.n_epoch),
                seed=self._seed,
                output_directory=folder,
            )
            return self._smac.MultiFidelityFacade(scenario, _never_called, logging_level=False, overwrite=True)


def _plain(value: Any) -> float | int:
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _never_called(config: Any, seed: int = 0, budget: float = 0.0) -> float:
    """Stand for the objective, which SMAC wants to have and does not call behind ask and tell."""
    raise NotImplementedError
