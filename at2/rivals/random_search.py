"""Random search: train one configuration after the other, in random order, each to its last epoch."""

from typing import TYPE_CHECKING

import numpy as np

from at2.errors import BudgetError, TellError
from at2.recommend import Budget, ConfigId, Query, Recommendation
from at2.tables.frames import plain_value

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable


class RandomSearch:
    """Trains the table's configurations in a random order and recommends the one that showed the best value.

    Before anything was seen it recommends the first of its order. A failed training is left for the next configuration.

    Args:
        table: The table whose configurations are the candidates; its curves are not read.
        budget: What may be spent, in epochs.
        seed: Seed of the order.
        metric: Name of the metric, which says whether larger is better; None means the table's default.

    Raises:
        BudgetError: If the budget is not in epochs.
    """

    def __init__(
        self, table: "LearningCurveTable", *, budget: Budget, seed: int = 0, metric: str | None = None
    ) -> None:
        if budget.epochs is None:
            raise BudgetError("random search counts epochs; give Budget(epochs=...)")
        self._table = table
        self._n_left = budget.epochs
        self._sign = 1.0 if table.metrics[metric or table.metric].maximize else -1.0
        rows = np.random.default_rng(seed).permutation(len(table.configs))
        self._order = [plain_value(table.configs.index[row]) for row in rows]
        self._place = 0  # in the order
        self._epoch = 0  # of the configuration in hand
        self._n_asked = 0
        self._n_spent = 0
        self._open: Query | None = None
        self._best: tuple[float, ConfigId, int] | None = None  # oriented value, config_id, epoch
        self._n_seen: dict[ConfigId, int] = {}

    def ask(self) -> Query | None:
        """Give the next epoch of the configuration in hand; None when the budget or the configurations are used up."""
        if self._open is not None:
            raise TellError(f"query {self._open.number} was not told yet; tell its value before asking again")
        if self._n_left == 0 or self._place == len(self._order):
            return None
        config_id = self._order[self._place]
        config = self._table.config(config_id)
        self._open = Query(config_id=config_id, config=config, epoch=self._epoch + 1, number=self._n_asked)
        self._n_asked += 1
        return self._open

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Take what the last query showed.

        Raises:
            TellError: If the query is not the open one, or the value is no finite number.
        """
        if self._open is None or query is not self._open:
            raise TellError(f"query {query.number} is not open; tell each query once, right after it was asked")
        if not failed and (value is None or not np.isfinite(value)):
            raise TellError(
                f"query {query.number} needs a finite value, {value!r} came; tell failed=True for a diverged one"
            )
        self._open = None
        self._n_left -= 1
        self._n_spent += 1
        self._epoch = self._n_seen[query.config_id] = query.epoch
        if value is not None and not failed:
            self._keep(self._sign * float(value), query.epoch)
        if failed or self._epoch == self._table.n_epoch:
            self._place, self._epoch = self._place + 1, 0

    def recommend(self) -> Recommendation:
        """Give the configuration that showed the best value so far."""
        oriented, config_id, epoch = self._best or (float("nan"), self._order[0], self._table.n_epoch)
        return Recommendation(
            config_id=config_id,
            config=self._table.config(config_id),
            mean=self._sign * oriented,
            std=float("nan"),
            epoch=epoch,
            n_epochs_seen=self._n_seen.get(config_id, 0),
            n_epochs_spent=self._n_spent,
        )

    def _keep(self, oriented: float, epoch: int) -> None:
        if self._best is None or oriented > self._best[0]:
            self._best = (oriented, self._order[self._place], epoch)
