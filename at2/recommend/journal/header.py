"""The first line of a journal: how a recommender was made, in JSON, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.errors import CorruptFileError, HistoryError, TableError
from at2.recommend.budget import Budget
from at2.recommend.journal.lines import KIND, VERSION
from at2.recommend.problem.candidates import Candidates, candidates_from_json, candidates_to_json
from at2.recommend.problem.problem import Problem
from at2.recommend.stopping import StoppingRule
from at2.surrogate import Surrogate

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

_SETTINGS = ("target", "seed", "goal", "sources", "metric", "maximize", "n_epoch")


def make_header(
    problem: Problem,
    *,
    table_name: str | None,
    space: SearchSpace | None,
    candidates: Candidates | None,
    target: str,
    budget: Budget,
    seed: int,
    goal: str,
    stopping: StoppingRule,
    surrogate: str | Surrogate,
) -> dict[str, Any]:
    """Return everything needed to build the same recommender again, as JSON values.

    Args:
        problem: The problem as it was built.
        table_name: Name of the table; None without one.
        space: The search space if it is not the table's.
        candidates: The candidates as they were given.
        target: Name of the target.
        budget: The budget.
        seed: The seed.
        goal: The goal.
        stopping: When to stop before the budget is spent.
        surrogate: Its name, or an object (of which only the description is kept).

    Returns:
        The header.
    """
    from at2 import __version__

    return {
        "kind": KIND,
        "version": VERSION,
        "at2": __version__,
        "sha256": problem.sha256,
        "table": table_name,
        "space": None if space is None else space.to_json(),
        "target": target,
        "sources": list(problem.sources),
        "candidates": candidates_to_json(candidates),
        "rename": problem.rename,
        "budget": asdict(budget),
        "seed": seed,
        "goal": goal,
        "stopping": asdict(stopping),
        "metric": problem.metric,
        "maximize": problem.maximize,
        "n_epoch": problem.history.n_epoch,
        "surrogate": surrogate if isinstance(surrogate, str) else None,
        "surrogate_object": None if isinstance(surrogate, str) else _described(surrogate),
    }


def _described(surrogate: Surrogate) -> str:
    """What a surrogate says of itself, else of which class it is: never where it lies in memory."""
    kind = type(surrogate)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__repr__ is object.__repr__ else repr(surrogate)


def check_header(
    header: Mapping[str, Any], table: LearningCurveTable | None, *, path: Path, surrogate: Surrogate | None
) -> tuple[dict[str, Any], LearningCurveTable | None]:
    """Return the arguments of a recommender and its table, or say what is missing.

    Raises:
        CorruptFileError: If the header lacks a part.
        HistoryError: If the table must be passed and was not, or lacks a task that was learnt from.
        TableError: If the surrogate must be passed and was not.
    """
    try:
        settings = {name: header[name] for name in _SETTINGS}
        settings["candidates"] = candidates_from_json(header["candidates"])
        settings["rename"] = header.get("rename")  # older journals have none
        settings["budget"] = Budget(**header["budget"])
        settings |= asdict(StoppingRule(**header.get("stopping", {})))  # older journals have none
        settings["surrogate"] = surrogate if surrogate is not None else header["surrogate"]
        saved_space, name = header["space"], header["table"]
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f"the header of the journal {path} is incomplete ({error})", path=path) from error
    if settings["surrogate"] is None:
        raise TableError(f"the journal {path} was made with {header['surrogate_object']}; pass it as surrogate=")
    if saved_space is not None:
        from at2.space import SearchSpace

        settings["space"] = SearchSpace.from_json(saved_space)
    found = _find_table(name, table, path)
    if found is not None:
        if lacking := [task for task in settings["sources"] if task not in found.tasks.index]:
            message = f"the journal {path} was written with another history, which has the task {lacking[0]!r}"
            raise HistoryError(f"{message}; pass the table it was made with", table=name)
        del settings["maximize"]  # the table says so itself
    return settings, found


def _find_table(name: str | None, table: LearningCurveTable | None, path: Path) -> LearningCurveTable | None:
    if name is None or table is not None:
        return table
    from at2.tables import load_table

    try:
        return load_table(name)
    except LookupError as error:
        message = f"the journal {path} was made with table {name!r}; pass it: resume(path, table)"
        raise HistoryError(message, table=name) from error
