"""What is to be run: a `RunConfig` says everything that decides a result, a protocol lists them."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.errors import At2Error, BudgetError, UnknownNameError

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable, Pair

DATABASES = ("hyperrec", "lcbench")
EMBEDDED = "digits"
"""The table that ships with at2; its pairs are each task after all the others."""


@dataclass(frozen=True)
class RunConfig:
    """One tuner on one target: everything that decides the bytes of its result.

    Args:
        database: Name of a published table, or the path of an HDF5 file.
        target: The task to recommend for.
        sources: The tasks whose curves the tuner may use.
        tuner: Name of the tuner, one of `at2.bench.sweeps.tuners.TUNERS`.
        budget_epochs: Training epochs the tuner may spend.
        seed: Seed of the tuner's own randomness.
        curve_seed: Which recorded training seed of the target is replayed.
        metric: Name of the metric.
        table: Fingerprint of the table (see `fingerprint`), so that results on other data are never taken for these.
        protocol: Name of the protocol that asked for the run.
        number: Place of the run's task pair in its protocol, counted from 1.
        options: Settings of the tuner that differ from its defaults, as pairs of name and value.

    Raises:
        BudgetError: If the budget is not a positive whole number.
        At2Error: If the target is among the sources.
    """

    database: str
    target: str
    sources: tuple[str, ...]
    tuner: str
    budget_epochs: int
    seed: int
    curve_seed: int
    metric: str
    table: str
    protocol: str = "pairs"
    number: int = 1
    options: tuple[tuple[str, int | float], ...] = ()

    def __post_init__(self) -> None:
        if self.budget_epochs < 1:
            raise BudgetError(f"a budget is at least 1 epoch, {self.budget_epochs} given")
        if self.target in self.sources:
            raise At2Error(f"target {self.target!r} is also a source; a target's own curves may not be used")

    def to_json(self) -> dict[str, Any]:
        """Give the configuration as plain JSON values; options only where there are any."""
        values = {**asdict(self), "sources": list(self.sources), "options": dict(self.options)}
        return values if self.options else {name: value for name, value in values.items() if name != "options"}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunConfig":
        """Build the configuration that `to_json` gave; a missing or unknown name is an error."""
        known = {field.name for field in fields(cls)}
        values = {"options": {}, **values}
        if set(values) != known:
            raise At2Error(f"a run has the fields {sorted(known)}, but {sorted(set(values) ^ known)} differ")
        options = tuple(sorted(dict(values["options"]).items()))
        return cls(**{**values, "sources": tuple(values["sources"]), "options": options})

    @property
    def folder_name(self) -> str:
        """Name of the run's folder: readable, and different for different configurations."""
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]
        words = (Path(self.database).stem, self.target, self.tuner, f"{self.budget_epochs}-epochs", f"seed-{self.seed}")
        return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word) for word in (*words, digest))


def fingerprint(table: "LearningCurveTable", metric: str | None = None) -> str:
    """Give sixteen hexadecimal digits that change when the curves, tasks or configurations of a table change."""
    digest = hashlib.sha256()
    names = [[str(task) for task in table.tasks.index], [str(config) for config in table.configs.index]]
    digest.update(json.dumps(names).encode())
    digest.update(np.ascontiguousarray(table.curves(metric), dtype="<f8").tobytes())
    return digest.hexdigest()[:16]


def plan_pairs(
    databases: Sequence[str],
    *,
    pairs: Sequence[str] = ("all",),
    tuners: Sequence[str],
    budget_epochs: int,
    seeds: Sequence[int] = (0,),
    options: Mapping[str, Mapping[str, int | float]] | None = None,
) -> list[RunConfig]:
    """List the runs of the published (source tasks -> target task) pairs.

    The embedded table has no published pairs: each task is a target once, all others are its sources.

    Args:
        databases: Any of ``"hyperrec"``, ``"lcbench"`` and ``"digits"``.
        pairs: ``"all"``, or any of the targets' names and of the pairs' numbers within their database, from 1.
        tuners: Names of the tuners.
        budget_epochs: Training epochs each run may spend.
        seeds: Seeds of the runs; seed ``s`` replays the target's recorded training seed ``s`` modulo their number.
        options: Settings of tuners that differ from their defaults, by the tuner's name.

    Returns:
        One run for each database, pair, seed and tuner, in that order.

    Raises:
        UnknownNameError: If a pair is named that none of the databases has.
        FileError: If a table is not at hand.
    """
    known = {database: _pairs(database) for database in databases}
    _check_pairs(pairs, {database: [pair.target for pair in known[database]] for database in databases})
    plan = []
    for database in databases:
        table = _TableFacts.of(database)
        for number, pair in enumerate(known[database], 1):
            if {"all", pair.target, str(number)} & set(pairs):
                plan += [
                    RunConfig(
                        database=database,
                        target=pair.target,
                        sources=tuple(pair.sources),
                        tuner=tuner,
                        budget_epochs=budget_epochs,
                        seed=seed,
                        curve_seed=seed % table.n_seed,
                        metric=table.metric,
                        table=table.fingerprint,
                        number=number,
                        options=tuple(sorted((options or {}).get(tuner, {}).items())),
                    )
                    for seed in seeds
                    for tuner in tuners
                ]
    return plan


def _pairs(database: str) -> "list[Pair]":
    from at2.tables import Pair, load_table, published_pairs

    if database != EMBEDDED:
        return published_pairs(database)
    tasks = [str(task) for task in load_table(database).tasks.index]
    return [Pair(tuple(other for other in tasks if other != task), task) for task in tasks]


@dataclass(frozen=True)
class _TableFacts:
    """What a plan needs to know of a table."""

    n_seed: int
    metric: str
    fingerprint: str

    @classmethod
    def of(cls, database: str) -> "_TableFacts":
        from at2.tables import load_table

        table = load_table(database)
        return cls(n_seed=table.n_seed, metric=table.metric, fingerprint=fingerprint(table))


def _check_pairs(pairs: Sequence[str], targets: dict[str, list[str]]) -> None:
    """Refuse a word that names no pair of any database."""
    known = {"all", *(target for names in targets.values() for target in names)}
    known |= {str(number + 1) for names in targets.values() for number in range(len(names))}
    for word in pairs:
        if word not in known:
            listed = "; ".join(
                f"{database}: " + ", ".join(f"{number} {target}" for number, target in enumerate(names, 1))
                for database, names in targets.items()
            )
            raise UnknownNameError(f"no pair {word!r}; choose 'all', or a number or target among {listed}")
