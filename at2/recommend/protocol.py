"""The protocol behind which every tuner stands; rivals and benchmarks use nothing but this."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from at2.recommend.query import Query, Recommendation


@runtime_checkable
class Tuner(Protocol):
    """Ask which epoch to train, tell what it gave, and recommend at any time.

    A loop over any tuner reads ``while (query := tuner.ask()) is not None: tuner.tell(query, train(query))``.
    """

    def ask(self) -> Query | None:
        """Return the next epoch to train, or None when nothing (more) can be asked for now."""

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Take the metric measured after that epoch, or that the training failed, and what it took."""

    def recommend(self) -> Recommendation:
        """Return the configuration that looks best so far."""
