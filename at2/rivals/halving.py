"""Successive halving in one bracket that is sized to the budget, plain or started from the zero-shot ranking."""

import itertools
from collections.abc import Iterator, Sequence

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.rivals.zero_shot import zero_shot_order


class SuccessiveHalving(ScheduledTuner):
    """Trains many configurations for an epoch or a few, keeps the best third, trains those three times as long, ...

    The last rung is a full training; there are as many configurations in the first rung as the budget pays for. What
    is recommended showed the best value so far.

    Args:
        problem: Candidates and direction of the metric; sources where `warm`.
        budget: What may be spent.
        seed: Seed of the order in which configurations are taken, where it is random.
        warm: Whether they are taken from the zero-shot ranking instead.
        eta: One of so many goes on to the next rung.

    Raises:
        At2Error: If `warm` and there is no source.
        BudgetError: If `eta` is below 2.

    References:
        Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0, warm: bool = False, eta: int = 3) -> None:
        if eta < 2:
            raise BudgetError(f"halving keeps one configuration of eta, at least 2; {eta} given")
        super().__init__(problem, budget=budget, seed=seed)
        self.eta = eta
        self.order = start_order(self, warm=warm)

    def first_choice(self) -> Sequence[int]:
        """Give the order in which configurations are taken."""
        return self.order

    def schedule(self) -> Schedule:
        """Yield brackets, each of new configurations, until there are none left."""
        unused = iter(self.order)
        levels = rungs(self.n_epoch, self.eta)
        while True:
            n = bracket_size(self.n_left, levels, eta=self.eta)
            taken = take(unused, max(1, n))
            if not taken:
                return
            yield from run_bracket(self, taken, levels, eta=self.eta)


def start_order(tuner: ScheduledTuner, *, warm: bool) -> list[int]:
    """Give the tuner's candidates by the zero-shot ranking, or in a random order from its own generator."""
    if warm:
        return zero_shot_order(tuner.values, tuner.features, tuner.candidates)
    order: list[int] = tuner.rng.permutation(tuner.candidates).tolist()
    return order


def rungs(n_epoch: int, eta: int) -> list[int]:
    """Give the epochs of each rung: the last is a full training, the first at least one epoch.

    Example:
        >>> rungs(75, 3)
        [3, 8, 25, 75]
    """
    levels = [n_epoch]
    while n_epoch / eta ** len(levels) >= 1:
        levels.append(max(1, round(n_epoch / eta ** len(levels))))
    return sorted(set(levels))


def bracket_size(n_epochs: int, levels: Sequence[int], *, eta: int) -> int:
    """Give the most configurations that a bracket can start with within so many epochs, 0 if not even one.

    Example:
        >>> bracket_size(100, [3, 8, 25, 75], eta=3)
        7
    """
    n = 0
    while bracket_cost(n + 1, levels, eta=eta) <= n_epochs:
        n += 1
    return n


def bracket_cost(n: int, levels: Sequence[int], *, eta: int) -> int:
    """Give the epochs of a bracket of `n` configurations; trainings go on where they were paused."""
    cost, before = 0, 0
    for level in levels:
        cost += n * (level - before)
        n, before = max(1, n // eta), level
    return cost


def run_bracket(tuner: ScheduledTuner, rows: Sequence[int], levels: Sequence[int], *, eta: int) -> Schedule:
    """Yield one bracket: all rows to the first level, the best of them to the next, the very best to the last."""
    pool = list(rows)
    for level in levels:
        for row in pool:
            yield from tuner.train(row, level - int(tuner.n_done[row]))
        n = max(1, len(pool) // eta)
        pool = sorted((row for row in pool if not tuner.failed[row]), key=lambda row: -float(tuner.best[row]))[:n]


def take(rows: Iterator[int], n: int) -> list[int]:
    """Take up to `n` of the rows that are left."""
    return list(itertools.islice(rows, n))
