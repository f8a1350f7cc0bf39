"""How a run without any source starts: a few configurations are read twice, so that the target says how curves go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.recommend.acquisition.knowledge_gradient import Acquisition, Choice
from at2.recommend.acquisition.subset import is_one_of
from at2.recommend.journal.ledger import SearchState
from at2.surrogate import Belief


@dataclass(frozen=True)
class Pilot:
    """Reads the first configurations twice, whatever the first reading said; after that another rule chooses.

    The very first is drawn at random: before any reading all look alike, and the order of a list should not decide.
    How much a first reading says of the end differs from task to task, and only second readings tell. The knowledge
    gradient sees what a reading says about values, not what it says about readings, and would go on taking first ones.

    Args:
        then: Rule that picks the configurations of the pilot, and everything after it.
        n_config: Configurations in the pilot.
        n_epoch: Epochs of each.
        begin_with: Rows of configurations that come before all others.
        seed: Seed of the draw of the first configuration.

    Raises:
        ValueError: If a number is less than 1.
    """

    then: Acquisition
    n_config: int = 8
    n_epoch: int = 2
    begin_with: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.n_config, self.n_epoch) < 1:
            raise ValueError(f"a pilot takes at least one configuration and epoch, got {self.n_config}, {self.n_epoch}")

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        return self.then.choose(belief, self._held(state))

    def _held(self, state: SearchState) -> SearchState:
        """The state, with nothing to ask for but what the pilot wants; as it is once the pilot is over."""
        started, open_ = state.eligible & (state.done > 0), state.horizon > 0
        if int(started.sum()) > self.n_config:
            return state
        wanted = started & (state.done < self.n_epoch) & open_
        if not bool(wanted.any()) and int(started.sum()) < self.n_config:
            wanted = ~started & open_
            preferred = wanted & is_one_of(self.begin_with, len(wanted))
            wanted = preferred if bool(preferred.any()) else wanted
        if not bool((state.done > 0).any()):
            wanted &= _draw(wanted, self.seed)
        return state.only(wanted)


def _draw(among: Tensor, seed: int) -> Tensor:
    """One of those that are set, as a mask."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nonzero(among)[:, 0]
    picked = rows[torch.randint(len(rows), (1,), generator=generator)]
    return torch.zeros_like(among).index_fill(0, picked, True)
