"""When to stop before the budget is spent: the next epochs are not worth their price, or the answer is good enough.

Both rules are functions of the belief and of what was told, so that a resumed run stops where the first one would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.errors import StoppingError
from at2.recommend.acquisition.knowledge_gradient import (
    Acquisition,
    Choice,
    ExpectedBest,
    KnowledgeGradient,
    rank_by_promise,
)
from at2.recommend.acquisition.subset import with_the_subset_of
from at2.recommend.journal.ledger import SearchState, Told
from at2.recommend.query import ConfigId
from at2.scalars import is_finite
from at2.surrogate import Belief

CONFIDENCE = 0.9
_N_RIVAL = 64  # configurations that may be the best; those that promise less do not decide
_STEP = 1e-4  # of a difference quotient, relative to where it is taken
_N_AS_EXPECTED = 10  # results that count as if they had gained what was expected, beside those that came
_N_SAMPLE = 4096  # the standard error of a probability of 0.9 is 0.005


@dataclass(frozen=True)
class StoppingRule:
    """What makes a recommender stop before its budget is spent; without any number it never does.

    Args:
        utility: What one unit of the budget (one epoch, one second) is worth, in the unit of the metric: stop when the
            next epochs are expected to gain less than this per unit they cost. None always goes on.
        tolerance: How far the recommendation may be from the best candidate, in the unit of the metric; None always
            goes on.
        confidence: Probability, in (0, 1), with which it must be that close; None takes 0.9 where there is a tolerance.

    Raises:
        StoppingError: If a number is negative, not finite or outside its range, or there is a confidence without a
            tolerance.

    Example:
        >>> StoppingRule(tolerance=0.01)
        StoppingRule(utility=None, tolerance=0.01, confidence=0.9)
    """

    utility: float | None = None
    tolerance: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("utility", "tolerance"):
            amount = getattr(self, name)
            if amount is not None and not (is_finite(amount) and amount >= 0):
                raise StoppingError(f"{name} must be a finite number that is not negative, got {amount!r}")
        if self.confidence is not None and not (is_finite(self.confidence) and 0 < self.confidence < 1):
            raise StoppingError(f"confidence must lie between 0 and 1, both excluded, got {self.confidence!r}")
        if self.confidence is not None and self.tolerance is None:
            raise StoppingError(f"confidence={self.confidence!r} came without tolerance=; say how close is good enough")
        if self.tolerance is not None and self.confidence is None:
            object.__setattr__(self, "confidence", CONFIDENCE)
        for name in ("utility", "tolerance", "confidence"):
            amount = getattr(self, name)
            object.__setattr__(self, name, None if amount is None else float(amount))  # of numpy, maybe

    def not_worth_it(self, gain: float, *, metric: str, unit: str) -> str | None:
        """Return why to stop if the next epochs gain less per unit of the budget than it is worth, else None."""
        if self.utility is None or gain >= self.utility:
            return None
        return (
            f"the next epochs are expected to gain {gain:.3g} of {metric} per {unit}, "
            f"less than the {self.utility:g} that one {unit} is worth"
        )

    def close_enough(self, probability: float, *, config_id: ConfigId, metric: str) -> str | None:
        """Return why to stop if the recommendation is probably within the tolerance of the best, else None."""
        if self.tolerance is None or self.confidence is None or probability <= self.confidence:
            return None
        return (
            f"configuration {config_id!r} is within {self.tolerance:g} of {metric} of the best candidate "
            f"with probability {probability:.3f}, more than {self.confidence:g}"
        )


class Gauge:
    """What further epochs are expected to gain, whichever rule chooses them.

    The largest of many uncertain gains is expected too high. Where the best trained model counts it shows how much of
    what was expected came: later gains count by that share.

    Args:
        trained: Whether the best trained model counts, rather than the configuration to train later.
        asked: The rule that chooses them: what it never starts gains nothing.
    """

    def __init__(self, *, trained: bool, asked: Acquisition) -> None:
        self.rule = with_the_subset_of(asked, ExpectedBest() if trained else KnowledgeGradient())
        self._latent = not trained  # the unit of the rule's gains: the belief's, or the metric's

    def in_metric(self, choice: Choice, belief: Belief, state: SearchState) -> Choice:
        """Return a choice of `rule` with its gain per unit of the budget in the unit of the metric; never negative."""
        gain = choice.gain * (metric_per_latent(belief, state) if self._latent else 1.0)
        return replace(choice, gain=gain if gain > 0.0 else 0.0)

    def share(self, told: Sequence[Told], *, sign: float) -> float:
        """Return by which share gains expected now count, in (0, 1]; 1 where nobody sees what was gained.

        Args:
            told: Results, in the order of arrival.
            sign: 1 where larger values are better, else -1.
        """
        return 1.0 if self._latent else share_that_came(told, sign=sign)


def gain_of_an_epoch(choice: Choice, prospect: Choice | None, state: SearchState) -> float | None:
    """Return what the next epoch of a choice is expected to gain, where it is that of the best prospect; else None."""
    if prospect is None or prospect.config != choice.config:
        return None
    config, one = torch.tensor([choice.config]), torch.tensor([1])
    return prospect.gain * float(state.price(config, one)[0])


def share_that_came(told: Sequence[Told], *, sign: float) -> float:
    """Return how much of what epochs were expected to gain they gained, at most 1.

    The later half of the results counts, since early ones gain more than anybody can miss, and as if there were ten
    more that gained what the others were expected to on average.

    Args:
        told: Results, in the order of arrival; those of queries without `Query.expected_gain` do not count.
        sign: 1 where larger values are better, else -1.

    Returns:
        A share in (0, 1]; 1 before two results.

    Example:
        >>> from at2.recommend.query import Query
        >>> query = Query("a", {}, epoch=1, number=0, expected_gain=0.1)
        >>> told = [Told(query, value, None) for value in (0.5, 0.6, 0.6, 0.6)]  # epochs 3 and 4 gained nothing
        >>> round(share_that_came(told, sign=1.0), 3)  # (0 + 10 * 0.1) / (2 * 0.1 + 10 * 0.1)
        0.833
    """
    best, expected, gained = -math.inf, [], []
    for result in told:
        before = best
        best = best if result.value is None else max(best, sign * result.value)
        if result.query.expected_gain is not None and math.isfinite(before):
            expected.append(result.query.expected_gain)
            gained.append(best - before)
    late = slice(len(expected) // 2, None)
    usual = _N_AS_EXPECTED * sum(expected[late]) / max(len(expected[late]), 1)
    hoped = sum(expected[late]) + usual
    return min(1.0, (sum(gained[late]) + usual) / hoped) if hoped > 0.0 else 1.0


def probability_within(
    belief: Belief,
    state: SearchState,
    *,
    config: int,
    seen: Tensor,
    tolerance: float,
    trained: bool = False,
    seed: int = 0,
) -> float:
    """Return how probable it is that a configuration is within a tolerance of the best eligible one.

    Args:
        belief: What is believed.
        state: What may be recommended.
        config: Row of the configuration in question.
        seen: Best reading of every configuration, larger is better, minus infinity without any, ``(n_config,)``.
        tolerance: Distance that does not matter, in the unit of the metric.
        trained: Whether the configuration is worth what it has shown, rather than what it will reach.
        seed: Seed of the draws.

    Returns:
        A probability, exact to about 0.005: the share of 4096 joint draws of the values. Of the eligible configurations
        the 64 count that could most improve on the best.
    """
    rivals = rank_by_promise(belief, state)[:_N_RIVAL]
    rows = torch.cat([rivals[rivals != config], torch.tensor([config])])
    draws = torch.maximum(draw_values(belief, rows, n_sample=_N_SAMPLE, seed=seed), seen[rows])
    own = seen[config] if trained else draws[:, -1]
    return float((own >= draws.amax(1) - tolerance).double().mean())


def draw_values(belief: Belief, rows: Tensor, *, n_sample: int, seed: int) -> Tensor:
    """Draw values of configurations jointly, in oriented user units, ``(n_sample, n)``.

    A belief with a method ``sample_values`` draws from its own mixture. Of any other the values are drawn from a
    Gaussian with the moments of `Belief.values` and the correlations of the final readings.
    """
    if hasattr(belief, "sample_values"):
        draws: Tensor = belief.sample_values(n_sample, seed=seed, rows=rows)
        return draws
    root = _root(_value_correlation(belief, rows))
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(n_sample, len(rows), generator=generator, dtype=torch.float64)
    values = belief.values()
    return values.mean.cpu()[rows] + values.std.cpu()[rows] * (normal @ root.T)


def metric_per_latent(belief: Belief, state: SearchState) -> float:
    """Return how much the metric changes with the belief's latent units, where the best expected value lies."""
    rows = rank_by_promise(belief, state)[:_N_RIVAL]
    best = belief.latent_values()[0].cpu()[rows].max()
    step = _STEP * best.abs().clamp_min(1.0)
    above, below = (belief.warp.inverse(best + side * step) for side in (1.0, -1.0))
    return float((above - below) / (2.0 * step))


def _value_correlation(belief: Belief, rows: Tensor) -> Tensor:
    """Correlation of values, ``(n, n)``.

    One standard deviation of the final reading of j moves the value of i by ``A[i, j]``, their covariance over that
    deviation; so ``A[i, j] / A[i, i]`` is the correlation where a value is the final reading.
    """
    moved = belief.outlook(rows, rows, torch.full_like(rows, belief.n_epoch - 1)).slope.cpu()
    one_way = (moved / moved.diagonal().abs().clamp_min(1e-12)[:, None]).clamp(-1.0, 1.0)
    both: Tensor = 0.5 * (one_way + one_way.T)
    both.fill_diagonal_(1.0)
    return both


def _root(correlation: Tensor) -> Tensor:
    """A matrix R with ``R R'`` the correlation; negative eigenvalues are set to zero, the diagonal stays 1."""
    values, vectors = torch.linalg.eigh(correlation)
    root = vectors * values.clamp_min(0.0).sqrt()
    scaled: Tensor = root / root.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return scaled
