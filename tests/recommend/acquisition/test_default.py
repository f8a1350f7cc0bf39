"""at2/recommend/acquisition/default.py: the rule that goes with a surrogate, a goal, and what sources say."""

import pytest
import torch

from at2.recommend import ExpectedBest, FinishIncumbent, KnowledgeGradient
from at2.recommend.acquisition.default import default_acquisition
from at2.recommend.acquisition.pilot import Pilot
from at2.recommend.acquisition.promotion import Promotion
from at2.recommend.acquisition.subset import RandomSubset
from at2.recommend.acquisition.ucb import UpperConfidenceBound
from at2.surrogate import History, KroneckerGP, WeightedSources
from at2.surrogate.at2_2021 import AutoTuning2021

RULE = Promotion(KnowledgeGradient())


def history(*n_run: int, n_config: int = 7) -> History:
    """Sources that have run so many configurations each, the last ones."""
    values = torch.full((len(n_run), 1, n_config, 3), torch.nan, dtype=torch.float64)
    for source, n in enumerate(n_run):
        values[source, :, n_config - n :] = torch.rand(1, n, 3, dtype=torch.float64)
    return History(values, torch.linspace(0, 1, n_config, dtype=torch.float64)[:, None])


def test_a_surrogate_brings_its_rule() -> None:
    whole = history(7, 7)
    assert default_acquisition(AutoTuning2021(beta=0.5), "train", whole) == UpperConfidenceBound(0.5)
    assert default_acquisition(KroneckerGP(), "recommend", whole) == RULE
    assert default_acquisition(KroneckerGP(), "train", whole) == FinishIncumbent(explore=RULE)
    assert default_acquisition(KroneckerGP(), "train", whole, priced=True) == ExpectedBest()


def test_pilot_and_subset_go_with_runs_without_sources_only() -> None:
    model, none = WeightedSources(), history()
    assert default_acquisition(model, "recommend", history(7)) == RULE
    assert default_acquisition(model, "recommend", none) == RandomSubset(Pilot(RULE))
    assert default_acquisition(model, "recommend", none, seed=3) == RandomSubset(Pilot(RULE, seed=3), seed=3)
    assert default_acquisition(model, "train", none) == RandomSubset(Pilot(FinishIncumbent(explore=RULE)))
    assert default_acquisition(model, "train", none, priced=True) == RandomSubset(Pilot(ExpectedBest()))


def test_a_run_says_that_its_sources_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    WeightedSources().fit(history(6))
    WeightedSources().fit(history())
    assert not caplog.records
    WeightedSources().fit(history(1, 1, 1))
    assert "does not say how configurations differ" in caplog.text


@pytest.mark.parametrize(("n_run", "compares"), [((5,), False), ((6,), True), ((1,) * 20, False), ((3, 3, 1), False)])
def test_sources_that_compare_too_few_configurations_are_none_but_their_own_come_first(
    n_run: tuple[int, ...], compares: bool
) -> None:
    sparse = history(*n_run)
    assert sparse.compares == compares
    assert history(2, n_config=2).compares  # all that there is
    rule = default_acquisition(WeightedSources(), "recommend", sparse)
    assert isinstance(rule, RandomSubset) != compares
    if isinstance(rule, RandomSubset):
        assert isinstance(rule.then, Pilot)
        kept = tuple(range(7 - max(n_run), 7))
        assert rule.begin_with == rule.then.begin_with == kept


def test_more_is_expected_of_what_somebody_kept() -> None:
    expected = WeightedSources().fit(history(1, 1)).values().mean
    assert int(expected.argmax()) == 6  # the only one that was run
    assert bool((expected[:-1] < expected[1:]).all())  # the more like it, the more
    assert history(1, 1).run_alone().tolist() == 6 * [False] + [True]


@pytest.mark.parametrize("n_run", [(), (3,), (3, 2)])
def test_nothing_more_is_expected_of_trainings_among_others(n_run: tuple[int, ...]) -> None:
    """Who kept several of a source need not have kept the best."""
    values = WeightedSources().fit(history(*n_run)).values().mean
    torch.testing.assert_close(values, values[:1].expand(7))
