"""Successive halving in one bracket that is sized to the budget, plain or started from the zero-shot ranking."""

import itertools
from collections.abc import Iterator, Sequence

from at2.rivals.rungs import RungTuner, rungs
from at2.rivals.schedule import Schedule, ScheduledTuner


class SuccessiveHalving(RungTuner):
    """Trains many configurations for an epoch or a few, keeps the best third, trains those three times as long, ...

    The last rung is a full training; there are as many configurations in the first rung as the budget pays for. What
    is recommended showed the best value so far. Arguments are those of `RungTuner`.

    References:
        Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.
    """

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
