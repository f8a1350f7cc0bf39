"""The rule 'best average rank on the sources': it trains nothing, and is hard to beat at small budgets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from at2.errors import At2Error, TellError
from at2.recommend import Query, Recommendation
from at2.tables.frames import plain_value

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable


class AverageRank:
    """Recommends the configuration whose rank, averaged over the source tasks, is lowest.

    On each source the configurations are ranked by the best value of their curve (the mean over training seeds), 1 for
    the best, equals sharing their average rank; ranks are divided by the number of configurations that were run on that
    source. Configurations that no source has run come last. The rule asks for no training.

    Args:
        table: The table that holds the sources.
        sources: Names of the source tasks.
        metric: Name of the metric; None means the table's default.

    Raises:
        At2Error: If there is no source.
        UnknownNameError: If the table has no such task or metric.
    """

    def __init__(self, table: "LearningCurveTable", *, sources: Sequence[str], metric: str | None = None) -> None:
        if not sources:
            raise At2Error("the rule 'best average rank' needs at least one source task, none given")
        rows = [table.task_index(source) for source in sources]
        self.average_rank = average_rank(best_of_curves(table.oriented(metric)[rows]))  # (n_config,)
        self._table = table

    def ask(self) -> Query | None:
        """Ask for nothing: the choice stands before the first epoch."""
        return None

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Refuse an observation, since none was asked for.

        Raises:
            TellError: Always.
        """
        raise TellError("the rule 'best average rank' asks for no training, so that nothing can be told to it")

    def recommend(self) -> Recommendation:
        """Give the configuration of the lowest average rank, the first one among equals."""
        config_id = plain_value(self._table.configs.index[int(np.argmin(self.average_rank))])
        return Recommendation(
            config_id=config_id,
            config=self._table.config(config_id),
            mean=float("nan"),
            std=float("nan"),
            epoch=self._table.n_epoch,
            n_epochs_seen=0,
            n_epochs_spent=0,
        )


def best_of_curves(oriented: np.ndarray) -> np.ndarray:
    """Reduce curves to their best value, averaged over the seeds that were run.

    Args:
        oriented: Values where larger is better, shape ``(n_task, n_seed, n_config, n_epoch)``, NaN = not run.

    Returns:
        Array of shape ``(n_task, n_config)``, NaN where no seed was run.
    """
    best = np.where(np.isfinite(oriented), oriented, -np.inf).max(axis=3)  # (n_task, n_seed, n_config)
    was_run = ~np.isneginf(best)
    total = np.where(was_run, best, 0.0).sum(axis=1)
    count = was_run.sum(axis=1)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


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
    count = (~np.isnan(ranks)).sum(axis=0)
    total = np.nansum(ranks, axis=0)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.inf), where=count > 0)
    return mean
