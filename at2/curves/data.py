"""Learning curves as arrays: what predictors are trained on, and how they are cut into parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from at2.errors import CorruptFileError, FileError, ShapeError

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

__all__ = ["CurveSet", "load_curves", "split"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurveSet:
    """Curves, the configurations they belong to, and the tasks they were run on.

    Args:
        configs: Encoded configurations, shape ``(n, n_column)``; NaN where a hyperparameter is inactive.
        curves: Readings as measured, shape ``(n, n_epoch)``; position ``e`` is the reading after ``e + 1`` epochs, NaN
            where none was taken.
        tasks: Name of the task of each curve; empty means that all are of one task.
        extra: Further series per epoch, shape ``(n, n_epoch, n_series)``; None where there are none.
        maximize: Whether larger readings are better.
        space: The search space that encoded the configurations; None for plain arrays.
        extra_names: Names of the further series.

    Raises:
        ShapeError: If the arrays do not fit each other, or hold infinite values.

    Example:
        >>> curves = CurveSet(np.zeros((3, 2)), np.ones((3, 5)))
        >>> curves.n_epoch, len(curves.take([0, 2]))
        (5, 2)
    """

    configs: Floats
    curves: Floats
    tasks: tuple[str, ...] = ()
    extra: Floats | None = None
    maximize: bool = False
    space: SearchSpace | None = None
    extra_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes and bring everything to float64."""
        configs, curves = _matrix(self.configs, "configs"), _matrix(self.curves, "curves")
        if len(configs) != len(curves):
            raise ShapeError(f"{len(configs)} configurations and {len(curves)} curves; one of each per run is wanted")
        object.__setattr__(self, "configs", configs)
        object.__setattr__(self, "curves", curves)
        if self.tasks and len(self.tasks) != len(curves):
            raise ShapeError(f"{len(self.tasks)} task names for {len(curves)} curves; one each is wanted, or none")
        if self.extra is not None:
            extra = np.asarray(self.extra, dtype=np.float64)
            if extra.ndim != 3 or extra.shape[:2] != curves.shape:
                raise ShapeError(f"extra series of shape {extra.shape} do not fit curves {curves.shape}")
            object.__setattr__(self, "extra", extra)

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def n_epoch(self) -> int:
        """Number of epochs of the longest curve."""
        return int(self.curves.shape[1])

    def take(self, rows: npt.ArrayLike) -> CurveSet:
        """Return the curves of some rows, in that order."""
        at = np.asarray(rows)
        at = np.flatnonzero(at) if at.dtype == bool else at.astype(np.int64)
        return replace(
            self,
            configs=self.configs[at],
            curves=self.curves[at],
            tasks=tuple(self.tasks[i] for i in at) if self.tasks else (),
            extra=None if self.extra is None else self.extra[at],
        )

    @classmethod
    def from_table(
        cls,
        table: LearningCurveTable,
        *,
        metric: str | None = None,
        tasks: Sequence[str] | None = None,
        seed: int | None = None,
        extra: Sequence[str] = (),
    ) -> CurveSet:
        """Gather the curves of a table; runs without a reading are left out.

        Args:
            table: The table.
            metric: Its metric; None takes the default one.
            tasks: Names of tasks; None takes all.
            seed: Which repetition; None takes every repetition as a curve of its own.
            extra: Names of metrics that go along as extra series.

        Raises:
            UnknownNameError: If the table has no such metric or task.
            ShapeError: If there is no such repetition, or no run is left.
        """
        names = list(table.tasks.index) if tasks is None else list(tasks)
        at_task = [table.task_index(name) for name in names]
        if seed is not None and not 0 <= seed < table.n_seed:
            raise ShapeError(f"seed {seed} is not in this table, which has seeds 0 to {table.n_seed - 1}")
        every = np.arange(len(table.configs))
        kept = table.kept(metric).select(np.array(at_task, dtype=np.int64), every)
        task, at_seed, config = kept.places()
        found = np.full(len(kept.run), True) if seed is None else at_seed == seed
        if not found.any():
            raise ShapeError("no run of this table has a reading of that metric and those tasks")
        encoded = table.space.encode_leniently([table.config(i) for i in table.configs.index])[0]
        series = [table.kept(name).select(np.array(at_task), every).rows(kept.run[found]) for name in extra]
        return cls(
            configs=encoded[config[found]],
            curves=kept.values[found].astype(np.float64),
            tasks=tuple(str(names[i]) for i in task[found]),
            extra=np.stack(series, axis=-1).astype(np.float64) if series else None,
            maximize=table.get_metric(metric).maximize,
            space=table.space,
            extra_names=tuple(extra),
        )


