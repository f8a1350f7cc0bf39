"""One file per table, in HDF5: its layout, how it is written and how it is read.

===============================  ============================================  ======================================
dataset                          shape and type                                meaning
===============================  ============================================  ======================================
``header``                       (n_byte,) uint8                               UTF-8 JSON: everything that is no array
``tasks/id``                     (n_task,) text                                names of the tasks
``tasks/facts/<column>``         (n_task,)                                     one fact, such as ``n_images``
``configs/id``                   (n_config,) int64 or text                     ids of the configurations
``configs/values/<column>``      (n_config,)                                   one hyperparameter
``curves/<metric>``              (n_task, n_seed, n_config, n_epoch) float     as measured, NaN where nothing was run
``seconds``                      (n_task, n_seed, n_config, n_epoch) float     seconds of each epoch; may be absent
``status``                       (n_task, n_seed, n_config) int8               how each run ended, see ``RunStatus``
``batches/<metric>/values``      (n_value,) float32                            a value per batch, run behind run
``batches/<metric>/start``       (n_task, n_seed, n_config) int64              where each run begins
``batches/<metric>/length``      (n_task, n_seed, n_config) int64              how many batches it has
``batches/<metric>/per_epoch``   (n_task, n_seed, n_config) int64              how many of them make an epoch
===============================  ============================================  ======================================

Where fewer than half of the runs of a metric took place, ``curves/<metric>`` is a group with the dataset ``values``,
shape (n_run, n_epoch), of those that did, and ``run``, (n_run,) int64, their positions in (n_task, n_seed, n_config),
rising; the same holds for ``seconds``. The root has the attributes ``format`` (``at2.learning-curves``) and
``schema_version``: 2 where a file has such a group, else 1. A reader refuses versions newer than its own. The header
holds ``name``, ``metrics`` and ``batches`` (name, maximize, unit; the first metric is the default), ``tasks`` and
``configs`` (the columns in order with their kinds, see :mod:`.columns`), ``space`` (the search space in its
JSON form, or null) and ``notes``. Names of columns and metrics are percent-encoded where HDF5 would take them for
paths. All datasets are chunked, compressed and carry checksums. Everything that HyperRec records has its place:
:data:`~at2.tables.schema.HYPERREC_METRICS` below ``curves``, :data:`~at2.tables.schema.HYPERREC_BATCH_METRICS` below
``batches``, the split below ``notes``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from at2.errors import At2Error, CorruptFileError, FileError, TableError
from at2.tables.schema import Metric
from at2.tables.storage.batches import BatchSeries
from at2.tables.storage.columns import dataset_name, read_frame, read_ids, write_array, write_frame, write_ids
from at2.tables.storage.files import whole_file
from at2.tables.storage.sparse import RunValues
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from at2.space import SearchSpace

__all__ = ["FORMAT", "SCHEMA_VERSION", "read_hdf5", "write_hdf5"]

FORMAT = "at2.learning-curves"
SCHEMA_VERSION = 2
_CHUNK_CELLS = 2**15


def write_hdf5(table: LearningCurveTable, path: str | Path) -> None:
    """Write a table to one file, whole or not at all.

    The compressed file is put together in memory first, so that a failing disk meets a plain write.

    Args:
        table: The table.
        path: The file; an existing one is replaced in one step, once the new one is on the disk.

    Raises:
        FileError: If the disk is full, the folder read-only, or the path not a file; nothing is left behind.
        TableError: If notes or facts hold something that JSON cannot.
    """
    image = _image(table)
    with whole_file(path) as temporary:
        temporary.write_bytes(image)


def _image(table: LearningCurveTable) -> bytes:
    """Return the bytes of the file.

    HDF5 itself must not meet a full disk: it can neither close the file then nor forget it, and crashes at exit.
    """
    name, memory = uuid.uuid4().hex, {"driver": "core", "backing_store": False, "block_size": 2**22}
    with h5py.File(name, "w", libver="v110", **memory) as file:  # v110: checksums on the metadata, too
        _fill(file, table)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _fill(file: Any, table: LearningCurveTable) -> None:
    every = {f"curves/{dataset_name(name)}": table.kept(name) for name in table.metrics}
    if table.kept_seconds is not None:
        every["seconds"] = table.kept_seconds
    file.attrs["format"] = np.bytes_(FORMAT)
    file.attrs["schema_version"] = SCHEMA_VERSION if any(map(_is_sparse, every.values())) else 1
    write_ids(file, "tasks/id", table.tasks.index)
    write_ids(file, "configs/id", table.configs.index)
    header = {
        "name": table.name,
        "metrics": [dataclasses.asdict(metric) for metric in table.metrics.values()],
        "batches": [dataclasses.asdict(series.metric) for series in table.batches.values()],
        "tasks": write_frame(file.create_group("tasks/facts"), table.tasks),
        "configs": write_frame(file.create_group("configs/values"), table.configs),
        "space": table.space.to_json() if table.has_space else None,
        "notes": table.notes,
    }
    write_array(file, "header", np.frombuffer(_json(header), dtype=np.uint8))
    write_array(file, "status", table.status)
    for name, kept in every.items():
        _write_runs(file, name, kept)
    for name, series in table.batches.items():
        _write_batches(file.create_group(f"batches/{dataset_name(name)}"), series)


def _json(header: dict[str, Any]) -> bytes:
    try:
        return json.dumps(header, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise TableError(f"the table's notes must be JSON values ({error}); convert them first") from error


def _is_sparse(kept: RunValues) -> bool:
    return 2 * len(kept.run) < math.prod(kept.runs)


def _write_runs(file: Any, name: str, kept: RunValues) -> None:
    if not _is_sparse(kept):
        write_array(file, name, kept.spread(), chunks=(1, 1, *_chunks(kept.shape[2:])))
        return
    write_array(file, f"{name}/values", kept.values, chunks=_chunks(kept.values.shape))
    write_array(file, f"{name}/run", kept.run.astype(np.int64))


def _read_runs(entry: Any, runs: tuple[int, int, int]) -> Any:
    """Return the values of a metric, or the seconds, as the table takes them."""
    return entry[()] if isinstance(entry, h5py.Dataset) else RunValues(entry["values"][()], entry["run"][()], runs)


def _chunks(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return chunks of at most 32,768 cells that hold whole curves, of an array ``(n_curve, n_epoch)``."""
    n_curve, n_epoch = shape
    n_epoch = min(n_epoch, _CHUNK_CELLS)
    return min(n_curve, max(1, _CHUNK_CELLS // n_epoch)), n_epoch


def _write_batches(group: Any, series: BatchSeries) -> None:
    """Write the runs behind each other, one in memory at a time."""
    start = np.zeros_like(series.length)
    total = int(series.length.sum())
    values = write_array(group, "values", np.empty(0, dtype=np.float32)) if not total else None
    if values is None:
        chunk, filters = min(total, 2 * _CHUNK_CELLS), {"compression": "gzip", "shuffle": True, "fletcher32": True}
        values = group.create_dataset("values", (total,), np.float32, chunks=(chunk,), **filters)
    n = 0
    for run in zip(*np.nonzero(series.length), strict=True):
        start[run] = n
        values[n : n + int(series.length[run])] = series.values(*run)
        n += int(series.length[run])
    for name, part in (("start", start), ("length", series.length), ("per_epoch", series.per_epoch)):
        write_array(group, name, part.astype(np.int64))


def read_hdf5(path: str | Path) -> LearningCurveTable:
    """Read a table. Curves come into memory; batch series are read from the file run by run, when asked for.

    Args:
        path: The file.

    Raises:
        FileError: If the file does not exist, cannot be read, or was written by a newer at2.
        CorruptFileError: If it is truncated, damaged, or not a table; the message says how to get it again.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: no such file; check the path, or see `at2 tables list`", path=path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})", path=path) from error
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path)
    except FileError:
        raise
    # A damaged file can fail in any layer: h5py raises OSError, KeyError, RuntimeError, TypeError ..., our checks more.
    except (At2Error, OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise _corrupt(path, f"it is truncated or damaged ({_first_line(error)})") from error


def _read(file: Any, path: Path) -> LearningCurveTable:
    if bytes(file.attrs.get("format", b"")) != FORMAT.encode():
        raise _corrupt(path, "it is an HDF5 file, but holds no learning-curve table")
    version = int(file.attrs["schema_version"])
    if version > SCHEMA_VERSION:
        raise FileError(
            f"{path}: schema version {version} is newer than {SCHEMA_VERSION}, the newest that this at2 reads; "
            "update at2, or export the table again with the older one",
            path=path,
        )
    header = json.loads(file["header"][()].tobytes().decode("utf-8"))
    tasks = read_frame(file["tasks/facts"], header["tasks"], read_ids(file["tasks/id"], "task"))
    configs = read_frame(file["configs/values"], header["configs"], read_ids(file["configs/id"], "config_id"))
    metrics = [Metric(**metric) for metric in header["metrics"]]
    status = file["status"][()]
    return LearningCurveTable(
        {metric.name: _read_runs(file[f"curves/{dataset_name(metric.name)}"], status.shape) for metric in metrics},
        tasks=tasks,
        configs=configs,
        metrics=metrics,
        space=_space(header["space"]),
        seconds=_read_runs(file["seconds"], status.shape) if "seconds" in file else None,
        status=status,
        batches={batch["name"]: _read_batches(file, path, Metric(**batch)) for batch in header["batches"]},
        name=header["name"],
        notes=header["notes"],
    )


def _space(saved: dict[str, Any] | None) -> SearchSpace | None:
    if saved is None:
        return None
    from at2.space import SearchSpace

    return SearchSpace.from_json(saved)


def _read_batches(file: Any, path: Path, metric: Metric) -> BatchSeries:
    group = file[f"batches/{dataset_name(metric.name)}"]
    start, length, per_epoch = (group[name][()] for name in ("start", "length", "per_epoch"))
    if np.any(start + length > group["values"].shape[0]):
        raise ValueError(f"batch series {metric.name!r} ends before its runs do")
    return BatchSeries(metric, _reader(path.resolve(), f"{group.name}/values"), start, length, per_epoch)


def _reader(path: Path, dataset: str) -> Callable[[int, int], np.ndarray]:
    """Return a function that reads a part of a dataset, opening the file for that long only."""

    def read(first: int, last: int) -> np.ndarray:
        try:
            with h5py.File(path, "r") as file:
                values: np.ndarray = file[dataset][first:last]
        except (OSError, KeyError, RuntimeError) as error:
            raise _corrupt(path, f"its batch series cannot be read any more ({_first_line(error)})") from error
        return values

    return read


def _corrupt(path: Path, what: str) -> CorruptFileError:
    way_out = "delete it and fetch it again with `at2 tables fetch`, or take it from a backup"
    return CorruptFileError(f"{path}: {what}; {way_out}", path=path)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
