"""ASHA: asynchronous successive halving, which promotes whenever it can and starts a new configuration otherwise."""

from at2.recommend import Budget, Problem
from at2.rivals.rungs import RungTuner, rungs
from at2.rivals.schedule import Schedule


class ASHA(RungTuner):
    """Promotes a configuration to the next rung once it belongs to the best third of its rung; never waits.

    What is recommended showed the best value so far. Arguments are those of `RungTuner`.

    References:
        Li et al., A system for massively parallel hyperparameter tuning, MLSys 2020, algorithm 2.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0, warm: bool = False, eta: int = 3) -> None:
        super().__init__(problem, budget=budget, seed=seed, warm=warm, eta=eta)
        self._levels = rungs(self.n_epoch, eta)
        self._reached: list[dict[int, float]] = [{} for _ in self._levels]  # rung -> row -> best value there
        self._promoted: list[set[int]] = [set() for _ in self._levels]

    def schedule(self) -> Schedule:
        """Yield promotions from the top rung down, and new configurations where there is none."""
        unused = iter(self.order)
        while True:
            row, rung = self._promotion() or (next(unused, None), 0)
            if row is None:
                return
            yield from self.train(row, self._levels[rung] - int(self.n_done[row]))
            if not self.failed[row]:
                self._reached[rung][row] = float(self.best[row])

    def _promotion(self) -> tuple[int, int] | None:
        """Give a row that may rise and the rung it rises to, None if there is none."""
        for rung in reversed(range(len(self._levels) - 1)):
            reached = self._reached[rung]
            best = sorted(reached, key=lambda row: -reached[row])[: len(reached) // self.eta]
            for row in best:
                if row not in self._promoted[rung]:
                    self._promoted[rung].add(row)
                    return row, rung + 1
        return None