def load_curves(
    source: str | Path,
    *,
    metric: str | None = None,
    tasks: Sequence[str] | None = None,
    extra: Sequence[str] = (),
) -> CurveSet:
    """Load curves from a table, by its name or from an ``.h5`` file, or from the ``.npz`` of LCBench's Fashion-MNIST.

    The ``.npz`` holds ``val_cross_entropy`` (n, 52), ``configs`` (n, 7) and ``hyperparameters`` (7). Its reading 0,
    of the untrained network, is left out, so that the other 51 follow the epochs.

    Args:
        source: Name or path.
        metric: Metric of a table; None takes the default one.
        tasks: Tasks of a table; None takes all.
        extra: Metrics of a table that go along as extra series.

    Raises:
        FileError: If the file is not there; CorruptFileError if it holds something else.
        UnknownNameError: If the table, metric or task is unknown.
    """
    from at2.tables import load_table

    if Path(source).suffix != ".npz":
        return CurveSet.from_table(load_table(source), metric=metric, tasks=tasks, extra=extra)
    if metric not in (None, "val_cross_entropy") or tasks or extra:
        raise FileError(f"{source}: an .npz holds val_cross_entropy of one task; leave out metric, tasks and extra")
    return _read_npz(Path(source))


def _read_npz(path: Path) -> CurveSet:
    from at2.space import lcbench_space

    if not path.is_file():
        raise FileError(f"{path}: no such file; name the .npz with LCBench's Fashion-MNIST curves", path=path)
    space = lcbench_space()
    try:
        with np.load(path, allow_pickle=False) as saved:
            names = [str(name) for name in saved["hyperparameters"]]
            configs, curves = saved["configs"].tolist(), saved["val_cross_entropy"][:, 1:]
        whole = {"batch_size", "num_layers", "max_units"}
        rows = [{k: int(v) if k in whole else v for k, v in zip(names, row, strict=True)} for row in configs]
        return CurveSet(space.encode_leniently(rows)[0], curves, space=space)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        wanted = "val_cross_entropy (n, 52), configs (n, 7) and hyperparameters (7)"
        raise CorruptFileError(f"{path}: {wanted} are wanted in it ({error})", path=path) from error


def split(n: int, *, seed: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)) -> tuple[Any, Any, Any]:
    """Return rows for training, validation and testing, drawn without replacement.

    Args:
        n: How many rows there are.
        seed: The same seed gives the same parts.
        fractions: Shares of the three parts; the last part takes what rounding leaves.

    Raises:
        ValueError: If the shares are not positive or do not sum to 1.

    Example:
        >>> [len(part) for part in split(10, seed=0)]
        [6, 2, 2]
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"three positive shares that sum to 1 are wanted, got {fractions}")
    rows = np.random.default_rng(seed).permutation(n)
    first, second = round(fractions[0] * n), round((fractions[0] + fractions[1]) * n)
    return rows[:first], rows[first:second], rows[second:]


def _matrix(values: Any, name: str) -> Floats:
    """Return a float64 matrix without infinite values."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} must be a matrix of numbers ({error})") from error
    if array.ndim != 2:
        raise ShapeError(f"{name} must have shape (n, ...) with two axes, got {array.shape}")
    if np.isinf(array).any():
        raise ShapeError(f"{name} hold infinite values; write NaN where nothing finite was measured")
    return array
