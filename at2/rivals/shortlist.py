"""Shortlist and halve: train the first few of the zero-shot ranking for some epochs, keep the better half, go on."""

from collections.abc import Sequence

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.rivals.zero_shot import zero_shot_order


class Shortlist(ScheduledTuner):
    """Trains a shortlist, keeps the better half by the best value seen, doubles the epochs, and so on to the last one.

    The shortlist is the head of the ranking by mean standardized final value on the sources. The last configuration is
    trained to its end with what is left of the budget. What is recommended is the best of those still in the race.

    Args:
        problem: Sources, candidates and direction of the metric.
        budget: What may be spent.
        seed: Unused; there for the sake of alikeness.
        n_config: Length of the shortlist.
        n_epoch_each: Epochs of each before the first halving.

    Raises:
        At2Error: If there is no source.
        BudgetError: If length or epochs are not positive.
    """

    def __init__(
        self, problem: Problem, *, budget: Budget, seed: int = 0, n_config: int = 8, n_epoch_each: int = 4
    ) -> None:
        if n_config < 1 or n_epoch_each < 1:
            raise BudgetError(f"a shortlist needs configurations and epochs, {n_config} x {n_epoch_each} given")
        super().__init__(problem, budget=budget, seed=seed)
        self.order = zero_shot_order(self.values, self.features, self.candidates)
        self._pool = self.order[:n_config]
        self._n_epoch_each = n_epoch_each

    def first_choice(self) -> Sequence[int]:
        """Give the zero-shot ranking."""
        return self.order

    def choose(self) -> int:
        """Give the best of those still in the race."""
        return self.best_of(self._pool)

    def schedule(self) -> Schedule:
        """Yield the shortlist level by level."""
        level = self._n_epoch_each
        while True:
            for row in self._pool:
                yield from self.train(row, level - int(self.n_done[row]))
            self._pool = [row for row in self._pool if not self.failed[row]]
            if len(self._pool) <= 1:
                break
            ranked = sorted(self._pool, key=lambda row: -float(self.best[row]))
            self._pool = ranked[: len(ranked) // 2]
            level *= 2
        for row in self._pool:
            yield from self.train(row, self.n_epoch)
