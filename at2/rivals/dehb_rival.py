"""DEHB: Hyperband whose configurations come from differential evolution, by the library of its authors."""

from typing import Any

import numpy as np

from at2.recommend import Budget, Problem
from at2.rivals.knobs import Knobs
from at2.rivals.libraries import quiet, require, scratch_folder
from at2.rivals.schedule import Schedule, ScheduledTuner


class DEHBRival(ScheduledTuner):
    """Lets DEHB choose configurations and epochs; without transfer: sources are not read.

    Proposals are snapped to the nearest candidate that is not complete in the encoded space; a configuration that is
    proposed again at more epochs goes on where it was paused. What is recommended showed the best value so far.

    Args:
        problem: Candidates and direction of the metric.
        budget: What may be spent.
        seed: Seed of DEHB.

    Raises:
        MissingExtraError: If DEHB is not installed.

    References:
        Awad, Mallik, Hutter, DEHB, IJCAI 2021.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        self._knobs = Knobs(problem)
        self._seed = seed % 2**31
        self._module = require("dehb")

    def schedule(self) -> Schedule:
        """Yield the jobs that DEHB asks for."""
        rows: dict[Any, int] = {}
        worst = 0.0
        optimizer = self._make(scratch_folder(self))
        while True:
            with quiet("dehb"):
                job = optimizer.ask()
            row = self._row(job, rows)
            if row is None:
                return
            target = min(self.n_epoch, max(1, round(float(job["fidelity"]))))
            yield from self.train(row, target - int(self.n_done[row]))
            cost = -float(self.best[row])
            worst = max(worst, cost) if np.isfinite(cost) else worst
            with quiet("dehb"):
                optimizer.tell(job, {"fitness": cost if np.isfinite(cost) else worst + 1.0, "cost": target})

    def _row(self, job: dict[str, Any], rows: dict[Any, int]) -> int | None:
        """Give the row that a job's configuration had before, else the nearest unused one, None if all are used."""
        key = job["config_id"]
        if key not in rows:
            unused = [row for row in self.candidates if row not in set(rows.values())]
            if not unused:
                return None
            vector = np.asarray(job["config"], dtype=float)
            rows[key] = self._knobs.snap(self._knobs.from_unit(vector), unused)
        return rows[key]

    def _make(self, folder: str) -> Any:
        lowest = 1 if self.n_epoch > 1 else 0.5
        with quiet("dehb"):
            return self._module.DEHB(
                f=_never_called,
                dimensions=len(self._knobs.knobs),
                configspace=False,
                min_fidelity=lowest,
                max_fidelity=self.n_epoch,
                n_workers=1,
                seed=self._seed,
                output_path=folder,
                save_freq="end",
                log_level="ERROR",
            )


def _never_called(*_: Any, **__: Any) -> dict[str, Any]:
    """Stand for the objective, which DEHB wants to have and does not call behind ask and tell."""
    raise NotImplementedError
