"""Train the best model that the budget allows: explore while it pays, then finish the incumbent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from at2.recommend.acquisition import Acquisition, Choice, ExpectedBest, KnowledgeGradient, rank_by_promise
from at2.recommend.ledger import SearchState
from at2.recommend.stopping import metric_per_latent
from at2.surrogate import Belief


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

    explore: KnowledgeGradient = field(default_factory=KnowledgeGradient)
    improve: Acquisition = field(default_factory=ExpectedBest)
    n_new: int = 128

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        rows = self._weighed(belief, state)
        readings, here = belief.best_by(rows).mean.cpu(), state.of(rows)
        best, row, steps = best_within(readings, here, state.left)
        if not best > state.best_seen:
            return self.improve.choose(belief, state)
        config = int(rows[row])
        choice = self.explore.choose(belief, state)
        price = _price(state, choice.config, choice.lookahead)
        after, _, _ = best_within(readings, here, state.left - price)
        if choice.config != config and choice.gain * price * metric_per_latent(belief, state) > best - after:
            return choice
        gain = best - (state.best_seen if math.isfinite(state.best_seen) else float(readings.min()))
        return Choice(config, gain / _price(state, config, steps), steps)

    def _weighed(self, belief: Belief, state: SearchState) -> Tensor:
        """Rows that may become the incumbent, in rising order."""
        ranked = rank_by_promise(belief, state)
        new = state.done[ranked] == 0
        return torch.cat([ranked[~new], ranked[new][: self.n_new]]).sort().values


def best_within(readings: Tensor, state: SearchState, left: float) -> tuple[float, int, int]:
    """Return the highest expected reading that one configuration reaches within a budget.

    Args:
        readings: Expected readings, larger is better, shape ``(n_config, n_epoch)``.
        state: What may be asked for, and at which cost.
        left: The budget.

    Returns:
        The reading, the row of its configuration and the number of further epochs; at least the best reading so far,
        with no epoch, where nothing that is expected is higher.
    """
    affordable = ((left - state.entry_cost) / state.cost + 1e-9).clamp(0.0, readings.shape[1]).floor().long()
    steps = torch.minimum(state.horizon, affordable)
    epoch = torch.arange(readings.shape[1])[None, :]
    within = (epoch >= state.done[:, None]) & (epoch < (state.done + steps)[:, None])
    reached = torch.where(within, readings, -torch.inf)
    best = int(reached.argmax())
    config, last = divmod(best, readings.shape[1])
    highest = float(reached[config, last])
    if not highest > state.best_seen:
        return state.best_seen, -1, 0
    return highest, config, last + 1 - int(state.done[config])


def _price(state: SearchState, config: int, steps: int) -> float:
    return float(state.price(torch.tensor([config]), torch.tensor([steps]))[0])
