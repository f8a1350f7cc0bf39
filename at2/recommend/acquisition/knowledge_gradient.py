"""Which epoch to train next: what a few more epochs of one configuration may change in the final answer, per cost.

For every configuration and several look-aheads h, the reading h epochs further on is imagined. It moves the expected
value of *all* configurations along one direction, so the expected maximum after it is a one-dimensional integral. The
configuration with the largest gain per cost is advanced by a single epoch; then all is weighed again. Look-aheads that
the remaining budget cannot pay for do not count.

References:
    Frazier, Powell, Dayanik, The knowledge-gradient policy for correlated normal beliefs, 2009.
    Swersky, Snoek, Adams, Freeze-thaw Bayesian optimization, 2014, arXiv:1406.3896.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from at2.recommend.journal.ledger import SearchState
from at2.surrogate import Belief, Outlook, Warp, gauss_hermite, normal_density, normal_share

LOOKAHEADS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
_FURTHEST = -30.0  # standard deviations below a value; numbers are exact up to there


@dataclass(frozen=True)
class Choice:
    """The configuration to advance, and why.

    Args:
        config: Its row.
        gain: Expected gain per cost, in the units of the acquisition.
        lookahead: Number of further epochs at which that gain was found.
    """

    config: int
    gain: float
    lookahead: int


class Acquisition(Protocol):
    """Chooses among the configurations whose horizon is not zero; at least one is not."""

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""


@dataclass(frozen=True)
class KnowledgeGradient:
    """Expected gain in the value of the recommendation, per cost; for ``goal="recommend"``.

    What a reading says about the differences between other configurations goes through what the model believes to be
    shared, and depends on the model more than what it says about its own. It counts in part: otherwise poor
    configurations are trained for what they are believed to teach about good ones.

    Args:
        lookaheads: Numbers of further epochs to imagine, increasing.
        n_shortlist: Only this many configurations are weighed: those that could most improve on the best.
        n_contender: Only this many may take over the lead in the imagined outcome, chosen likewise.
        n_node: Gauss-Hermite nodes of the integral.
        sharing: How much of what a reading says about the differences between other configurations counts, in [0, 1].
    """

    lookaheads: tuple[int, ...] = LOOKAHEADS
    n_shortlist: int = 32
    n_contender: int = 128
    n_node: int = 16
    sharing: float = 0.5

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        ranked = rank_by_promise(belief, state)
        contenders = ranked[: self.n_contender]
        rows = ranked[state.horizon[ranked] > 0][: self.n_shortlist]
        configs, epochs, steps = reachable_cells(rows, state, self.lookaheads)
        outlook = belief.outlook(contenders, configs, epochs)
        own = (contenders[:, None] == configs).to(outlook.slope.device)
        outlook = replace(outlook, slope=share_in_part(outlook.slope, own, self.sharing))
        gain = expected_rise(outlook, n_node=self.n_node).cpu()
        return _best_choice(gain / state.price(configs, steps), belief, configs, steps)


@dataclass(frozen=True)
class ExpectedBest:
    """Expected improvement of the best reading within reach, per cost; for ``goal="train"``.

    Args:
        lookaheads: Numbers of further epochs to imagine, increasing.
        n_shortlist: Only this many configurations are weighed: those that could most improve on the best.
    """

    lookaheads: tuple[int, ...] = LOOKAHEADS
    n_shortlist: int = 32

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        ranked = rank_by_promise(belief, state)
        rows = ranked[state.horizon[ranked] > 0][: self.n_shortlist].sort().values
        configs, epochs, steps = reachable_cells(rows, state, self.lookaheads)
        mean, variance = (part.cpu() for part in belief.best_by(configs, epochs))
        best = mean.min() if math.isinf(state.best_seen) else belief.warp.forward(mean.new_tensor(state.best_seen))
        gain = metric_improvement(belief.warp, best.cpu(), mean, variance)
        return _best_choice(gain / state.price(configs, steps), belief, configs, steps)


def expected_improvement(standardized: Tensor) -> Tensor:
    """Return ``E max(u + Z, 0)`` of a standard normal Z, elementwise.

    Example:
        >>> import torch
        >>> expected_improvement(torch.tensor([0.0, 40.0], dtype=torch.float64))
        tensor([ 0.3989, 40.0000], dtype=torch.float64)
    """
    return standardized * normal_share(standardized) + normal_density(standardized)


def metric_improvement(warp: Warp, best: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return by how much latent Gaussians are expected to exceed a value, in the unit of the metric, elementwise.

    It is how probable that is, times what the metric gains where they exceed it by as much as they then do on average.
    Moments in the unit of the metric will not do: a poor loss may be anything up to a billion, and would seem to be
    below 0 as well.

    Args:
        warp: From the metric, larger is better, to latent units.
        best: The value, in latent units, shape ``()``.
        mean: Latent means, any shape.
        variance: Latent variances, same shape.

    Example:
        >>> import torch
        >>> from at2.surrogate import IdentityWarp
        >>> half, one = torch.tensor(0.5, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        >>> metric_improvement(IdentityWarp(), half, 0.5 * one, one)            # 1 / sqrt(2 pi)
        tensor([0.3989], dtype=torch.float64)
    """
    std = variance.clamp_min(1e-300).sqrt()
    standardized = ((mean - best) / std).clamp_min(_FURTHEST)
    probability = normal_share(standardized)
    further = std * expected_improvement(standardized) / probability
    improvement: Tensor = probability * (warp.inverse(best + further) - warp.inverse(best))
    return improvement.clamp_min(0.0)


