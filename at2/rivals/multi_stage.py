"""Multi-stage grid: a coarse grid over the space, then finer ones around the best, as people tune by hand."""

from collections.abc import Sequence

import numpy as np

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.distance import distances, spread
from at2.rivals.schedule import Schedule, ScheduledTuner


class MultiStageGrid(ScheduledTuner):
    """Spends equal parts of the budget on stages; the first covers the space, each later one surrounds the best so far.

    A stage trains its configurations for equally many epochs, twice as many as the stage before. The first stage takes
    configurations that lie far apart in the encoded space (maximin), a later one those nearest to the best, the best
    itself included. On a finite list of candidates the grid's points are thus snapped to unused candidates.

    Args:
        problem: Candidates and direction of the metric; the sources are not read.
        budget: What may be spent.
        seed: Seed of the configuration that the first stage starts from.
        n_stage: Number of stages.
        n_config: Most configurations of the first stage; each later stage has half as many.

    Raises:
        BudgetError: If there is no stage or no configuration.
    """

    def __init__(
        self, problem: Problem, *, budget: Budget, seed: int = 0, n_stage: int = 3, n_config: int = 27
    ) -> None:
        if n_stage < 1 or n_config < 1:
            raise BudgetError(f"a grid needs stages and configurations, {n_stage} and {n_config} given")
        super().__init__(problem, budget=budget, seed=seed)
        self._start = int(self.rng.choice(self.candidates))
        self._n_stage, self._n_config = n_stage, n_config

    def first_choice(self) -> Sequence[int]:
        """Give the configuration that the first stage starts from, then the others."""
        return [self._start, *(row for row in self.candidates if row != self._start)]

    def schedule(self) -> Schedule:
        """Yield the stages, and the best one to its end with what is left."""
        share = self.n_left // self._n_stage
        for stage in range(self._n_stage):
            n = max(1, min(self._n_config, share) // 2**stage)
            n_epochs = max(1, share // n)
            for row in self._grid(n) if stage == 0 else self._around_best(n):
                yield from self.train(row, n_epochs)
        yield from self.train(self.choose(), self.n_epoch)

    def _grid(self, n: int) -> list[int]:
        return spread(self.features, self.candidates, n, start=self._start)

    def _around_best(self, n: int) -> list[int]:
        """Give the best configuration that is not complete and the nearest unused ones."""
        best = self.choose()
        unused = [row for row in self.candidates if self.n_done[row] == 0]
        order = np.argsort(distances(self.features[best], self.features[unused]), kind="stable")
        around = [unused[int(k)] for k in order]
        is_open = self.n_done[best] < self.n_epoch and not self.failed[best]
        return ([best] if is_open else [])[:n] + around[: n - int(is_open)]
