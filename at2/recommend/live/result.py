"""What a live tuning ends with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.errors import TableError
from at2.recommend.live.progress import Epoch, Leader, Progress, best_epoch
from at2.recommend.problem.candidates import is_new_id
from at2.recommend.query import ConfigId, Recommendation

if TYPE_CHECKING:
    import pandas as pd

    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable, RunStatus


@dataclass(frozen=True)
class TuneResult:
    """The configuration to use, its checkpoint, and all that was trained on the way.

    Args:
        recommendation: What the recommender recommends.
        best: The epoch with the best value of that configuration; None if it was never trained.
        checkpoint: Folder of what `train` saved for it: after the best epoch, else the latest that there is; None if
            there is none.
        workdir: The working folder.
        progress: Every epoch, and what was spent.
        stopped_because: Why the tuning ended.
        space: The search space.
        target: Name of the task.
        leaders: The leading configurations, with what is expected of them.
        tuner_s: Seconds that went into deciding, in this process.
    """

    recommendation: Recommendation
    best: Epoch | None
    checkpoint: Path | None
    workdir: Path
    progress: Progress
    stopped_because: str
    space: SearchSpace
    target: str
    leaders: tuple[Leader, ...]
    tuner_s: float

    @property
    def config_id(self) -> ConfigId:
        """Name of the recommended configuration."""
        return self.recommendation.config_id

    @property
    def config(self) -> Mapping[str, Any]:
        """The recommended configuration."""
        return self.recommendation.config

    @property
    def value(self) -> float | None:
        """The best value that the recommended configuration showed; None if it was never trained."""
        return None if self.best is None else self.best.value

    @property
    def failed(self) -> dict[ConfigId, str]:
        """Configurations that failed, each with a line that says why."""
        return {name: epoch.note for name, epoch in self.progress.failed().items()}

    @property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch: number, config_id, epoch, value, status, seconds, n_repeated, and further metrics."""
        import pandas as pd

        names = ("number", "config_id", "epoch", "value", "status", "seconds", "n_repeated")
        rows = [{n: getattr(e, n) for n in names} | {f"metric_{k}": v for k, v in e.metrics.items()} for e in self._all]
        return pd.DataFrame(rows, columns=None if rows else list(names))

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each configuration that was trained, the best first.

        Columns: config_id, status, n_epochs, best, best_epoch, last, seconds, note, and the hyperparameters (NaN
        where inactive; one that is called like a column of these with `config.` before its name).
        """
        import pandas as pd

        columns = ("config_id", "status", "n_epochs", "best", "best_epoch", "last", "seconds", "note")
        rows = [
            self._row(name) | {f"config.{key}" if key in columns else key: value for key, value in config.items()}
            for name, config in self.progress.configs.items()
        ]
        frame = pd.DataFrame(rows, columns=None if rows else list(columns))
        return frame.sort_values("best", ascending=not self.progress.maximize, kind="stable", ignore_index=True)

    def to_json(self) -> str:
        """Return the outcome as JSON text: recommendation, best epoch, what was spent, failures."""
        found, progress = self.recommendation, self.progress
        saved = {
            "target": self.target,
            "config_id": self.config_id,
            "config": dict(self.config),
            "expected": {"mean": found.mean, "std": found.std, "epoch": found.epoch},
            "best": None if self.best is None else self.best.to_json(),
            "checkpoint": None if self.checkpoint is None else str(self.checkpoint.relative_to(self.workdir)),
            "spent": progress.spent,
            "budget": {"amount": progress.budget.amount, "unit": progress.budget.unit},
            "n_configs": len(progress.configs),
            "n_epochs": len(progress.epochs),
            "failed": {str(name): note for name, note in self.failed.items()},
            "stopped_because": self.stopped_because,
            "tuner_s": round(self.tuner_s, 3),
        }
        return json.dumps(saved, indent=1, default=str) + "\n"

    @property
    def _all(self) -> list[Epoch]:
        return self.progress.epochs

    def _row(self, name: ConfigId) -> dict[str, Any]:
        own = [e for e in self._all if e.config_id == name]
        sound = [e for e in own if e.value is not None]
        best = best_epoch(sound, maximize=self.progress.maximize)
        return {
            "config_id": name,
            "status": own[-1].status if own else "asked",
            "n_epochs": len(sound),
            "best": None if best is None else best.value,
            "best_epoch": None if best is None else best.epoch,
            "last": sound[-1].value if sound else None,
            "seconds": sum(e.seconds or 0.0 for e in own),
            "note": own[-1].note if own else "",
        }

    def to_table(self) -> LearningCurveTable:
        """Return what was trained as a table with one task: history for the next tuning.

        Configurations that were new are called ``<target>/<id>``, so that `at2.concat` tells those of several tunings
        apart; those of the history keep their ids. How trainings ended, diverged ones above all, is kept as well.

        Raises:
            TableError: If no epoch gave a value.
        """
        import numpy as np
        import pandas as pd

        from at2.tables import LearningCurveTable, Metric
        from at2.tables.storage.frames import ids_of_one_kind

        if not any(e.value is not None for e in self._all):
            raise TableError("no epoch gave a value, so there are no curves to keep")
        ids = list(dict.fromkeys(e.config_id for e in self._all))
        names = [f"{self.target}/{name}" if is_new_id(name) else name for name in ids]
        values, seconds = np.full((2, 1, 1, len(ids), self.progress.n_epoch), np.nan)
        column = {name: place for place, name in enumerate(ids)}
        for e in self._all:
            cell = 0, 0, column[e.config_id], e.epoch - 1
            values[cell] = np.nan if e.value is None else e.value
            seconds[cell] = np.nan if e.value is None or e.seconds is None else e.seconds
        return LearningCurveTable(
            {self.progress.metric: values},
            tasks=[self.target],
            configs=pd.DataFrame(
                [self.progress.configs[name] for name in ids], index=pd.Index(ids_of_one_kind([names])[0])
            ),
            metrics=[Metric(self.progress.metric, self.progress.maximize)],
            space=self.space,
            seconds=seconds,
            status=[[[self._end(name) for name in ids]]],
            name=self.target,
        )

    def _end(self, name: ConfigId) -> RunStatus:
        """How the training of a configuration ended; one that may go on was stopped early."""
        from at2.tables import RunStatus

        last = [e for e in self._all if e.config_id == name][-1]
        if last.value is None:
            return RunStatus.DIVERGED if last.status == "diverged" else RunStatus.CRASHED
        return RunStatus.OK if last.epoch == self.progress.n_epoch else RunStatus.STOPPED_EARLY

    def __str__(self) -> str:
        progress, budget, best = self.progress, self.progress.budget, self.best
        n_config = len(progress.configs)
        shown = "untrained" if best is None else f"{progress.metric} {best.value:.4g} after epoch {best.epoch}"
        lines = [
            f"configuration {self.config_id!r}: {shown}",
            *(f"  {name} = {value!r}" for name, value in self.config.items()),
            f"spent {progress.spent:.6g} of {budget.amount:g} {budget.unit}s on {n_config} configurations, "
            f"{len(self.failed)} failed; {self.stopped_because}",
        ]
        if self.checkpoint is not None:
            lines.append(f"checkpoint {self.checkpoint}")
        return "\n".join(lines)
