"""The loop of a live tuning: ask, take up the checkpoint, train an epoch, keep the checkpoint, tell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from at2.errors import FileError, TuneError
from at2.recommend.live.checkpoints import CheckpointStore
from at2.recommend.live.objective import Objective
from at2.recommend.live.progress import Callback, Epoch, Progress, View
from at2.recommend.live.session import Session
from at2.recommend.protocol import Tuner
from at2.recommend.query import ConfigId, Query

_log = logging.getLogger(__name__)
Ranking = Callable[[], Sequence[ConfigId]]


class Loop:
    """Drives a tuner on live trainings until it has enough.

    Args:
        tuner: Anything with ``ask``, ``tell`` and ``recommend``.
        objective: What trains.
        session: The working folder, locked by the caller.
        store: Its checkpoints.
        progress: What happened so far; it is kept up to date.
        view: What shows it; None shows nothing.
        callbacks: Called with the progress after each epoch.
        max_crashes: So many configurations that crash before any gives a value are taken for a mistake in `train`.
        ranking: Gives configurations, the one that is least likely to go on first: the order in which checkpoints are
            dropped. None goes by the best value of each so far.

    Attributes:
        progress: How far it is.
        tuner_s: Seconds spent inside the tuner.
    """

    def __init__(
        self,
        tuner: Tuner,
        objective: Objective,
        session: Session,
        store: CheckpointStore,
        progress: Progress,
        *,
        view: View | None = None,
        callbacks: Sequence[Callback] = (),
        max_crashes: int = 5,
        ranking: Ranking | None = None,
    ) -> None:
        self._tuner, self._objective, self._session, self._store = tuner, objective, session, store
        self.progress, self._view, self._callbacks = progress, view, tuple(callbacks)
        self._max_crashes, self._ranking = max_crashes, ranking or self._by_best
        self._at_work: set[ConfigId] = set()
        self.tuner_s = 0.0

    def run(self) -> None:
        """Train and tell until the tuner asks for nothing more, or a callback calls for a stop.

        Raises:
            TuneError: If `train` gives no number, or the first configurations all crash.
            FileError: If a checkpoint or a log cannot be written. The epoch in flight is not told then, as with
                ctrl-C; a later call trains it again.
        """
        self.progress.start_clock()
        try:
            while not self.progress.must_stop and (query := self._ask()) is not None:
                self.progress.configs[query.config_id] = dict(query.config)
                if self._view is not None:
                    self._view.begin(query, self.progress)
                self._tell(query, self._train(query))
                if self._view is not None:
                    self._view.show(self.progress)
                for callback in self._callbacks:
                    callback(self.progress)
                self._check_crashes()
        finally:
            self._objective.close()
            for config_id in self._at_work:
                self._store.rest(config_id)

    def _ask(self) -> Query | None:
        begin = time.perf_counter()
        query = self._tuner.ask()
        self.tuner_s += time.perf_counter() - begin
        return query

    def _train(self, query: Query) -> Epoch:
        """Train the epoch and keep its checkpoint; whatever the training raises becomes a crash."""
        name = query.config_id
        if self._objective.holds(query):
            folder, start = self._store.work(name), query.from_epoch
        else:
            self._objective.forget(name)  # it may still write to its folder
            folder, start = self._store.prepare(name, query.config, up_to=query.from_epoch)
        self._at_work.add(name)
        begin = time.perf_counter()
        try:
            reading = self._objective.advance(query, start=start, folder=folder)
        except TuneError:
            raise
        except Exception as error:
            return self._crashed(query, error, seconds=time.perf_counter() - begin)
        seconds, further = time.perf_counter() - begin, dict(reading.metrics)
        n_repeated = query.from_epoch - start
        if not reading.is_finite:
            note = f"the metric was {reading.value}"
            return Epoch(query.number, name, query.epoch, None, "diverged", seconds, n_repeated, further, note)
        self._store.commit(name, epoch=query.epoch)
        return Epoch(query.number, name, query.epoch, reading.value, "ok", seconds, n_repeated, further)

    def _crashed(self, query: Query, error: Exception, *, seconds: float) -> Epoch:
        if self._session.is_full(error):
            message = (
                f"the disk is full: epoch {query.epoch} of configuration {query.config_id!r} could not be kept in "
                f"{self._session.folder} ({error}); everything told so far is safe. Free some space and resume"
            )
            raise FileError(message, path=self._session.folder) from error
        path = self._session.keep_traceback(query, error)
        said = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()  # not all can be printed
        note = said.splitlines()[0][:200]
        _log.warning("configuration %r crashed in epoch %d (%s); see %s", query.config_id, query.epoch, note, path)
        return Epoch(query.number, query.config_id, query.epoch, None, "crashed", seconds, note=note)

    def _tell(self, query: Query, epoch: Epoch) -> None:
        """Note and tell the epoch, then put away what is not needed any more."""
        before = self.progress.best()
        self._session.note(epoch)
        begin = time.perf_counter()
        self._tuner.tell(query, epoch.value, failed=epoch.value is None, seconds=epoch.seconds)
        self.tuner_s += time.perf_counter() - begin
        self.progress.add(epoch, spent=getattr(self._tuner, "spent", None))
        self._put_away(query, failed=epoch.value is None, before=before)

    def _put_away(self, query: Query, *, failed: bool, before: Epoch | None) -> None:
        """Checkpoints: the latest of every configuration stays, and that of the best value; others go."""
        best = self.progress.best()
        tidy(self._store, self.progress, {query.config_id, *([before.config_id] if before is not None else [])})
        if failed:
            self._objective.forget(query.config_id)
        for name in [n for n in self._at_work if n != query.config_id and not self._objective.is_alive(n)]:
            self._store.rest(name)
            self._at_work.discard(name)
        if self._store.is_over_limit():
            droppable = [name for name in self._ranking() if name != query.config_id]
            for name in self._store.shrink([(name, _kept(best, name)) for name in droppable]):
                self._objective.forget(name)
                _log.info("dropped the checkpoint of configuration %r: the limit is reached", name)

    def _by_best(self) -> list[ConfigId]:
        """Complete and failed ones first, then by the best value so far, lowest first."""
        progress = self.progress
        sign = 1.0 if progress.maximize else -1.0
        best = {name: max((sign * v for v in progress.values(name)), default=-1e300) for name in progress.configs}
        return sorted(best, key=lambda name: (progress.done(name) < progress.n_epoch, best[name]))

    def _check_crashes(self) -> None:
        """A training that never worked is a mistake, and not bad luck."""
        crashed = [e for e in self.progress.epochs if e.status == "crashed"]
        if len(crashed) < self._max_crashes or any(e.status == "ok" for e in self.progress.epochs):
            return
        raise TuneError(
            f"the first {len(crashed)} configurations all crashed, the last with {crashed[-1].note}; mend train, "
            f"see {self._session.folder / 'failures'}, and begin anew in another workdir"
        )


def tidy(store: CheckpointStore, progress: Progress, config_ids: Iterable[ConfigId]) -> None:
    """Keep the latest checkpoint of some configurations, unless they failed, and that of the best value of all."""
    best, failed = progress.best(), progress.failed()
    for name in config_ids:
        if name in failed:
            store.drop(name, keep=_kept(best, name))
        else:
            store.tidy(name, told=progress.done(name), keep=_kept(best, name))


def _kept(best: Epoch | None, config_id: ConfigId) -> tuple[int, ...]:
    """Epochs of a configuration whose checkpoints must stay: that of the best value."""
    return (best.epoch,) if best is not None and best.config_id == config_id else ()
