"""Train the best model that the budget allows: explore while it pays, then finish the incumbent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from at2.recommend.acquisition.knowledge_gradient import (
    LOOKAHEADS,
    Acquisition,
    Choice,
    ExpectedBest,
    KnowledgeGradient,
    rank_by_promise,
    reachable_cells,
)
from at2.recommend.journal.ledger import SearchState
from at2.recommend.stopping import metric_per_latent
from at2.surrogate import Belief, unwarp_moments


@dataclass(frozen=True)
class FinishIncumbent:
    """Explores by the knowledge gradient as long as that gains more than it takes from the best training; then trains.

    The incumbent is the configuration with the highest reading that the rest of the budget is expected to reach. What
    exploring costs is missing when it is trained: as long as the budget is large that takes nothing, since its curve
    ends before the budget does; towards the end every epoch counts. Once no curve is expected to reach more than the
    best reading so far, the rest goes where an improvement is likeliest.

    Args:
        explore: Rule that explores; its gain is in latent units.
        improve: Rule for what is left when nothing better is expected.
        n_new: Of configurations not tried yet only this many may become the incumbent: those that could most improve
            on the best. All that were tried may.
    """

    explore: Acquisition = field(default_factory=KnowledgeGradient)
    improve: Acquisition = field(default_factory=ExpectedBest)
    n_new: int = 128

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        rows, now = self._weighed(belief, state), within_budget(state, state.left)
        best, config, steps = best_within(belief, rows, now)
        if not best > state.best_seen:
            return self.improve.choose(belief, state)
        choice = self.explore.choose(belief, state)
        price = _price(state, choice.config, choice.lookahead)
        later = within_budget(state, state.left - price)
        same = torch.equal(later.horizon[rows], now.horizon[rows])
        after = best if same else best_within(belief, rows, later)[0]
        if choice.config != config and choice.gain * price * metric_per_latent(belief, state) > best - after:
            return choice
        gain = best - (state.best_seen if math.isfinite(state.best_seen) else float(belief.values().mean.min()))
        return Choice(config, gain / _price(state, config, steps), steps)

    def _weighed(self, belief: Belief, state: SearchState) -> Tensor:
        """Rows that may become the incumbent, in rising order."""
        ranked = rank_by_promise(belief, state)
        new = state.done[ranked] == 0
        return torch.cat([ranked[~new], ranked[new][: self.n_new]]).sort().values


def within_budget(state: SearchState, left: float) -> SearchState:
    """Return the state in which each configuration goes no further than a budget would pay for it alone."""
    affordable = ((left - state.entry_cost) / state.cost + 1e-9).clamp(0.0, float(state.horizon.max())).floor().long()
    return replace(state, horizon=torch.minimum(state.horizon, affordable))


def best_within(belief: Belief, rows: Tensor, state: SearchState) -> tuple[float, int, int]:
    """Return the highest expected reading that one configuration reaches within its horizon.

    Args:
        belief: What is believed.
        rows: Configurations that are looked at, shape ``(n,)``.
        state: What may be asked for.

    Returns:
        The reading, the row of its configuration and the number of further epochs; at least the best reading so far,
        with no epoch, where nothing that is expected is higher.
    """
    configs, epochs, steps = reachable_cells(rows, state, _steps_up_to(belief.n_epoch))
    if not len(configs):
        return state.best_seen, -1, 0
    reached = unwarp_moments(belief.warp, *belief.best_by(configs, epochs)).mean.cpu()
    best = int(reached.argmax())
    if not float(reached[best]) > state.best_seen:
        return state.best_seen, -1, 0
    return float(reached[best]), int(configs[best]), int(steps[best])


def _steps_up_to(n_epoch: int) -> tuple[int, ...]:
    """The look-aheads, and on as they go: curves hardly change between two of them."""
    steps = list(LOOKAHEADS)
    while steps[-1] < n_epoch:
        steps.append(sum(steps[-2:]))
    return tuple(steps)


def _price(state: SearchState, config: int, steps: int) -> float:
    return float(state.price(torch.tensor([config]), torch.tensor([steps]))[0])
