"""A run from its first query on: the accounts and the log of what happened, which always say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from at2.errors import CorruptFileError, TellError
from at2.recommend.journal.ledger import Ledger, SearchState
from at2.recommend.journal.log import Event, RunLog, ask_event, stop_event, tell_event
from at2.recommend.problem.problem import Problem
from at2.recommend.query import Query


class Run:
    """What was asked, told and spent, and why it ended; everything is in the log before it counts.

    Args:
        problem: What is tuned.
        ledger: The accounts; nothing is booked yet.
        log: Where everything is kept; nothing has happened yet.
    """

    def __init__(self, problem: Problem, ledger: Ledger, log: RunLog) -> None:
        self.problem, self.ledger, self.log = problem, ledger, log
        self.stopped: str | None = None
        self._lost: list[Query] = []

    def state(self) -> SearchState:
        """Return what may still be asked for and recommended, and what it would cost."""
        return self.ledger.state(sign=self.problem.sign)

    def ask(self, config: int, *, expected_gain: float | None = None) -> Query:
        """Book the next epoch of the configuration in that row.

        Raises:
            FileError: If the journal cannot be written; then nothing was asked.
        """
        query = self._query(config, int(self.ledger.done[config]) + 1, expected_gain)
        self.log.add(ask_event(query))
        self.ledger.open(query, config)
        return query

    def ask_lost(self) -> Query | None:
        """Return a query that was asked before `replay` and never told, each once; None without any."""
        return self._lost.pop(0) if self._lost else None

    def tell(self, query: Any, value: Any, *, failed: bool, seconds: Any) -> None:
        """Book a result.

        Raises:
            TellError: If the query is not open, or the value is not a finite number; nothing has changed then.
            FileError: If the journal cannot be written; nothing has changed then.
        """
        result = self.ledger.check(query, value, failed=failed, seconds=seconds)
        self.log.add(tell_event(result))
        self.ledger.close(result)
        self._lost = [lost for lost in self._lost if lost.number != query.number]

    def stop(self, reason: str) -> None:
        """End the run before its budget is spent.

        Raises:
            FileError: If the journal cannot be written; then it has not ended.
        """
        self.log.add(stop_event(reason))
        self.stopped = reason

    def ended_because(self) -> str | None:
        """Return why there is nothing to ask for any more, in words; None while there is, or may be."""
        state, ledger = self.state(), self.ledger
        if self.stopped is not None or ledger.pending or bool((state.horizon > 0).any()):
            return self.stopped
        if not bool(state.eligible.any()):
            return "every candidate has failed"
        if not bool((state.eligible & (state.done < ledger.n_epoch)).any()):
            return "every curve is complete"
        budget = ledger.budget
        return f"the budget is spent: {ledger.spent:g} of {budget.amount:g} {budget.unit}s, no further epoch fits"

    def replay(self, log: RunLog, *, path: Path) -> None:
        """Let everything happen again that another log holds, and go on in that log.

        Args:
            log: The log of the same run.
            path: Its journal, for messages.

        Raises:
            CorruptFileError: If an event does not follow from those before it; the message names its line.
        """
        for number, event in enumerate(log.events, start=2):
            try:
                self._happen(event)
            except (KeyError, TellError) as error:
                place = f"line {number} of the journal {path}"
                message = f"{place} does not follow from those before it; restore the file"
                raise CorruptFileError(message, path=path) from error
        self.log, self._lost = log, list(self.ledger.pending.values())

    def _happen(self, event: Event) -> None:
        if self.stopped is not None and event["event"] != "tell":
            raise KeyError("event")
        if event["event"] == "stop":
            self.stopped = str(event["reason"])
        elif event["event"] == "ask":
            config = self.problem.rows[event["config_id"]]
            if event["number"] != self.ledger.n_asked or event["epoch"] != int(self.ledger.done[config]) + 1:
                raise KeyError("number")
            self.ledger.open(self._query(config, event["epoch"], event.get("expected_gain")), config)
        else:
            query = self.ledger.pending[event["number"]]
            result = self.ledger.check(query, event["value"], failed=event["failed"], seconds=event["seconds"])
            self.ledger.close(result)

    def _query(self, config: int, epoch: int, expected_gain: float | None) -> Query:
        return Query(
            config_id=self.problem.config_ids[config],
            config=dict(self.problem.configs[config]),
            epoch=epoch,
            number=self.ledger.n_asked,
            resumed=self.ledger.is_resumed(config),
            expected_gain=expected_gain,
        )
