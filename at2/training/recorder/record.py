"""Record many runs into one table: spread over processes, stopped and called again as often as one likes."""

from __future__ import annotations

import functools
import json
import logging
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from at2.devices import usable_device
from at2.errors import FileError, TableError, TaskError
from at2.processes import run_all
from at2.tables import LearningCurveTable, Metric, RunStatus, whole_file
from at2.tables.storage.files import folder_name
from at2.training.recorder.assemble import Cell, assemble, disassemble
from at2.training.recorder.holder import held
from at2.training.recorder.plan import Recipe, Run, check_batches
from at2.training.recorder.run import Outcome, note_crash, read_run, record_run
from at2.training.recorder.series import Series
from at2.training.results import ScoreFunction
from at2.training.tasks import ImageTask, load_task

_log = logging.getLogger(__name__)
_TICK_S = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a recording is.

    Args:
        n_epoch: Epochs that this call trains in all; fewer if runs diverge.
        n_epoch_done: Epochs trained so far.
        n_run: Runs that this call trains in all.
        n_run_done: Runs through.
    """

    n_epoch: int
    n_epoch_done: int
    n_run: int
    n_run_done: int


def record(
    tasks: Sequence[str],
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    n_seed: int = 2,
    jobs: int = 1,
    device: str = "cpu",
    extra: Mapping[str, tuple[Metric, ScoreFunction]] | None = None,
    wait: bool = True,
    on_wait: Callable[[str], None] = _log.warning,
    on_progress: Callable[[Progress], None] | None = None,
) -> LearningCurveTable:
    """Train configurations on tasks and write everything down, in HyperRec's schema.

    Each run has a file of its own below ``<out>.parts`` that is replaced after every epoch; the table is written once,
    when all runs are through or the recording is stopped. A killed recording loses the epochs in flight and goes on
    when it is called again. Tasks and seeds may be added to a recording later; runs that crashed are tried again.

    Args:
        tasks: What `load_task` takes; names must differ.
        out: The table's file.
        recipe: Which configurations and epochs; None takes the defaults.
        n_seed: Trainings of each configuration, from the seeds 0, 1, ...
        jobs: Processes at a time, each with one thread; 1 trains in this very process.
        device: Where to train.
        extra: Metrics of your own by name: how it stands in the table, and a function, importable by name, of logits
            and labels. They are taken on validation and test, as ``val_<name>`` and ``test_<name>``.
        wait: Wait for another recorder of the same file; else it is an error.
        on_wait: Is told who holds the file.
        on_progress: Is told how far the recording is, about twice a second.

    Returns:
        The table, as it is on the disk.

    Raises:
        TaskError: If a task cannot be trained on; before anything is.
        CheckpointError: If `out` holds a recording of another recipe.
        FileError: If a file cannot be read or written, or another recorder holds it; what is recorded stays.
        DeviceError: If there is no such device here.
        ValueError: If `n_seed` or `jobs` is below 1, or a metric of your own cannot be sent to another process.
    """
    out, recipe = Path(out), recipe or Recipe()
    _check(out, n_seed=n_seed, jobs=jobs, device=device, extra=extra or {})
    loaded = _load(tasks, recipe)
    with held(out, wait=wait, on_wait=on_wait):
        recording = _Recording(out, recipe, loaded, n_seed, device, dict(extra or {}))
        recording.open()
        try:
            with recording.ticking(on_progress):
                recording.train(jobs)
        finally:
            table = recording.write()
        recording.close()
    return table


def _check(
    out: Path, *, n_seed: int, jobs: int, device: str, extra: Mapping[str, tuple[Metric, ScoreFunction]]
) -> None:
    """Refuse what no run could be trained with, before any is."""
    if min(n_seed, jobs) < 1:
        raise ValueError(f"n_seed and jobs must be at least 1, got n_seed={n_seed}, jobs={jobs}")
    if out.is_dir():
        raise FileError(f"{out}: is a folder; give the name of a file, such as {out / 'recording.h5'}", path=out)
    usable_device(device)
    for name, (_, function) in extra.items() if jobs > 1 else ():
        try:
            pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            message = f"the metric {name!r} cannot be sent to other processes ({error}); define it in a module, or pass"
            raise ValueError(f"{message} jobs=1") from error


def _load(tasks: Sequence[str], recipe: Recipe) -> dict[str, tuple[str, ImageTask]]:
    """Return source and task by the tasks' names, all of them checked."""
    loaded: dict[str, tuple[str, ImageTask]] = {}
    for source in dict.fromkeys(tasks):
        task = load_task(source)
        if task.name in loaded:
            raise TaskError(f"two tasks are called {task.name!r}: {loaded[task.name][0]} and {source}; rename one")
        check_batches(recipe, task=task.name, n_train=len(task.train))
        loaded[task.name] = (source, task)
    if not loaded:
        raise TaskError("a recording needs at least one task; name one")
    return loaded


