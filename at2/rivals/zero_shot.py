"""What the zero-shot rules share: a ranking of the candidates by what the sources showed, and no training."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from at2.errors import TellError
from at2.recommend import Budget, Problem, Query
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.rivals.scores import final_of_curves, ranking, standardized_final


class ZeroShot(ScheduledTuner):
    """Recommends the first of a ranking from the sources and asks for no training.

    A candidate that no source ran takes the place behind the nearest configuration that was run.

    Args:
        problem: Sources, candidates and direction of the metric.
        budget: What may be spent; nothing is.
        seed: Unused; there for the sake of alikeness.

    Raises:
        At2Error: If there is no source.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        self.order = only(ranking(self.cost(self.values), self.features), self.candidates)

    @abstractmethod
    def cost(self, values: np.ndarray) -> np.ndarray:
        """Give what the ranking goes by, lowest first, ``(n_config,)``; not finite where no source ran it.

        Args:
            values: Curves of the sources, larger is better, ``(n_source, n_seed, n_config, n_epoch)``.
        """

    def first_choice(self) -> Sequence[int]:
        """Give the ranking."""
        return self.order

    def schedule(self) -> Schedule:
        """Yield nothing: the choice stands before the first epoch."""
        return iter(())

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Refuse an observation, since none was asked for.

        Raises:
            TellError: Always.
        """
        raise TellError("a zero-shot rule asks for no training, so that nothing can be told to it")


def only(order: np.ndarray, candidates: Sequence[int]) -> list[int]:
    """Keep the candidates of an order."""
    allowed = set(candidates)
    return [int(row) for row in order if int(row) in allowed]


def zero_shot_order(values: np.ndarray, features: np.ndarray, candidates: Sequence[int]) -> list[int]:
    """Rank candidates by their mean standardized final value on the sources: what the rivals start from.

    Args:
        values: Curves of the sources, larger is better, ``(n_source, n_seed, n_config, n_epoch)``.
        features: Encoded configurations, ``(n_config, n_column)``.
        candidates: Rows to rank.

    Raises:
        At2Error: If there is no source.
    """
    return only(ranking(-standardized_final(final_of_curves(values)), features), candidates)
