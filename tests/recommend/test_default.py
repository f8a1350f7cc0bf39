"""at2/recommend/default.py: the rule that goes with a surrogate, a goal, and whether there is any source."""

from at2.recommend import ExpectedBest, FinishIncumbent, KnowledgeGradient
from at2.recommend.default import default_acquisition
from at2.recommend.pilot import Pilot
from at2.recommend.promotion import Promotion
from at2.recommend.subset import RandomSubset
from at2.recommend.ucb import UpperConfidenceBound
from at2.surrogate import KroneckerGP, WeightedSources
from at2.surrogate.at2_2021 import AutoTuning2021


def test_a_surrogate_brings_its_rule() -> None:
    assert default_acquisition(AutoTuning2021(beta=0.5), "train") == UpperConfidenceBound(0.5)
    assert default_acquisition(KroneckerGP(), "recommend") == Promotion(KnowledgeGradient())
    assert default_acquisition(KroneckerGP(), "train") == FinishIncumbent(explore=Promotion(KnowledgeGradient()))
    assert default_acquisition(KroneckerGP(), "train", priced=True) == ExpectedBest()


def test_pilot_and_subset_go_with_runs_without_sources_only() -> None:
    model = WeightedSources()
    assert default_acquisition(model, "recommend") == Promotion(KnowledgeGradient())
    alone = default_acquisition(model, "recommend", alone=True)
    assert alone == RandomSubset(Pilot(Promotion(KnowledgeGradient())))
    drawn = default_acquisition(model, "recommend", alone=True, seed=3)
    assert drawn == RandomSubset(Pilot(Promotion(KnowledgeGradient()), seed=3), seed=3)
    train = default_acquisition(model, "train", alone=True)
    assert train == RandomSubset(Pilot(FinishIncumbent(explore=Promotion(KnowledgeGradient()))))
    assert default_acquisition(model, "train", alone=True, priced=True) == RandomSubset(Pilot(ExpectedBest()))