class _Recording:
    """The files of a recording under way."""

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        tasks: Mapping[str, tuple[str, ImageTask]],
        n_seed: int,
        device: str,
        extra: Mapping[str, tuple[Metric, ScoreFunction]],
    ) -> None:
        self.out, self.recipe, self.n_seed, self.extra = out, recipe, n_seed, extra
        self.parts = out.with_name(f"{out.name}.parts")
        self.tally = self.parts / "epochs"
        self.facts = pd.DataFrame({name: task.facts for name, (_, task) in tasks.items()}).T.rename_axis("task")
        self.done: dict[Cell, Series] = {}
        functions = {name: function for name, (_, function) in extra.items()} or None
        self.runs = [
            Run(source, name, seed, number, config, recipe.n_epoch, self._path(name, seed, number), device, functions)
            for name, (source, _) in tasks.items()
            for seed in range(n_seed)
            for number, config in enumerate(recipe.configs)
        ]
        self.left: list[Run] = []
        self.n_done, self.n_epoch_before = 0, 0

    def _path(self, task: str, seed: int, number: int) -> Path:
        return self.parts / folder_name(task) / f"seed-{seed}-config-{number:04d}.run"

    def open(self) -> None:
        """Take up what an earlier call has left, and see what is to be done."""
        if self.out.exists():
            self._take_up(LearningCurveTable.from_hdf5(self.out))
        note = self.parts / "recipe.json"
        if note.exists():
            self.recipe.check_same(json.loads(note.read_text(encoding="utf-8")), path=self.parts)
        wanted = [run for run in self.runs if run.cell not in self.done]
        found = {run.cell: series for run in wanted if run.path.exists() and (series := read_run(run.path)) is not None}
        self.done |= {cell: series for cell, series in found.items() if series.is_done}
        self.left = [run for run in wanted if run.cell not in self.done]
        under_way = [found[run.cell] for run in self.left if run.cell in found]
        self.n_epoch_before = sum(len(series.epochs.get("val_loss", [])) for series in under_way)
        for folder in {self.parts, *(run.path.parent for run in self.left)}:
            _make_folder(folder)
        if not note.exists():
            with whole_file(note) as temporary:
                temporary.write_text(json.dumps(self.recipe.to_json()), encoding="utf-8")
        self.tally.unlink(missing_ok=True)

    def _take_up(self, table: LearningCurveTable) -> None:
        """Keep the runs of a table that an earlier call has written; its tasks come first."""
        if "recording" not in table.notes:
            raise TableError(f"{self.out}: is a table, but no recording; give another --out")
        self.recipe.check_same(table.notes["recording"], path=self.out)
        self.done = disassemble(table)
        self.n_seed = max(self.n_seed, table.n_seed)
        both = pd.concat([table.tasks, self.facts])
        self.facts = both[~both.index.duplicated()]

    def train(self, jobs: int) -> None:
        """Train what is left; each run's file has it before this returns or raises."""
        work = functools.partial(record_run, tally=self.tally)
        outcomes = map(work, self.left) if jobs == 1 else run_all(work, self.left, jobs=jobs, lost=_lost)
        for outcome in outcomes:
            self.n_done += 1
            if outcome.status == RunStatus.CRASHED:
                _log.warning("%s crashed: %s", outcome.run.name, outcome.message)

    def write(self) -> LearningCurveTable:
        """Write the table of all that is known by now, whole or not at all."""
        runs = dict(self.done)
        for run in self.left:
            if run.path.exists() and (series := read_run(run.path)) is not None:
                runs[run.cell] = series
        metrics = tuple(
            Metric(f"{split}_{name}", maximize=metric.maximize, unit=metric.unit)
            for name, (metric, _) in self.extra.items()
            for split in ("val", "test")
        )
        table = assemble(runs, recipe=self.recipe, facts=self.facts, n_seed=self.n_seed, extra=metrics)
        table.name = self.out.stem
        try:
            table.to_hdf5(self.out)
        except FileError as error:
            message = f"{error}; the epochs recorded so far are safe in {self.parts}, and the same call goes on"
            raise FileError(message, path=self.out) from error
        return table

    def close(self) -> None:
        """Remove the files of runs that the table has; those of crashed runs and of other tasks stay."""
        for run in self.runs:
            if run.cell in self.done or ((series := read_run(run.path)) is not None and series.is_done):
                run.path.unlink(missing_ok=True)
        if not any(self.parts.rglob("*.run")):
            shutil.rmtree(self.parts, ignore_errors=True)

    def progress(self) -> Progress:
        """Say how far it is."""
        total = len(self.left) * self.recipe.n_epoch - self.n_epoch_before
        trained = self.tally.stat().st_size if self.tally.exists() else 0
        return Progress(total, trained, len(self.left), self.n_done)

    @contextmanager
    def ticking(self, on_progress: Callable[[Progress], None] | None) -> Iterator[None]:
        """Tell the progress from a thread of its own while the block runs."""
        if on_progress is None:
            yield
            return
        stop = threading.Event()

        def tell() -> None:
            while not stop.wait(_TICK_S):
                on_progress(self.progress())

        thread = threading.Thread(target=tell, daemon=True)
        on_progress(self.progress())
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            on_progress(self.progress())


def _lost(run: Run) -> Outcome:
    """Stand for a run whose process died."""
    message = "its process died, perhaps for lack of memory"
    note_crash(run, message)
    return Outcome(run, RunStatus.CRASHED, message)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be made ({error.strerror or error}); choose another folder for --out"
        raise FileError(message, path=folder) from error
