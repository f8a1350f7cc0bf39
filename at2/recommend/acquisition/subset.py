"""Which configurations a run without any source looks at, where there are more than it could ever try."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.recommend.acquisition.knowledge_gradient import Acquisition, Choice
from at2.recommend.journal.ledger import SearchState
from at2.surrogate import Belief

_READ_IN_PART = 8  # epochs of a full training, from which on a run reads most configurations only in part


@dataclass(frozen=True)
class RandomSubset:
    """Starts only configurations of a random subset, as many as the budget has epochs; another rule chooses.

    Of many hundreds, one that was not read yet always looks better than all that were: the largest of so many guesses,
    and the less is known the more so. A run that follows it takes first readings, and has no epochs left to tell which
    of them was good. Where the budget could try all that there are, nothing changes; where trainings have few epochs,
    so that many are read to their end, the subset is larger.

    Args:
        then: Rule that chooses.
        least: Configurations in the subset of a small budget.
        begin_with: Rows of configurations that are in it before any other.
        seed: Seed of the draw.

    Raises:
        ValueError: If `least` is less than 1.
    """

    then: Acquisition
    least: int = 100
    begin_with: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the size."""
        if self.least < 1:
            raise ValueError(f"a subset takes at least one configuration, got least={self.least}")

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        return self.then.choose(belief, self._drawn(state, max(self.least, _size(state, belief.n_epoch))))

    def _drawn(self, state: SearchState, size: int) -> SearchState:
        """The state, with nothing to start but what was drawn; those that failed are replaced by others."""
        new = (state.done == 0) & (state.horizon > 0)
        room = max(0, size - int((state.eligible & (state.done > 0)).sum()))
        if int(new.sum()) <= room:
            return state
        order = torch.randperm(len(new), generator=torch.Generator().manual_seed(self.seed))
        preferred = is_one_of(self.begin_with, len(new))[order]
        order = torch.cat([order[preferred], order[~preferred]])
        left_out = order[new[order]][room:]
        return state.only(torch.ones_like(new).index_fill(0, left_out, False))


def is_one_of(rows: tuple[int, ...], n_config: int) -> Tensor:
    """Return which of n configurations are among some rows, ``(n_config,)``."""
    return torch.zeros(n_config, dtype=torch.bool).index_fill(0, torch.tensor(rows, dtype=torch.long), True)


def with_the_subset_of(asked: Acquisition, rule: Acquisition) -> Acquisition:
    """Return a rule that chooses among what another one starts: its subset, or everything."""
    return replace(asked, then=rule) if isinstance(asked, RandomSubset) else rule


def _size(state: SearchState, n_epoch: int) -> int:
    """How many epochs the budget pays for, spent and left; more where trainings are short."""
    n_budget = float(state.done.sum()) + state.left / float(state.cost.median())
    n_candidate = state.done.shape[0]
    return int(min(max(1.0, _READ_IN_PART / n_epoch) * n_budget, n_candidate))
