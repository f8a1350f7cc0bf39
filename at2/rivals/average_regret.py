"""The rule 'lowest average regret on the sources': it trains nothing."""

import numpy as np

from at2.rivals.scores import average_regret, best_of_curves
from at2.rivals.zero_shot import ZeroShot


class AverageRegret(ZeroShot):
    """Recommends the configuration whose normalized regret, averaged over the source tasks, is lowest.

    Regret on a source is 0 for its best configuration and 1 for its worst, by the best value of the curve (the mean
    over training seeds).
    """

    def cost(self, values: np.ndarray) -> np.ndarray:
        """Give the average regret."""
        return average_regret(best_of_curves(values))