def expected_rise(outlook: Outlook, *, n_node: int = 16) -> Tensor:
    """Return how much the highest expected value is expected to rise after each of several readings.

    ``E max_i v_i(Z) - max_i E v_i(Z)`` by Gauss-Hermite quadrature, where v_i(Z) is the expected value of configuration
    i after a reading Z standard deviations above its mean. That no value lies below the best reading of its curve
    counts before the reading as after it: no reading is expected to raise the value of a single configuration.

    Args:
        outlook: What `m` readings may change of `n` values.
        n_node: Number of nodes.

    Returns:
        Tensor of shape ``(m,)``, not negative.

    Example:
        >>> import torch
        >>> from at2.surrogate import Outlook
        >>> zero, one = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        >>> slope = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)      # E|Z| = sqrt(2 / pi) = 0.798
        >>> rise = expected_rise(Outlook(zero, one, zero - torch.inf, slope), n_node=64)
        >>> bool((rise - 0.798).abs() < 0.02)
        True
    """
    mean, slope = outlook.mean, outlook.slope
    read = torch.isfinite(outlook.least)
    least, variance = outlook.least[read, None], outlook.variance[read, None]
    now = mean.clone()
    now[read] = _expected_above(least, mean[read, None], variance)[:, 0]
    leader = now.argmax()
    left = variance - slope[read].square()
    total = torch.zeros(slope.shape[1], dtype=mean.dtype, device=mean.device)
    for node, weight in zip(*gauss_hermite(n_node), strict=True):
        after = torch.add(mean[:, None], slope, alpha=node)
        after[read] = _expected_above(least, after[read], left)
        total += weight * (after.amax(0) - after[leader])  # the leader's own mean over the nodes is its value now
    return total


def _expected_above(least: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """``E max(X, least)`` of Gaussian X, elementwise."""
    std = variance.clamp_min(1e-24).sqrt()
    return least + std * expected_improvement(((mean - least) / std).clamp_min(_FURTHEST))


def share_in_part(slope: Tensor, own: Tensor, sharing: float) -> Tensor:
    """Draw what readings say about other configurations towards what they say about all of them.

    Args:
        slope: What one standard deviation of each reading adds to each value, shape ``(n, m)``.
        own: Which of them are about the configuration that is read, ``(n, m)``; they stay.
        sharing: How much of the differences counts, in [0, 1].

    Returns:
        Tensor of shape ``(n, m)``. Values that no reading moves are known: they neither move nor count among all.

    Example:
        >>> import torch
        >>> slope = torch.tensor([[1.0], [0.4], [0.2], [0.0]])
        >>> share_in_part(slope, slope == 1.0, 0.0)[:, 0].tolist()          # of 1.0, 0.4 and 0.2 the mean is 0.533
        [1.0, 0.5333333611488342, 0.5333333611488342, 0.0]
    """
    moving = slope.abs().amax(1) > 0.0
    common = slope[moving].mean(0)
    damped = torch.where(own, slope, common + sharing * (slope - common))
    return torch.where(moving[:, None], damped, 0.0)


def rank_by_promise(belief: Belief, state: SearchState) -> Tensor:
    """Return the eligible rows, first those that could most improve on the best value, in the unit of the metric.

    Args:
        belief: What is believed.
        state: What may be recommended.

    Returns:
        Row numbers, ``(n_eligible,)``; the best and the second best lead.
    """
    rows = torch.nonzero(state.eligible)[:, 0]
    mean, variance = (part.cpu()[rows] for part in belief.latent_values())
    promise = metric_improvement(belief.warp, mean.max(), mean, variance)
    promise[mean.topk(min(2, mean.numel())).indices] = torch.inf
    return rows[promise.argsort(descending=True, stable=True)]


def reachable_cells(rows: Tensor, state: SearchState, lookaheads: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells that look-aheads reach within the horizon, as rows, epoch indices and steps, each ``(m,)``."""
    steps = torch.tensor(lookaheads)[None, :].expand(rows.numel(), -1)
    last = state.horizon[rows][:, None]
    previous = torch.cat([torch.zeros_like(last), steps[:, :-1]], dim=1)
    steps = torch.minimum(steps, last)  # the first look-ahead beyond the horizon falls on its last epoch
    kept = steps > previous
    configs = rows[:, None].expand_as(steps)[kept]
    return configs, state.done[configs] + steps[kept] - 1, steps[kept]


def _best_choice(rate: Tensor, belief: Belief, configs: Tensor, steps: Tensor) -> Choice:
    """The largest rate; where nothing promises any gain, the most valuable configuration."""
    best = int(rate.argmax())
    if not float(rate[best]) > 0.0:
        best = int(belief.latent_values()[0].cpu()[configs].argmax())
    return Choice(int(configs[best]), float(rate[best]), int(steps[best]))
