"""The acquisition function that a run uses if none is asked for."""

from __future__ import annotations

import torch

from at2.recommend.acquisition.finish import FinishIncumbent
from at2.recommend.acquisition.knowledge_gradient import Acquisition, ExpectedBest, KnowledgeGradient
from at2.recommend.acquisition.pilot import Pilot
from at2.recommend.acquisition.promotion import Promotion
from at2.recommend.acquisition.subset import RandomSubset
from at2.recommend.acquisition.ucb import PublishedWithUcb, UpperConfidenceBound
from at2.surrogate import History, Surrogate


def default_acquisition(
    surrogate: Surrogate, goal: str, history: History, *, priced: bool = False, seed: int = 0
) -> Acquisition:
    """Return the rule that goes with a surrogate and a goal.

    Args:
        surrogate: The surrogate; one that was published with the upper confidence bound keeps it for every goal.
        goal: ``"recommend"`` or ``"train"``.
        history: What there is to learn from. Where no source says how configurations differ, a pilot has to say how
            curves go, among as many configurations as the budget has epochs; it begins with those that somebody kept
            the training of.
        priced: Whether the run may end at any time because epochs have a price; then what is trained best improves
            step by step, rather than in the last epochs of the budget.
        seed: Seed of that pilot and of which configurations these are.
    """
    if isinstance(surrogate, PublishedWithUcb):
        return UpperConfidenceBound(surrogate.ucb_beta)
    rule: Acquisition = Promotion(KnowledgeGradient())
    if goal == "train":
        rule = ExpectedBest() if priced else FinishIncumbent(explore=rule)
    if history.compares:
        return rule
    first = tuple(torch.nonzero(history.was_run().any(0))[:, 0].tolist())
    return RandomSubset(Pilot(rule, begin_with=first, seed=seed), begin_with=first, seed=seed)
