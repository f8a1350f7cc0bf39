"""The bookkeeping of a run: what was asked, told and spent, and what may still be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from at2.errors import TellError
from at2.recommend.budget import Budget
from at2.recommend.query import ConfigId, Query
from at2.scalars import is_finite, is_real, plain_flag
from at2.surrogate import EpochCosts


@dataclass(frozen=True)
class Told:
    """One result: `value` is None where the training failed."""

    query: Query
    value: float | None
    seconds: float | None


@dataclass(frozen=True)
class SearchState:
    """What an acquisition needs to know beside the belief; all tensors have shape ``(n_config,)``.

    Args:
        done: Epochs asked for so far.
        horizon: Further epochs that budget and curve length still allow; 0 where nothing may be asked.
        eligible: Whether a configuration may be recommended: a candidate that has not failed.
        cost: Expected cost of one further epoch, in the unit of the budget.
        entry_cost: What the next epoch costs on top, once: to start a configuration, or to take up a paused one. The
            price of `h` further epochs is ``entry_cost + h * cost``.
        best_seen: Best reading so far that counts, larger is better, minus infinity before the first.
        left: What is left of the budget once pending work is paid for, in its unit.
    """

    done: Tensor
    horizon: Tensor
    eligible: Tensor
    cost: Tensor
    entry_cost: Tensor
    best_seen: float
    left: float = math.inf

    def price(self, configs: Tensor, steps: Tensor) -> Tensor:
        """Return the expected cost of `steps` further epochs of `configs`, in the unit of the budget, ``(m,)``."""
        price: Tensor = self.entry_cost[configs] + steps * self.cost[configs]
        return price

    def only(self, wanted: Tensor) -> SearchState:
        """Return the state with nothing to ask for but what is set in `wanted`; as it is where that leaves nothing."""
        horizon = torch.where(wanted, self.horizon, 0)
        return replace(self, horizon=horizon) if bool((horizon > 0).any()) else self


class Ledger:
    """Accounts of one run.

    Args:
        is_candidate: Which configurations may be asked for, shape ``(n_config,)``.
        n_epoch: Longest curve.
        budget: What may be spent.
        costs: Model of the cost of an epoch, updated as seconds are told.
        trained: Whether the best trained model is wanted; what a configuration had shown then counts though it failed.
    """

    def __init__(
        self, is_candidate: Tensor, *, n_epoch: int, budget: Budget, costs: EpochCosts, trained: bool = False
    ) -> None:
        self.n_epoch, self.budget, self.costs, self.trained = n_epoch, budget, costs, trained
        self.eligible = is_candidate.clone()
        self.done = torch.zeros(is_candidate.shape[0], dtype=torch.long)
        self.pending: dict[int, Query] = {}
        self.told: list[Told] = []
        self.n_asked = 0
        self.seconds_spent = 0.0
        self.entries_spent = 0.0
        self._asked: dict[int, tuple[int, Query]] = {}
        self._idle: list[int | None] = []  # what each worker without work has in hand, longest idle first

    def open(self, query: Query, config: int) -> None:
        """Book a query for the configuration in that row; what it costs to enter is spent at once."""
        self.entries_spent += float(self._entry_cost()[config])
        self._asked[query.number] = (config, query)
        self.pending[query.number] = query
        self.done[config] = query.epoch
        self.n_asked = max(self.n_asked, query.number + 1)
        self._occupy_worker(config)

    def _occupy_worker(self, config: int) -> None:
        """The worker that has the configuration in hand goes on; else one with empty hands, else the longest idle."""
        if self._idle:
            taken = config if config in self._idle else None if None in self._idle else self._idle[0]
            self._idle.remove(taken)

    def close(self, result: Told) -> int:
        """Book a checked result and return the row of its configuration."""
        config, query = self._asked[result.query.number]
        seconds = self._seconds(config, result)
        del self.pending[query.number]
        self.told.append(result)
        self.seconds_spent += seconds
        if result.seconds is not None:
            self.costs.observe(config, result.seconds)
        if result.value is None:
            self.eligible[config] = False
        self._idle.append(None if result.value is None else config)
        return config

    @property
    def spent(self) -> float:
        """What was spent so far, in the unit of the budget: results told, and the costs of entering."""
        return self.entries_spent + (len(self.told) if self.budget.epochs is not None else self.seconds_spent)

    def _seconds(self, config: int, result: Told) -> float:
        """Seconds as told; a failure that was not timed counts as expected."""
        return result.seconds if result.seconds is not None else float(self.costs.predict()[config])

    def check(self, query: Any, value: Any, *, failed: bool, seconds: Any) -> Told:
        """Refuse a result that does not belong to an open query or is not a finite number; change nothing.

        Raises:
            TellError: With what was wanted, what came and the way out.
        """
        if not isinstance(query, Query):
            raise TellError(f"tell wants the Query that ask returned, got {type(query).__name__}")
        name = f"query {query.number} (configuration {query.config_id!r}, epoch {query.epoch})"
        known = self._asked.get(query.number)
        if known is None or (known[1].config_id, known[1].epoch) != (query.config_id, query.epoch):
            raise TellError(f"{name} was not asked by this recommender; tell the queries that its own ask returned")
        if query.number not in self.pending:
            raise TellError(f"{name} was told already; every query is told once")
        if not isinstance(plain_flag(failed), bool):
            raise TellError(f"{name} came with failed={failed!r}; wanted True or False")
        if failed and value is not None:
            raise TellError(f"{name} came with a value and failed=True; a failed training has no value")
        return Told(known[1], None if failed else _number(value, name), self._checked_seconds(seconds, failed, name))

    def _checked_seconds(self, seconds: Any, failed: bool, name: str) -> float | None:
        if seconds is None:
            if self.budget.seconds is not None and not failed:
                raise TellError(f"{name} came without seconds, but the budget is in seconds; pass seconds=")
            return None
        if not (is_finite(seconds) and seconds >= 0):
            raise TellError(f"{name} came with seconds={seconds!r}; wanted a finite number that is not negative")
        return float(seconds)

    def is_resumed(self, config: int) -> bool:
        """Whether asking for this configuration takes up a training that no idle worker has in hand any more."""
        return int(self.done[config]) > 0 and config not in self._idle

    def _entry_cost(self) -> Tensor:
        """What the next epoch of each configuration costs on top, ``(n_config,)``."""
        cost = torch.full(self.done.shape, self.budget.resume_cost, dtype=torch.float64)
        cost[self.done == 0] = self.budget.start_cost
        cost[[config for config in self._idle if config is not None]] = 0.0
        return cost

    def seen(self, config_id: ConfigId) -> list[float]:
        """Values told for a configuration, in the order of arrival."""
        return [t.value for t in self.told if t.query.config_id == config_id and t.value is not None]

    def best_shown(self, *, sign: float) -> int | None:
        """Return the row that showed the best value, the first of equals, though it failed later; None before any."""
        shown = [(sign * t.value, self._asked[t.query.number][0]) for t in self.told if t.value is not None]
        return max(shown, key=lambda of: of[0])[1] if shown else None

    def best_readings(self, *, sign: float) -> Tensor:
        """Return the best value told for every configuration, larger is better, minus infinity without any."""
        best = torch.full(self.done.shape, -math.inf, dtype=torch.float64)
        for told in self.told:
            if told.value is not None:
                config = self._asked[told.query.number][0]
                best[config] = max(float(best[config]), sign * told.value)
        return best

    def state(self, *, sign: float) -> SearchState:
        """Return what may still be asked; `sign` is 1 where larger is better, else -1."""
        open_configs = [self._asked[number][0] for number in self.pending]
        cost = self.costs.predict() if self.budget.seconds is not None else torch.ones_like(self.costs.predict())
        entry = self._entry_cost()
        left = self.budget.amount - self.spent - float(cost[open_configs].sum())
        horizon = torch.minimum(self.n_epoch - self.done, self._affordable(cost, entry, left))
        horizon[~self.eligible] = 0
        horizon[open_configs] = 0
        counts = self.eligible | self.trained
        best = float(torch.where(counts, self.best_readings(sign=sign), -math.inf).max())
        return SearchState(self.done.clone(), horizon, self.eligible.clone(), cost, entry, best, left)

    def _affordable(self, cost: Tensor, entry: Tensor, left: float) -> Tensor:
        """Epochs of each configuration that the rest of the budget pays for."""
        if self.budget.seconds is not None and not self.costs.known:  # nothing to divide by yet: one epoch will tell
            return torch.where(self.budget.amount - self.spent > entry, self.n_epoch, 0)
        steps = (left - entry) / cost + 1e-9  # what was added up in fractions may miss a whole epoch by a rounding
        return steps.clamp(0, self.n_epoch).floor().long()


def _number(value: Any, name: str) -> float:
    """A finite float out of whatever number type came (numpy, torch), or a clear refusal."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if not is_real(value):
        raise TellError(f"{name} came with {value!r}; wanted a number, or failed=True if there is none")
    if not is_finite(value):
        raise TellError(f"{name} came with {value!r}; tell a training that diverged with failed=True")
    return float(value)
