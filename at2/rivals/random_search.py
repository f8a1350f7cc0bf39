"""Random search: train one configuration after the other, in random order, each to its last epoch."""

from collections.abc import Sequence

from at2.recommend import Budget, Problem
from at2.rivals.schedule import Schedule, ScheduledTuner


class RandomSearch(ScheduledTuner):
    """Trains the candidates in a random order and recommends the one that showed the best value.

    Before anything was seen it recommends the first of its order. A failed training is left for the next configuration.

    Args:
        problem: Candidates and direction of the metric; the sources are not read.
        budget: What may be spent.
        seed: Seed of the order.

    References:
        Bergstra and Bengio, Random search for hyper-parameter optimization, JMLR 2012.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        allowed = set(self.candidates)
        self._order = [row for row in self.rng.permutation(problem.history.n_config).tolist() if row in allowed]

    def first_choice(self) -> Sequence[int]:
        """Give the random order."""
        return self._order

    def schedule(self) -> Schedule:
        """Yield each configuration to its end."""
        for row in self._order:
            yield from self.train(row, self.n_epoch)
