"""How far a run that learns little from sources may train one configuration while it has hardly read the others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from at2.recommend.acquisition.knowledge_gradient import Acquisition, Choice
from at2.recommend.journal.ledger import SearchState
from at2.surrogate import Belief


@dataclass(frozen=True)
class Promotion:
    """Takes a configuration to an epoch only once several have been read for a part of that; another rule chooses.

    How curves go on is learnt from few of them where there is no source, or where sources do not agree, and leading
    ones seem to have more to tell than they do: the knowledge gradient takes one or two nearly to their ends while what
    comes next was read twice. Successive halving compares several at every length, and says which; here the rule that
    chooses does. Where sources agree in full, it chooses freely.

    Args:
        then: Rule that chooses.
        n_config: Configurations that must have come that far, the one that is taken on among them; where there are
            fewer, all of them.
        share: Part of the epoch where nothing is learnt from sources, in (0, 1]; elsewhere in proportion to
            `Belief.doubt`.

    Raises:
        ValueError: If a number is out of range.

    References:
        Li et al., A system for massively parallel hyperparameter tuning (ASHA), 2020, arXiv:1810.05934.
    """

    then: Acquisition
    n_config: int = 3
    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.n_config < 1 or not 0.0 < self.share <= 1.0:
            raise ValueError(
                f"a promotion takes at least one configuration and a share in (0, 1], got {self.n_config}, {self.share}"
            )

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        return self.then.choose(belief, state.only(self._in_company(state, self.share * belief.doubt)))

    def _in_company(self, state: SearchState, share: float) -> Tensor:
        """Which configurations have company enough for one more epoch, ``(n_config,)``; a second needs none."""
        lengths = state.done[state.eligible]
        reached = lengths.topk(min(self.n_config, lengths.numel())).values[-1:]
        return share * (state.done + 1) <= reached.clamp_min(1)
