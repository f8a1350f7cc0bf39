"""Greedy portfolio: a few configurations that together hold something good for every source, trained one by one."""

from collections.abc import Sequence

import numpy as np

from at2.recommend import Budget, Problem
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.rivals.scores import average_regret, best_of_curves, ranking, regrets


class GreedyPortfolio(ScheduledTuner):
    """Trains a portfolio, each configuration to its end, and recommends the one that showed the best value.

    The portfolio grows by the configuration that lowers the sources' regret most, where a source's regret is that of
    the best configuration in the portfolio. Once none lowers it any more, the rest follows by average regret.

    Args:
        problem: Sources, candidates and direction of the metric.
        budget: What may be spent.
        seed: Unused; there for the sake of alikeness.

    Raises:
        At2Error: If there is no source.

    References:
        Wistuba, Schilling, Schmidt-Thieme, Sequential model-free hyperparameter tuning, ICDM 2015; Feurer et al.,
        Auto-sklearn 2.0, JMLR 2022.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        best = best_of_curves(self.values)
        order = ranking(average_regret(best), self.features).tolist()
        allowed = set(self.candidates)
        self.order = greedy_order(regrets(best), [row for row in order if row in allowed])

    def first_choice(self) -> Sequence[int]:
        """Give the portfolio."""
        return self.order

    def schedule(self) -> Schedule:
        """Yield each configuration of the portfolio to its end."""
        for row in self.order:
            yield from self.train(row, self.n_epoch)


def greedy_order(regret: np.ndarray, rows: Sequence[int]) -> list[int]:
    """Order rows such that each next one lowers the sources' mean regret most; the earlier one among equals.

    Args:
        regret: Regret of each configuration on each source, shape ``(n_source, n_config)``; NaN counts as 1.
        rows: Rows to order, best on average first.

    Returns:
        All of `rows`: the portfolio, then what adds nothing to it, in the order given.

    Example:
        >>> import numpy as np
        >>> greedy_order(np.array([[0.1, 0.3, 0.0], [0.1, 0.0, 0.9]]), [0, 1, 2])
        [0, 1, 2]
    """
    filled = np.where(np.isnan(regret), 1.0, regret)[:, list(rows)]  # (n_source, n_row)
    left, picked = list(range(len(rows))), list[int]()
    covered = np.full(regret.shape[0], np.inf)
    while left:
        together = np.minimum(filled[:, left], covered[:, None]).mean(axis=0)
        place = int(np.argmin(together))
        if picked and together[place] >= covered.mean():
            break
        picked.append(left.pop(place))
        covered = np.minimum(covered, filled[:, picked[-1]])
    return [rows[k] for k in picked + left]
