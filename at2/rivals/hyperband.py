"""Hyperband: brackets of successive halving, from many short trainings to few long ones."""

import math

from at2.rivals.halving import SuccessiveHalving, run_bracket, rungs, take
from at2.rivals.schedule import Schedule


class Hyperband(SuccessiveHalving):
    """Runs one bracket of successive halving after the other: the first starts short, the last trains in full.

    Sizes are the published ones: with ``s + 1`` rungs of ``s_max + 1``, ``ceil((s_max + 1) / (s + 1) * eta ** s)``
    configurations. When all brackets are through they start anew, as long as configurations and budget last.

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
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar, Hyperband, JMLR 2018, algorithm 1.
    """

    def schedule(self) -> Schedule:
        """Yield the brackets in turn."""
        unused = iter(self.order)
        levels = rungs(self.n_epoch, self.eta)
        while True:
            for start in range(len(levels)):
                s = len(levels) - 1 - start
                taken = take(unused, math.ceil(len(levels) / (s + 1) * self.eta**s))
                if not taken:
                    return
                yield from run_bracket(self, taken, levels[start:], eta=self.eta)
