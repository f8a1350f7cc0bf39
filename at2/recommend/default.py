"""The acquisition function that a run uses if none is asked for."""

from __future__ import annotations

from at2.recommend.acquisition import Acquisition, ExpectedBest, KnowledgeGradient
from at2.recommend.finish import FinishIncumbent
from at2.recommend.pilot import Pilot
from at2.recommend.promotion import Promotion
from at2.recommend.subset import RandomSubset
from at2.recommend.ucb import PublishedWithUcb, UpperConfidenceBound
from at2.surrogate import Surrogate


def default_acquisition(
    surrogate: Surrogate, goal: str, *, priced: bool = False, alone: bool = False, seed: int = 0
) -> Acquisition:
    """Return the rule that goes with a surrogate and a goal.

    Args:
        surrogate: The surrogate; one that was published with the upper confidence bound keeps it for every goal.
        goal: ``"recommend"`` or ``"train"``.
        priced: Whether the run may end at any time because epochs have a price; then what is trained best improves
            step by step, rather than in the last epochs of the budget.
        alone: Whether there is no source task, so that a pilot has to say how curves go, among as many configurations
            as the budget has epochs.
        seed: Seed of that pilot and of which configurations these are.
    """
    if isinstance(surrogate, PublishedWithUcb):
        return UpperConfidenceBound(surrogate.ucb_beta)
    rule: Acquisition = Promotion(KnowledgeGradient())
    if goal == "train":
        rule = ExpectedBest() if priced else FinishIncumbent(explore=rule)
    return RandomSubset(Pilot(rule, seed=seed), seed=seed) if alone else rule
