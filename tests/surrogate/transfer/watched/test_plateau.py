"""at2/surrogate/transfer/watched/plateau.py: targets that begin to learn later than their sources did."""

import logging

import pytest
import torch
from torch import Tensor

from at2.surrogate import Belief, History, WeightedSources
from at2.surrogate.transfer.fitted.prior import fit_prior
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.transfer.fitted.ways import beside_plateaus, longest_plateau
from at2.surrogate.transfer.watched.plateau import Plateau
from at2.surrogate.warp import LogitWarp

N_CONFIG, N_EPOCH = 12, 20
LEADER = N_CONFIG - 1


def curves(*delays: int, seed: int = 0) -> Tensor:
    """Accuracies that rise from 0.1, to the more the higher the index, each task after so many epochs."""
    generator = torch.Generator().manual_seed(seed)
    epochs = torch.arange(1, N_EPOCH + 1, dtype=torch.float64)
    end = torch.linspace(0.3, 0.9, N_CONFIG, dtype=torch.float64)[:, None]
    tasks = [0.1 + (end - 0.1) * (1.0 - 1.0 / (epochs - delay).clamp_min(1.0)) for delay in delays]
    made = torch.stack(tasks)
    return (made + 0.004 * torch.randn(made.shape, generator=generator, dtype=torch.float64)).clamp(0.01, 0.99)


def history() -> History:
    sources = curves(0, 0, 0, 0)
    return History(sources[:, None], torch.linspace(0, 1, N_CONFIG, dtype=torch.float64)[:, None])


def told(target: Tensor, *trainings: tuple[int, int]) -> Belief:
    """The belief after some configurations were trained for some epochs."""
    belief = WeightedSources().fit(history())
    for config, n in trainings:
        for epoch in range(n):
            belief.observe(config, epoch, float(target[config, epoch]))
    return belief


@pytest.mark.parametrize("apart", [0.0, 0.1])
def test_the_leading_configuration_stays_ahead_while_nothing_is_learnt(
    apart: float, caplog: pytest.LogCaptureFixture
) -> None:
    """On a level common to all, or each on one of its own, where poor ones even begin higher."""
    late = curves(5, seed=1)[0] + torch.linspace(apart, 0.0, N_CONFIG, dtype=torch.float64)[:, None]
    with caplog.at_level(logging.INFO, logger="at2"):
        values = told(late, (LEADER, 3), (LEADER - 1, 2), (LEADER - 2, 2)).values().mean
    assert int(values.argmax()) == LEADER
    assert float(values[LEADER] - values[LEADER - 3]) > 0.1  # not all alike because first readings are
    assert caplog.text.count("has not begun to learn where its sources had") == 1


def test_a_target_that_rises_as_its_sources_did_is_on_no_plateau(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="at2"):
        told(curves(0, seed=1)[0], (LEADER, 6), (3, 6), (0, 6), (6, 6))
    assert not caplog.records


def test_what_one_reading_says_is_limited_to_both_sides() -> None:
    plateau = Plateau(longest=9).observe(0, 0, 0.0, expected=(0.0, 1.0), scale=1.0)
    for_it = plateau.observe(0, 1, 0.0, expected=(1e6, 1e-6), scale=1.0)
    against = plateau.observe(0, 1, 1e6, expected=(1e6, 1.0), scale=1.0)
    assert for_it.evidence == pytest.approx(5.0)
    assert against.evidence == pytest.approx(-2.302585)
    assert (for_it.left, against.left) == (frozenset(), {0})


def test_what_comes_after_a_plateau_says_nothing_of_it() -> None:
    plateau = Plateau(longest=3).observe(0, 0, 0.0, expected=(0.0, 1.0), scale=1.0)
    assert plateau.observe(0, 3, 0.0, expected=(9.0, 1.0), scale=1.0) is plateau
    left = plateau.observe(0, 1, 9.0, expected=(9.0, 1.0), scale=1.0)
    assert left.observe(0, 2, 9.0, expected=(9.0, 1.0), scale=1.0) is left
    nowhere = Plateau(longest=0)
    assert nowhere.observe(0, 0, 0.0, expected=(9.0, 1.0), scale=1.0) is nowhere


def test_plateaus_come_beside_the_ways_of_the_sources() -> None:
    known = history()
    prior = fit_prior(standardize(LogitWarp().forward(known.mean_over_seeds())), known.features)
    assert longest_plateau(prior.ways) == 7  # 20 to the power of two thirds
    late = prior.on_plateau()
    assert sum(late.way_probabilities) == pytest.approx(1.0)
    assert sorted(set(late.way_silent)) == [0, 3, 7]
    assert late.on_plateau() is not late
    assert late.on_plateau().way_silent == late.way_silent  # they are in doubt already
    torch.testing.assert_close(late.epoch_covariances[0], prior.epoch_covariances[0])
    longest = late.epoch_covariances[-1]
    assert float(longest[0, 6] / longest[0, 0]) > 0.99  # a curve stays where it began,
    assert float(longest[:7, 7:].abs().max()) == 0.0  # which says nothing of what comes after it


def test_trainings_of_one_or_two_epochs_have_no_plateau() -> None:
    for n_epoch in (1, 2):
        short = History(history().values[..., :n_epoch], history().features)
        prior = fit_prior(standardize(LogitWarp().forward(short.mean_over_seeds())), short.features)
        ways = prior.ways
        assert longest_plateau(ways) == 0
        assert beside_plateaus(ways) is ways
