"""The two published tables, HyperRec and LCBench: from the authors' pickles to tables, and the published pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from at2.errors import CorruptFileError, SpaceError, UnknownNameError
from at2.tables.published.unpickle import loads_plain
from at2.tables.schema import HYPERREC_SPLIT, Metric
from at2.tables.storage.files import data_path
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from at2.space import SearchSpace

__all__ = ["PUBLISHED", "Pair", "Published", "convert", "published_pairs"]

_ORIGIN = "github.com/xiaoyuxin1002/amortized-auto-tuning, commit 027fdb302fbb4a5ddadde562f1955b059cc9bbac, MIT license"


class Pair(NamedTuple):
    """A published transfer: recommend for ``target`` from what ``sources`` have shown."""

    sources: tuple[str, ...]
    target: str


def published_pairs(database: str) -> list[Pair]:
    """Return the five published (source tasks -> target task) pairs of a database.

    Args:
        database: ``"hyperrec"`` or ``"lcbench"``.

    Raises:
        UnknownNameError: If there are no pairs for it.

    Example:
        >>> published_pairs("hyperrec")[0]
        Pair(sources=('IMAGENET64SUB1', 'SUN397SUB3', 'SUN397SUB2', 'OIPETS'), target='CIFAR100')
    """
    pairs = json.loads(data_path("train_test_pairs.json").read_text(encoding="utf-8"))
    by_name = {name.lower(): entries for name, entries in pairs.items()}
    if database.lower() not in by_name:
        raise UnknownNameError(f"no published pairs for {database!r}; there are some for {', '.join(sorted(by_name))}")
    return [Pair(tuple(sources.split(",")), target) for sources, target in by_name[database.lower()]]


@dataclass(frozen=True)
class Published:
    """What is special about one published table.

    Args:
        name: Its name in at2.
        folder: The authors' folder.
        metric: What its curves show.
        read_config: Turns one of the authors' configurations into one of the space; returns what it left out, too.
        space: Gives the search space.
        notes: Goes into the table.
    """

    name: str
    folder: str
    metric: Metric
    read_config: Callable[[Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
    space: Callable[[], SearchSpace]
    notes: Mapping[str, Any]

    @property
    def files(self) -> tuple[str, str]:
        """The authors' files: configurations, curves."""
        return f"{self.folder}/configs.pkl", f"{self.folder}/profiles.pkl"


def convert(published: Published, configs: bytes, profiles: bytes) -> LearningCurveTable:
    """Turn the authors' two files into a table.

    Args:
        published: Which table.
        configs: Bytes of ``configs.pkl``, {config_id: {name: value}}.
        profiles: Bytes of ``profiles.pkl``, {seed: {task: {config_id: curve}}}, a curve of shape (n_epoch,).

    Raises:
        CorruptFileError: If a file holds something else.
        UnsafePickleError: If a file holds anything but plain data.
    """
    configs_name, profiles_name = published.files
    frame, constants = _config_frame(published, loads_plain(configs, path=configs_name))
    try:
        curves, tasks = _gather(loads_plain(profiles, path=profiles_name), list(frame.index))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        what = f"{profiles_name}: not {{seed: {{task: {{config_id: curve}}}}}} ({error}); fetch the file again"
        raise CorruptFileError(what, path=profiles_name) from error
    return LearningCurveTable(
        {published.metric.name: curves},
        tasks=_task_facts(published, tasks),
        configs=frame,
        metrics=[published.metric],
        space=published.space(),
        name=published.name,
        notes={"origin": _ORIGIN, "constants": constants, **published.notes},
    )


