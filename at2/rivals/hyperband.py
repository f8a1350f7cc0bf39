"""Hyperband: brackets of successive halving, from many short trainings to few long ones."""

import math

from at2.rivals.halving import run_bracket, take
from at2.rivals.rungs import RungTuner, rungs
from at2.rivals.schedule import Schedule


class Hyperband(RungTuner):
    """Runs one bracket of successive halving after the other: the first starts short, the last trains in full.

    Sizes are the published ones: with ``s + 1`` rungs of ``s_max + 1``, ``ceil((s_max + 1) / (s + 1) * eta ** s)``
    configurations. When all brackets are through they start anew, as long as configurations and budget last.
    Arguments are those of `RungTuner`.

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
