"""The regret bench: every rival on every case under every budget, kept as it comes, gone on with where it stopped."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.regret.contest import Match, check_contestant, failure, play_match
from at2.bench.regret.results import ResultFile, Series
from at2.bench.replay.protocols import Protocol, list_cases
from at2.bench.sweeps.environment import describe_environment
from at2.bench.sweeps.plan import fingerprint
from at2.errors import BudgetError, UnknownNameError
from at2.processes import run_all
from at2.recommend.budget import Budget

if TYPE_CHECKING:
    from at2.bench.replay.protocols import Case


@dataclass(frozen=True)
class Contest:
    """What is compared.

    Args:
        databases: Names of tables, or paths of HDF5 files.
        protocol: The cases.
        rivals: Who plays, see `at2.bench.regret.contest.Match`.
        budgets: What may be spent; each is played on its own, since a tuner knows its budget.
        metric: Name of the metric; None means each table's default.
        watched: Targets whose runs of the first draw and seed are kept in all detail (see `at2.bench.story`);
            ``"first"`` stands for the first target of each database.

    Raises:
        UnknownNameError: If nobody has the name of a rival.
        BudgetError: If there is no budget.
    """

    databases: tuple[str, ...]
    protocol: Protocol
    rivals: tuple[str, ...]
    budgets: tuple[Budget, ...] = (Budget(epochs=100),)
    metric: str | None = None
    watched: tuple[str, ...] = ("first",)

    def __post_init__(self) -> None:
        for rival in self.rivals:
            check_contestant(rival)
        if not self.budgets:
            raise BudgetError("a contest needs at least one budget, none given")


@dataclass(frozen=True)
class Advance:
    """How far a bench is.

    Args:
        n_run: Runs of the contest.
        n_kept: Runs that were there before.
        n_done: Runs done since, failures included.
        last: What was played last; None before the first.
        error: Why the last run failed; None where none did.
    """

    n_run: int
    n_kept: int
    n_done: int = 0
    last: Match | None = None
    error: str | None = None


def run_regret(
    contest: Contest,
    *,
    record: Path,
    jobs: int = 1,
    fresh: bool = False,
    on_progress: Callable[[Advance], None] | None = None,
) -> Advance:
    """Play a contest into a record; what is there already is kept.

    Args:
        contest: What is compared.
        record: Folder of the record; made where it is missing.
        jobs: Processes at a time, each with one thread; 0 plays in this process.
        fresh: Whether to forget earlier results of the contest's rivals.
        on_progress: Called after each run.

    Returns:
        The last progress.

    Raises:
        TableError: If a protocol needs more tasks than a table has.
        UnknownNameError: If a watched target is not among the targets.
        FileError: If the record cannot be written, or holds results of another table.
    """
    with _open_sheets(contest, record, fresh=fresh) as sheets:
        owners = {match: sheet for sheet in sheets for match in sheet.matches(contest)}
        n_run = sum(len(sheet.cases) * len(sheet.files) for sheet in sheets)
        progress = Advance(n_run, n_run - sum(len(match.budgets) for match in owners))
        _report(progress, on_progress)
        played = run_all(_play, list(owners), jobs=jobs, lost=_lost) if jobs else map(_play, owners)
        for match, results in played:
            for budget, result in zip(match.budgets, results, strict=True):
                owners[match].files[budget].append(result, story=result.pop("story", None))
                progress = replace(progress, n_done=progress.n_done + 1, last=match, error=result.get("error"))
                _report(progress, on_progress)
    return progress


def _play(match: Match) -> tuple[Match, list[dict[str, Any]]]:
    return match, play_match(match)


def _lost(match: Match) -> tuple[Match, list[dict[str, Any]]]:
    error = "its process died (killed for memory, or a crash in compiled code)"
    return match, [failure(match, error) for _ in match.budgets]


def _report(progress: Advance, on_progress: Callable[[Advance], None] | None) -> None:
    if on_progress is not None:
        on_progress(progress)


@dataclass(frozen=True)
class _Sheet:
    """One rival on one database: its cases, and the file of each budget."""

    database: str
    rival: str
    cases: "Sequence[Case]"
    files: dict[Budget, ResultFile]

    def matches(self, contest: Contest) -> Iterator[Match]:
        """Give what is not there yet, case by case."""
        watched = {self.cases[0].target if name == "first" else name for name in contest.watched}
        done = {budget: file.done() for budget, file in self.files.items()}
        for case in self.cases:
            left = tuple(budget for budget in self.files if case.key not in done[budget])
            if left:
                is_watched = case.target in watched and (case.draw, case.seed) == (0, self.cases[0].seed)
                yield Match(self.database, self.rival, case, left, contest.metric, is_watched)


@contextmanager
def _open_sheets(contest: Contest, record: Path, *, fresh: bool) -> Iterator[list[_Sheet]]:
    """Open the files of a contest, and close them at the end."""
    environment = describe_environment()
    with ExitStack() as stack:
        sheets = []
        for database in contest.databases:
            cases, series = _prepare(contest, database)
            for rival in contest.rivals:
                files = {}
                for budget in contest.budgets:
                    amount, unit = budget_amount(budget)
                    file = ResultFile(record, replace(series, rival=rival, budget=amount, unit=unit))
                    file.open(environment=environment, fresh=fresh)
                    stack.callback(file.close)
                    files[budget] = file
                sheets.append(_Sheet(database, rival, cases, files))
        _check_watched(contest.watched, sheets)
        yield sheets


def _check_watched(names: Sequence[str], sheets: "Sequence[_Sheet]") -> None:
    """Refuse to watch for a target that is never tuned for."""
    known = {"first", *(case.target for sheet in sheets for case in sheet.cases)}
    for name in names:
        if name not in known:
            raise UnknownNameError(f"no target {name!r} to watch; there are {', '.join(sorted(known))}")


def _prepare(contest: Contest, database: str) -> "tuple[list[Case], Series]":
    """List the cases of a database, and say what all of its results have in common."""
    from at2.tables import load_table

    table = load_table(database)
    if table.kept_seconds is None and any(budget.seconds is not None for budget in contest.budgets):
        raise BudgetError(f"table {table.name!r} has no times, so that no budget in seconds can be played on it")
    cases = list_cases(contest.protocol, table, database=database)
    metric = table.get_metric(contest.metric).name
    common = Series(contest.protocol.label, database, metric, fingerprint(table, metric), rival="", budget=0)
    return cases, common


def budget_amount(budget: Budget) -> tuple[float, str]:
    """Give a budget's amount and unit.

    Example:
        >>> budget_amount(Budget(epochs=100))
        (100, 'epochs')
    """
    return (budget.epochs, "epochs") if budget.epochs is not None else (budget.seconds or 0.0, "seconds")