def _config_frame(published: Published, configs: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the configurations, each checked against the space, and what all of them have in common beside it."""
    space, rows, constants = published.space(), {}, {}
    path = published.files[0]
    try:
        for config_id in sorted(configs):
            config, rest = published.read_config(configs[config_id])
            rows[config_id] = space.validate(config)
            constants.update(rest)
    except (TypeError, ValueError, LookupError, AttributeError, SpaceError) as error:
        what = f"{path}: not {{config_id: configuration}} of {published.name} ({error!r}); fetch the file again"
        raise CorruptFileError(what, path=path) from error
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(space.names))
    return frame.rename_axis(index="config_id"), constants


def _gather(profiles: Any, config_ids: list[Any]) -> tuple[np.ndarray, list[str]]:
    """Return curves of shape (n_task, n_seed, n_config, n_epoch), short ones filled up with NaN, and the tasks."""
    tasks = list(next(iter(profiles.values()), ()))
    if not tasks:
        raise ValueError("there are no tasks")
    if any(list(by_task) != tasks for by_task in profiles.values()):
        raise ValueError("seeds have different tasks")
    runs = {
        (t, s, c): np.asarray(by_task[task][config_id], dtype=np.float64)
        for s, by_task in enumerate(profiles.values())
        for t, task in enumerate(tasks)
        for c, config_id in enumerate(config_ids)
    }
    if any(curve.ndim != 1 for curve in runs.values()):
        raise ValueError("a curve has not one dimension")
    n_epoch = max(curve.size for curve in runs.values())
    curves = np.full((len(tasks), len(profiles), len(config_ids), n_epoch), np.nan)
    for run, curve in runs.items():
        curves[run][: curve.size] = curve
    return curves, tasks


def _task_facts(published: Published, tasks: list[str]) -> pd.DataFrame:
    """Return what is known about the tasks; a missing fact is NaN."""
    index = pd.Index(tasks, name="task")
    if published.name != "hyperrec":
        return pd.DataFrame(index=index)
    facts = pd.read_csv(data_path("hyperrec_tasks.csv"), index_col="task")
    return facts.reindex(index)


_HYPERREC_RENAMED = {"batchsize": "batch_size", "T_0": "t_0", "T_mult": "t_mult"}
_HYPERREC_CONSTANTS = ("nepoch", "mode", "cycle_momentum")
_HYPERREC_OPTIMIZERS = {"Adam": "adam", "SGD": "momentum"}


def _read_hyperrec(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    flat = {name: value for name, value in config.items() if not name.endswith("_param")}
    flat |= config["optimizer_param"] | config["scheduler_param"]
    constants = {str(name): flat.pop(name) for name in _HYPERREC_CONSTANTS if name in flat}
    flat["optimizer"] = _HYPERREC_OPTIMIZERS[flat["optimizer"]]
    if "betas" in flat:
        flat["beta_0"], flat["beta_1"] = flat.pop("betas")
    if flat.pop("base_lr", flat["lr"]) != flat["lr"]:
        raise ValueError("base_lr of CyclicLR is not lr")
    return {_HYPERREC_RENAMED.get(name, name): value for name, value in flat.items()}, constants


def _read_lcbench(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    names = _lcbench_space().names
    read = {name: config[name] for name in names}
    read["num_layers"] = int(read["num_layers"])  # the authors write True for 1
    return read, {name: value for name, value in config.items() if name not in names}


def _hyperrec_space() -> SearchSpace:
    from at2.space import hyperrec_space

    return hyperrec_space()


def _lcbench_space() -> SearchSpace:
    from at2.space import lcbench_space

    return lcbench_space()


PUBLISHED: dict[str, Published] = {
    "hyperrec": Published(
        name="hyperrec",
        folder="HyperRec",
        metric=Metric("val_acc_top1", maximize=True, unit="fraction"),
        read_config=_read_hyperrec,
        space=_hyperrec_space,
        notes={"split": HYPERREC_SPLIT},
    ),
    "lcbench": Published(
        name="lcbench",
        folder="LCBench",
        metric=Metric("val_balanced_acc", maximize=True, unit="fraction"),
        read_config=_read_lcbench,
        space=_lcbench_space,
        notes={"first_reading": "epoch 1 is the untrained network; epoch e is the value after e - 1 training epochs"},
    ),
}
"""The tables that `at2 tables fetch` knows."""
