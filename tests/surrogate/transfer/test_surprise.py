"""Targets whose curves are unlike those of all sources: they may then go as without any."""

import logging
import math

import pytest
import torch
from torch import Tensor

from at2.surrogate import History, WeightedSources
from at2.surrogate.transfer.conditioned.hypotheses import Grid, Hypotheses
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.prior import fit_prior
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.transfer.settling import SettlingBelief
from tests.surrogate.transfer.problems import small_curves

N_CONFIG, N_EPOCH = 12, 40
FEATURES = torch.linspace(0.0, 1.0, N_CONFIG, dtype=torch.float64)[:, None]


def late_curves(rise: float, *, seed: int) -> Tensor:
    """Accuracies of curves that hardly differ until they rise about that epoch, the last one highest."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.005 * torch.randn(N_CONFIG, N_EPOCH, generator=generator, dtype=torch.float64)
    epochs = torch.arange(1, N_EPOCH + 1, dtype=torch.float64)
    height = torch.linspace(1.0, 3.0, N_CONFIG, dtype=torch.float64)[:, None]
    return torch.sigmoid(height * torch.sigmoid((epochs - rise) / 2.0) + noise)


def told(target: Tensor) -> SettlingBelief:
    """What is believed after 16 epochs of the best configuration and four of another, one source that rises late."""
    belief = WeightedSources().fit(History(late_curves(24.0, seed=0)[None, None], FEATURES))
    for config, n_epoch in ((11, 16), (5, 4)):
        for epoch in range(n_epoch):
            belief.observe(config, epoch, float(target[config, epoch]))
    return belief


@pytest.mark.parametrize("rise", [18.0, 12.0])
def test_curves_that_rise_earlier_than_those_of_the_source_are_not_expected_to_rise_for_ever(
    rise: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="at2")
    belief = told(late_curves(rise, seed=1))
    assert caplog.text.count("unlike those of its sources") == 1
    means = torch.stack([component.value_mean() for component in belief.components])
    assert float((belief.weights @ means).max()) < 10.0  # log odds; the truth is 3, and 48 and 201 were expected
    assert belief.doubt == 1.0
    assert int(belief.worth().argmax()) == N_CONFIG - 1


def test_curves_like_those_of_the_source_are_no_surprise() -> None:
    assert told(late_curves(24.0, seed=1)).doubt == 0.0


def test_surprise_counts_standard_deviations_of_the_squared_innovations() -> None:
    prior = fit_prior(standardize(torch.logit(small_curves()[:, 0])), torch.linspace(0, 1, 6).double()[:, None])
    hypotheses = Hypotheses(prior, Grid((0.75,), (1.0,), (1.0,), n_scale=1))
    posterior = Posterior(hypotheses)
    assert posterior.surprise() == 0.0
    mean, variance = posterior.expected(2, 3)
    variance += 1e-4 * float(hypotheses.scales[0]) ** 2  # the noise that every reading has
    posterior.observe(2, 3, mean + 5.0 * math.sqrt(variance))
    assert posterior.surprise() == pytest.approx((25.0 - 1.0) / math.sqrt(2.0))
