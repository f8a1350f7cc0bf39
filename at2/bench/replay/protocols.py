"""Which targets are tuned for, with which sources and candidates: a protocol lists cases, everyone plays the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from at2.bench.replay.views import HISTORIES
from at2.errors import At2Error, TableError
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.recommend import ConfigId
    from at2.tables import LearningCurveTable

PROTOCOLS = ("loo", "pairs", "unseen", *HISTORIES)
_SAME_EVERY_DRAW = ("loo", "halved", "thinned", "finals")  # where all others are the sources


@dataclass(frozen=True)
class Case:
    """One target to tune for.

    Args:
        target: The task that is tuned for.
        sources: The tasks whose curves may be used.
        draw: Which drawing of the sources (or of the held-out configurations) this is, counted from 0.
        seed: Which repetition, counted from 0; it decides the tuner's randomness and the replayed training seed.
        number: Place of the target in its protocol, counted from 0.
        held_out: Configurations that no source may show and that alone are candidates; None: all are both.
        history: What is left of the sources' curves, one of `at2.bench.replay.views.HISTORIES`; None: all.
    """

    target: str
    sources: tuple[str, ...]
    draw: int = 0
    seed: int = 0
    number: int = 0
    held_out: "tuple[ConfigId, ...] | None" = None
    history: str | None = None

    @property
    def tuner_seed(self) -> int:
        """Seed of the tuner: another one for each target, draw and repetition."""
        return int(np.random.SeedSequence([self.seed, self.draw, self.number]).generate_state(1)[0])

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells a case from the others of its protocol."""
        return self.target, self.draw, self.seed


@dataclass(frozen=True)
class Protocol:
    """A way to list cases.

    Args:
        name: One of `PROTOCOLS`: ``"loo"`` tunes for every task once a draw, with other tasks as its sources;
            ``"pairs"`` is the list of published (source tasks -> target) pairs; ``"unseen"`` is ``"loo"`` with half of
            the configurations held out: only those are candidates, and no source shows them; ``"halved"``,
            ``"apart"``, ``"few"``, ``"sweeps"``, ``"thinned"``, ``"finals"`` and ``"units"`` are ``"loo"`` with other
            histories, see `cut_sources` in `at2.bench.replay.views`.
        n_source: Number of sources of each target, 0 for none; None takes all other tasks. Pairs bring their own.
        n_draw: How often sources are drawn; without a choice there is one draw.
        seeds: The repetitions.
        targets: Only these targets; empty takes all. The draws are the same either way.

    Raises:
        At2Error: If the name is unknown, there is no draw or seed, or the number of sources is negative.
    """

    name: str = "loo"
    n_source: int | None = 4
    n_draw: int = 1
    seeds: tuple[int, ...] = (0,)
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            raise At2Error(f"no protocol {self.name!r}; the protocols are {', '.join(PROTOCOLS)}")
        if self.n_draw < 1 or (self.n_source is not None and self.n_source < 0) or not self.seeds:
            raise At2Error(
                "a protocol needs at least one draw and seed, and no negative number of sources; "
                f"{self.n_draw}, {len(self.seeds)} and {self.n_source} given"
            )

    @property
    def label(self) -> str:
        """Name of the protocol with all that changes what a single case looks like.

        Example:
            >>> Protocol("loo", n_source=None).label
            'loo-all'
        """
        return self.name if self.name == "pairs" else f"{self.name}-{'all' if self.n_source is None else self.n_source}"


def list_cases(protocol: Protocol, table: "LearningCurveTable", *, database: str) -> list[Case]:
    """List the cases of a protocol, draw by draw, the targets in the table's order.

    Args:
        protocol: The protocol.
        table: The table that holds the tasks.
        database: Its name, which says which published pairs there are.

    Raises:
        TableError: If the table has too few tasks or configurations.
        UnknownNameError: If a target is not in the table, or there are no pairs for the database.
    """
    for target in protocol.targets:
        table.task_index(target)
    cases = _pairs(database) if protocol.name == "pairs" else _leave_one_out(protocol, table)
    wanted = set(protocol.targets) or {case.target for case in cases}
    held_out = {draw: _hold_out(table, draw) for draw in range(protocol.n_draw)} if protocol.name == "unseen" else {}
    history = protocol.name if protocol.name in HISTORIES else None
    return [
        Case(case.target, case.sources, case.draw, seed, case.number, held_out.get(case.draw), history)
        for seed in protocol.seeds
        for case in cases
        if case.target in wanted
    ]


def _pairs(database: str) -> list[Case]:
    from at2.tables import published_pairs

    pairs = published_pairs(database)
    return [Case(pair.target, tuple(pair.sources), number=number) for number, pair in enumerate(pairs)]


def _leave_one_out(protocol: Protocol, table: "LearningCurveTable") -> list[Case]:
    tasks = [str(task) for task in table.tasks.index]
    n_source = len(tasks) - 1 if protocol.n_source is None else protocol.n_source
    if protocol.n_source is None and not n_source:
        raise TableError(f"table {table.name!r} has no other task to learn from; ask for 0 sources")
    if n_source >= len(tasks):
        raise TableError(
            f"{n_source} sources and a target need {n_source + 1} tasks, table {table.name!r} has {len(tasks)}; "
            "ask for fewer sources"
        )
    n_draw = 1 if n_source in (0, len(tasks) - 1) and protocol.name in _SAME_EVERY_DRAW else protocol.n_draw
    return [case for draw in range(n_draw) for case in _draw(tasks, n_source, draw)]


def _draw(tasks: Sequence[str], n_source: int, draw: int) -> list[Case]:
    """Draw sources for each task: one generator a draw, one choice without replacement a target."""
    rng = np.random.default_rng(draw)
    cases = []
    for number, target in enumerate(tasks):
        others = [place for place in range(len(tasks)) if place != number]
        if n_source < len(others):
            others = rng.choice(others, n_source, replace=False).tolist()
        cases.append(Case(target, tuple(tasks[place] for place in others), draw=draw, number=number))
    return cases


def _hold_out(table: "LearningCurveTable", draw: int) -> "tuple[ConfigId, ...]":
    """Draw half of the configurations, at least two."""
    ids = [plain_value(config_id) for config_id in table.configs.index]
    if len(ids) < 4:
        raise TableError(f"holding out half of the configurations needs 4, table {table.name!r} has {len(ids)}")
    rows = np.random.default_rng([draw, 1]).permutation(len(ids))[: len(ids) // 2]
    return tuple(ids[row] for row in sorted(rows.tolist()))
