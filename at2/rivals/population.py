"""Population based training, as far as it goes without copying weights between configurations."""

from collections.abc import Sequence

import numpy as np

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.distance import nearest
from at2.rivals.schedule import Schedule, ScheduledTuner


class PopulationBasedTraining(ScheduledTuner):
    """Trains a population in turns; after each turn neighbours of the best take the places of the worst.

    The neighbour is a random perturbation in the encoded space, snapped to the nearest unused candidate. Weights cannot
    be handed from one configuration to another behind ask and tell, so a newcomer starts at its first epoch and trains
    as many epochs a turn as the others. What is recommended showed the best value so far.

    Args:
        problem: Candidates and direction of the metric; the sources are not read.
        budget: What may be spent.
        seed: Seed of the population and of the perturbations.
        n_member: Size of the population; smaller where the budget pays for fewer than four turns.
        n_turn: Turns in which the budget is spent.
        width: Standard deviation of the perturbation in the encoded space.

    Raises:
        BudgetError: If there are fewer than two members or no turn.

    References:
        Jaderberg et al., Population based training of neural networks, 2017, arXiv:1711.09846.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        budget: Budget,
        seed: int = 0,
        n_member: int = 10,
        n_turn: int = 5,
        width: float = 0.2,
    ) -> None:
        if n_member < 2 or n_turn < 1:
            raise BudgetError(f"a population needs two members and a turn, {n_member} and {n_turn} given")
        super().__init__(problem, budget=budget, seed=seed)
        self._order: list[int] = self.rng.permutation(self.candidates).tolist()
        self._n_member, self._n_turn, self._width = n_member, n_turn, width

    def first_choice(self) -> Sequence[int]:
        """Give the random order from which the population is drawn."""
        return self._order

    def schedule(self) -> Schedule:
        """Yield turns of the population until the budget is spent or everything is trained."""
        members = self._order[: max(2, min(self._n_member, self.n_left // 4))]
        n_epochs = max(1, self.n_left // (self._n_turn * len(members)))
        while members:
            for row in members:
                yield from self.train(row, n_epochs)
            members = self._next(members)

    def _next(self, members: Sequence[int]) -> list[int]:
        """Drop what has ended or failed and the worst quarter; bring in neighbours of the best quarter."""
        size = len(members)
        ranked = sorted(members, key=lambda row: -float(self.best[row]))
        quarter = max(1, size // 4)
        stay = [row for row in ranked[: size - quarter] if not self.failed[row] and self.n_done[row] < self.n_epoch]
        parents = [row for row in ranked[:quarter] if not self.failed[row]] or stay[:1] or list(self.first_choice()[:1])
        for _ in range(size - len(stay)):
            child = self._neighbour(int(self.rng.choice(parents)), taken=stay)
            if child is not None:
                stay.append(child)
        return stay

    def _neighbour(self, parent: int, *, taken: Sequence[int]) -> int | None:
        """Give the unused candidate nearest to a perturbed parent, None if all are used."""
        unused = [row for row in self.candidates if self.n_done[row] == 0 and row not in taken]
        if not unused:
            return None
        point = self.features[parent] + self._width * self.rng.standard_normal(self.features.shape[1])
        return nearest(np.clip(point, 0.0, 1.0), self.features, unused)
