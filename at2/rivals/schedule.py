"""What the rivals share: a schedule says which configuration to train next, the bookkeeping is done here."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from at2.errors import TableError, TellError
from at2.recommend import Budget, Problem, Query, Recommendation

Schedule = Iterator[int]
"""Rows of configurations, each to be trained by one further epoch; asked for one at a time, as results come in."""


class ScheduledTuner(ABC):
    """A tuner whose decisions are one generator: it yields the row of the configuration to train by one more epoch.

    By the time a schedule goes on after a ``yield``, the result is in `best`, `n_done` and `failed`. The budget is
    watched here, so that a schedule may simply go on; what does not fit any more is never asked for.

    Args:
        problem: Sources, candidates and direction of the metric, from `at2.recommend.build_problem`.
        budget: What may be spent, in epochs or in seconds.
        seed: Seed of everything random.

    Attributes:
        values: Curves of the sources, larger is better, ``(n_source, n_seed, n_config, n_epoch)``, NaN = not run.
        features: Encoded configurations, ``(n_config, n_column)``, NaN = inactive.
        candidates: Rows that may be asked for.
        n_done: Epochs told for each configuration, ``(n_config,)``.
        best: Best value told for each configuration, larger is better, minus infinity without any, ``(n_config,)``.
        latest: Last value told for each configuration, larger is better, NaN without any, ``(n_config,)``.
        failed: Whether the training of a configuration failed, ``(n_config,)``.
    """

    def __init__(self, problem: Problem, *, budget: Budget, seed: int = 0) -> None:
        n_config = problem.history.n_config
        self.problem, self.budget = problem, budget
        self.values = problem.history.values.numpy()
        self.features = problem.history.features.numpy()
        self.candidates: list[int] = np.flatnonzero(problem.is_candidate.numpy()).tolist()
        self.n_epoch = problem.history.n_epoch
        self.rng = np.random.default_rng(seed)
        self.n_done = np.zeros(n_config, dtype=int)
        self.best = np.full(n_config, -np.inf)
        self.latest = np.full(n_config, np.nan)
        self.failed = np.zeros(n_config, dtype=bool)
        self.n_spent = 0
        self.seconds_spent = 0.0
        self._best_epoch = np.full(n_config, self.n_epoch)
        self._open: tuple[Query, int] | None = None
        self._last: int | None = None
        self._steps: Schedule | None = None

    @abstractmethod
    def schedule(self) -> Schedule:
        """Yield the row of the configuration to train by one further epoch, until there is nothing more to train."""

    def first_choice(self) -> Sequence[int]:
        """Give rows by preference, for recommendations before anything was seen."""
        return self.candidates

    def choose(self) -> int:
        """Give the row to recommend: what showed the best value, or the first choice while nothing was seen."""
        return self.best_of(self.candidates)

    @property
    def n_left(self) -> int:
        """Epochs that the budget still pays for; a budget in seconds counts by the mean epoch so far."""
        if self.budget.epochs is not None:
            return self.budget.epochs - self.n_spent
        return max(0, int(self._seconds_left() / self._epoch_seconds()))

    def train(self, row: int, n_epochs: int) -> Schedule:
        """Yield a configuration for that many further epochs, until its curve ends or its training fails."""
        for _ in range(min(n_epochs, self.n_epoch - int(self.n_done[row]))):
            if self.failed[row]:
                return
            yield row

    def best_of(self, rows: Sequence[int]) -> int:
        """Give the row that showed the best value, the earliest among equals; failed ones never while others are."""
        sound = [row for row in rows if not self.failed[row]]
        if not sound:
            sound = [row for row in self.first_choice() if not self.failed[row]]
        if not sound:
            raise TableError("every candidate has failed; there is nothing to recommend: pass other candidates")
        best = max(sound, key=lambda row: float(self.best[row]))
        if self.best[best] > -np.inf:
            return best
        allowed = set(sound)
        return next(row for row in self.first_choice() if row in allowed)

    def ask(self) -> Query | None:
        """Return the next epoch to train; None when the budget is spent or the schedule has ended.

        Raises:
            TellError: If the last query was not told yet: a schedule decides on what it has seen.
        """
        if self._open is not None:
            raise TellError(f"query {self._open[0].number} was not told yet; tell its value before asking again")
        if self._is_spent():
            return None
        if self._steps is None:
            self._steps = self.schedule()
        row = next(self._steps, None)
        if row is None:
            return None
        query = Query(
            config_id=self.problem.config_ids[row],
            config=dict(self.problem.configs[row]),
            epoch=int(self.n_done[row]) + 1,
            number=self.n_spent,
            resumed=bool(self.n_done[row] > 0 and row != self._last),
        )
        self._open = query, row
        return query

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Take what the last query showed.

        Raises:
            TellError: If the query is not the open one, the value is no finite number, or seconds are missing where
                the budget is in seconds.
        """
        if self._open is None or query != self._open[0]:
            raise TellError(f"query {query.number} is not open; tell each query once, right after it was asked")
        if not failed and (value is None or not math.isfinite(value)):
            raise TellError(
                f"query {query.number} needs a finite value, {value!r} came; tell failed=True for a diverged one"
            )
        if seconds is None and self.budget.seconds is not None and not failed:
            raise TellError(f"query {query.number} came without seconds, but the budget is in seconds; pass seconds=")
        row = self._open[1]
        self._open, self._last = None, row
        self.n_spent += 1
        self.seconds_spent += seconds or 0.0
        self.n_done[row] = query.epoch
        if failed or value is None:
            self.failed[row] = True
            return
        self.latest[row] = self.problem.sign * float(value)
        if self.latest[row] > self.best[row]:
            self.best[row], self._best_epoch[row] = self.latest[row], query.epoch

    def recommend(self) -> Recommendation:
        """Return the configuration that the rule prefers now; may be called at any time.

        Raises:
            TableError: If every candidate has failed.
        """
        row = self.choose()
        seen = self.best[row] > -np.inf
        return Recommendation(
            config_id=self.problem.config_ids[row],
            config=dict(self.problem.configs[row]),
            mean=self.problem.sign * float(self.best[row]) if seen else math.nan,
            std=math.nan,
            epoch=int(self._best_epoch[row]),
            n_epochs_seen=int(self.n_done[row]),
            n_epochs_spent=self.n_spent,
        )

    def _is_spent(self) -> bool:
        if self.budget.epochs is not None:
            return self.n_spent >= self.budget.epochs
        mean = self.seconds_spent / self.n_spent if self.n_spent else 0.0
        return self._seconds_left() <= 0 or self._seconds_left() < mean

    def _seconds_left(self) -> float:
        assert self.budget.seconds is not None
        return self.budget.seconds - self.seconds_spent

    def _epoch_seconds(self) -> float:
        """Seconds of an epoch: the mean of those told, else of the sources', else such that one curve fits."""
        if self.seconds_spent > 0:
            return self.seconds_spent / self.n_spent
        known = self.problem.source_seconds
        if known is not None and not bool(known.isnan().all()):
            return float(known.nanmean())
        assert self.budget.seconds is not None
        return self.budget.seconds / self.n_epoch
