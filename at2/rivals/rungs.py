"""What halving rivals share: rungs of epochs, one of `eta` goes on to the next, and the order that they start in."""

from collections.abc import Sequence

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.schedule import ScheduledTuner
from at2.rivals.zero_shot import zero_shot_order


class RungTuner(ScheduledTuner):
    """A tuner that takes configurations in some order and lets one of `eta` rise from rung to rung.

    Args:
        problem: Candidates and direction of the metric; sources where `warm`.
        budget: What may be spent.
        seed: Seed of the order in which configurations are taken, where it is random.
        warm: Whether they are taken from the zero-shot ranking instead.
        eta: One of so many goes on to the next rung.

    Raises:
        At2Error: If `warm` and there is no source.
        BudgetError: If `eta` is below 2.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0, warm: bool = False, eta: int = 3) -> None:
        if eta < 2:
            raise BudgetError(f"halving keeps one configuration of eta, at least 2; {eta} given")
        super().__init__(problem, budget=budget, seed=seed)
        self.eta = eta
        self.order = _start_order(self, warm=warm)

    def first_choice(self) -> Sequence[int]:
        """Give the order in which configurations are taken."""
        return self.order


def _start_order(tuner: ScheduledTuner, *, warm: bool) -> list[int]:
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
