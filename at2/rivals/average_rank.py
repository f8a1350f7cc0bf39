"""The rule 'best average rank on the sources': it trains nothing, and is hard to beat at small budgets."""

import numpy as np

from at2.rivals.scores import average_rank, best_of_curves
from at2.rivals.zero_shot import ZeroShot


class AverageRank(ZeroShot):
    """Recommends the configuration whose rank, averaged over the source tasks, is lowest.

    On each source the configurations are ranked by the best value of their curve (the mean over training seeds), 1 for
    the best, equals sharing their average rank; ranks are divided by the number of configurations that were run on that
    source.
    """

    def cost(self, values: np.ndarray) -> np.ndarray:
        """Give the average rank."""
        return average_rank(best_of_curves(values))
