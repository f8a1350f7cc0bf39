"""What may be recommended: configurations of the history, the user's own, sampled ones, or any of them together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from at2.errors import SpaceError, TableError, UnknownNameError
from at2.recommend.query import ConfigId
from at2.scalars import is_whole

if TYPE_CHECKING:
    import pandas as pd

    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

Listed = Sequence[ConfigId | Mapping[str, Any]]


@dataclass(frozen=True)
class SampledCandidates:
    """Candidates drawn from the search space, by the recommender's seed.

    Args:
        n: How many to draw; their ids are ``"sample-0"`` to ``"sample-<n - 1>"``.
        also: Further candidates: ``"history"`` for all of the table's, or a list of ids and dicts.

    Raises:
        TableError: If `n` is no whole number above zero.

    Example:
        >>> SampledCandidates(200, also="history")
        SampledCandidates(n=200, also='history')
    """

    n: int
    also: Literal["history"] | Listed = ()

    def __post_init__(self) -> None:
        """Check the number."""
        if not is_whole(self.n) or self.n < 1:
            raise TableError(f"SampledCandidates wants a whole number above zero, got {self.n!r}")
        object.__setattr__(self, "n", int(self.n))  # of numpy, maybe
        if isinstance(self.also, Mapping) or (isinstance(self.also, str) and self.also != "history"):
            raise TableError(f"also= wants 'history' or a list of ids and dicts, got {self.also!r}")
        if not isinstance(self.also, str):
            object.__setattr__(self, "also", tuple(self.also))


Candidates = Listed | SampledCandidates


@dataclass(frozen=True)
class Chosen:
    """Candidates sorted by where they come from.

    Args:
        known: Ids of the table's configurations; None for all that the space allows.
        own: The user's own configurations under their new ids.
        n_sampled: How many are to be drawn.
    """

    known: frozenset[ConfigId] | None
    own: Mapping[ConfigId, Mapping[str, Any]]
    n_sampled: int

    def sample(self, space: SearchSpace, seed: int) -> dict[ConfigId, Mapping[str, Any]]:
        """Draw what is to be drawn; equal for equal seeds."""
        if not self.n_sampled:
            return {}
        drawn = space.sample(self.n_sampled, seed=np.random.default_rng([abs(seed), int(seed < 0)]))
        return {f"sample-{k}": config for k, config in enumerate(drawn)}


def sort_candidates(table: LearningCurveTable | None, candidates: Candidates | None) -> Chosen:
    """Check candidates and sort them by where they come from.

    Raises:
        UnknownNameError: If an id is not in the table.
        TableError: If there is no candidate, one is named twice, or a new id is taken.
    """
    if candidates is None:
        return Chosen(None if table is not None else frozenset(), {}, 0)
    if isinstance(candidates, SampledCandidates):
        also = candidates.also
        everything = isinstance(also, str)
        listed = [] if isinstance(also, str) else list(also)
        n_sampled = int(candidates.n)
    elif isinstance(candidates, str | Mapping) or len(candidates) == 0:
        raise TableError(f"candidates must be a list with at least one id or dict, got {candidates!r}")
    else:
        listed, n_sampled, everything = list(candidates), 0, False
    picked = [plain_id(c) for c in listed if not isinstance(c, Mapping)]
    _check_picked(table, picked)
    own: dict[ConfigId, Mapping[str, Any]] = {
        f"new-{k}": c for k, c in enumerate(dict(c) for c in listed if isinstance(c, Mapping))
    }
    taken = {} if table is None else set(table.configs.index)
    if clash := [name for name in (*own, *(f"sample-{k}" for k in range(n_sampled))) if name in taken]:
        raise TableError(f"the table has a configuration {clash[0]!r}, a name kept for new ones; rename it")
    return Chosen(None if everything and table is not None else frozenset(picked), own, n_sampled)


def _check_picked(table: LearningCurveTable | None, picked: Sequence[ConfigId]) -> None:
    if table is None and picked:
        raise UnknownNameError(f"candidate {picked[0]!r} is an id, but there is no table; give candidates as dicts")
    for name in picked:
        assert table is not None
        table.config_index(name)
    if len(set(picked)) < len(picked):
        raise TableError(f"candidates name a configuration twice: {sorted(picked, key=str)}")


def is_new_id(name: ConfigId) -> bool:
    """Whether an id is one that a configuration gets which no table has.

    Example:
        >>> is_new_id("sample-12"), is_new_id("digits/sample-12"), is_new_id(12)
        (True, False, False)
    """
    return isinstance(name, str) and re.fullmatch(r"(new|sample)-\d+", name) is not None


def candidates_to_json(candidates: Candidates | None) -> Any:
    """Return candidates as JSON values."""
    if candidates is None:
        return None
    if isinstance(candidates, SampledCandidates):
        also = candidates.also if isinstance(candidates.also, str) else candidates_to_json(candidates.also)
        return {"sampled": int(candidates.n), "also": also}
    return [_plain_candidate(c) for c in candidates]


def candidates_from_json(saved: Any) -> Candidates | None:
    """Read what `candidates_to_json` wrote.

    Raises:
        KeyError: If a part is missing.
    """
    if isinstance(saved, Mapping):
        return SampledCandidates(saved["sampled"], also=saved["also"])
    listed: Listed | None = saved
    return listed


def own_space(known: pd.DataFrame | None, chosen: Chosen) -> SearchSpace:
    """Infer a space from the history and the user's own configurations.

    Ranges of numbers reach as far as either goes. An option that the history never saw is refused: it may well be a
    slip of the pen.

    Raises:
        SpaceError: If such an option comes, or a hyperparameter cannot be inferred.
        TableError: If there is nothing to infer from.
    """
    import pandas as pd

    from at2.space import SearchSpace

    frames = [pd.DataFrame([dict(c) for c in chosen.own.values()])] if chosen.own else []
    if known is None:
        if not frames:
            raise TableError("configurations are sampled from a space, but there is none; pass space=")
        return SearchSpace.infer(frames[0])
    for config in chosen.own.values():
        _check_options(known, config)
    return SearchSpace.infer(pd.concat([known, *frames], ignore_index=True))


def _check_options(known: pd.DataFrame, config: Mapping[str, Any]) -> None:
    for name, value in config.items():
        if isinstance(value, str) and name in known and value not in set(known[name]):
            options = sorted({str(v) for v in known[name] if isinstance(v, str)})
            message = f"{name!r} must be one of {options}, got {value!r}; pass space= to allow others"
            raise SpaceError(message, parameter=name)


def plain_id(name: Any) -> ConfigId:
    """An id as a plain int or string, as JSON knows them."""
    plain: ConfigId = name.item() if hasattr(name, "item") else name
    return plain


def _plain_candidate(candidate: Any) -> Any:
    from at2.space.parameters import is_missing

    if isinstance(candidate, Mapping):
        return {str(name): plain_id(value) for name, value in candidate.items() if not is_missing(value)}
    return plain_id(candidate)
