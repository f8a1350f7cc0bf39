"""What is asked of a predictor: configurations, ragged prefixes and target epochs, checked at the door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from at2.curves.data import CurveSet
from at2.errors import ShapeError, SpaceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Batch", "Question", "ask", "fill_gaps", "training_batch"]

Floats = npt.NDArray[np.float64]
Configs = npt.ArrayLike | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, order=True)
class Question:
    """One kind of question: which epochs of a prefix are known, and which reading is wanted.

    Args:
        length: Length of the prefix in epochs; 0 knows nothing but the configuration.
        at: Epoch of the wanted reading, larger than ``length``.
        gaps: Positions within the prefix that have no reading, in order; the last position always has one.
    """

    length: int
    at: int
    gaps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Checked questions.

    Args:
        configs: Encoded configurations, shape ``(n, n_column)``, NaN where inactive.
        prefixes: Shape ``(n, n_epoch)``, NaN after the end of each prefix and in its gaps.
        lengths: Position after the last reading of each, shape ``(n,)``.
        at: Wanted epochs, shape ``(n,)``.
        tasks: Name of each one's task; empty where none were given.
        extra: Shape ``(n, n_epoch, n_series)`` or None; zero where it is not known.
    """

    configs: Floats
    prefixes: Floats
    lengths: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    tasks: tuple[str, ...] = ()
    extra: Floats | None = None

    def __len__(self) -> int:
        return len(self.prefixes)

    def take(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return some of the questions."""
        return replace(
            self,
            configs=self.configs[rows],
            prefixes=self.prefixes[rows],
            lengths=self.lengths[rows],
            at=self.at[rows],
            tasks=tuple(self.tasks[i] for i in rows) if self.tasks else (),
            extra=None if self.extra is None else self.extra[rows],
        )

    def questions(self) -> Iterator[tuple[Question, npt.NDArray[np.int64]]]:
        """Yield each kind of question with the rows that ask it."""
        kinds: dict[tuple[int, int, bytes], list[int]] = {}
        missing = np.isnan(self.prefixes)
        for row, (length, at) in enumerate(zip(self.lengths.tolist(), self.at.tolist(), strict=True)):
            kinds.setdefault((length, at, missing[row, :length].tobytes()), []).append(row)
        for (length, at, gaps), rows in kinds.items():
            where = np.flatnonzero(np.frombuffer(gaps, dtype=bool)).tolist()
            yield Question(length, at, tuple(where)), np.asarray(rows, dtype=np.int64)


def ask(
    trained: CurveSet,
    configs: Configs | pd.DataFrame,
    prefixes: npt.ArrayLike | Sequence[npt.ArrayLike],
    at: npt.ArrayLike | None,
    *,
    tasks: Sequence[str] | str | None = None,
    extra: npt.ArrayLike | None = None,
) -> Batch:
    """Check what is asked of a predictor that was trained on some curves.

    Raises:
        ShapeError: If numbers of rows or columns differ, a prefix is longer than the training curves, or the wanted
            epoch is inside the prefix or beyond the training curves.
        SpaceError: If a configuration does not belong to the space of the training curves.
    """
    encoded = encode_configs(trained, configs)
    known = _pad(prefixes, trained.n_epoch)
    if len(encoded) != len(known):
        raise ShapeError(f"{len(encoded)} configurations and {len(known)} prefixes; one of each is wanted")
    lengths = _lengths(known)
    targets = _targets(at, lengths, trained.n_epoch)
    names = (tasks,) * len(known) if isinstance(tasks, str) else tuple(tasks or ())
    if names and len(names) != len(known):
        raise ShapeError(f"{len(names)} task names for {len(known)} prefixes; give one each, a single one, or none")
    return Batch(encoded, known, lengths, targets, names, _checked_extra(trained, extra, known))


def training_batch(trained: CurveSet, question: Question) -> tuple[Batch, Floats]:
    """Return what the training curves would have looked like when that question was asked, and the answers.

    Only curves with a reading at the wanted epoch and at every epoch that the question knows take part.

    Raises:
        ShapeError: If fewer than two curves are left.
    """
    known = np.setdiff1d(np.arange(question.length), question.gaps)
    fits = np.isfinite(trained.curves[:, question.at - 1]) & np.isfinite(trained.curves[:, known]).all(axis=1)
    rows = np.flatnonzero(fits)
    if len(rows) < 2:
        raise ShapeError(
            f"{len(rows)} training curve(s) have readings for the whole prefix of {question.length} epochs and for "
            f"epoch {question.at}; at least 2 are wanted. Train on more or longer curves, or ask for an earlier epoch"
        )
    part = trained.take(rows)
    prefixes = np.full_like(part.curves, np.nan)
    prefixes[:, known] = part.curves[:, known]
    extra = None
    if part.extra is not None:
        extra = np.zeros_like(part.extra)
        extra[:, : question.length] = np.nan_to_num(part.extra[:, : question.length])
    lengths = np.full(len(rows), question.length)
    batch = Batch(part.configs, prefixes, lengths, np.full(len(rows), question.at), part.tasks, extra)
    return batch, part.curves[:, question.at - 1]


def encode_configs(trained: CurveSet, configs: Configs | pd.DataFrame) -> Floats:
    """Return encoded configurations that fit those of the training curves."""
    if isinstance(configs, Mapping):
        raise ShapeError("a list of configurations is wanted, a single one came; put it in a list")
    is_frame = hasattr(configs, "to_dict")
    if is_frame or (isinstance(configs, Sequence) and configs and isinstance(configs[0], Mapping)):
        if trained.space is None:
            raise SpaceError("the training curves came without a search space; give configurations as an array")
        return np.asarray(trained.space.encode(configs), dtype=np.float64)  # type: ignore[arg-type]
    array = np.asarray(configs, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != trained.configs.shape[1]:
        wanted = trained.configs.shape[1]
        raise ShapeError(f"configurations must have shape (n, {wanted}) as in training, got {array.shape}")
    if np.isinf(array).any():
        raise SpaceError("a configuration holds an infinite value; give finite numbers, NaN for inactive ones")
    always = np.isfinite(trained.configs).all(axis=0)
    lacking = np.isnan(array) & always
    if lacking.any():
        row, column = (int(i) for i in np.argwhere(lacking)[0])
        name = trained.space.columns[column].name if trained.space is not None else f"column {column}"
        raise SpaceError(f"configuration {row} lacks {name!r}, which every training curve has; give it", parameter=name)
    return array


def fill_gaps(prefixes: Floats, lengths: npt.NDArray[np.int64]) -> Floats:
    """Return prefixes with their gaps filled: linearly inside, with the first reading before it.

    Example:
        >>> fill_gaps(np.array([[np.nan, 1.0, np.nan, 3.0, np.nan]]), np.array([4])).tolist()
        [[1.0, 1.0, 2.0, 3.0, nan]]
    """
    filled = prefixes.copy()
    inside = np.arange(prefixes.shape[1]) < lengths[:, None]
    for row in np.flatnonzero((np.isnan(prefixes) & inside).any(axis=1)):
        length = int(lengths[row])
        known = np.flatnonzero(np.isfinite(prefixes[row, :length]))
        filled[row, :length] = np.interp(np.arange(length), known, prefixes[row, known])
    return filled


def _pad(prefixes: Any, n_epoch: int) -> Floats:
    """Return prefixes of any lengths as one array, NaN where they end."""
    given = _matrix(prefixes)
    infinite = np.isinf(given).any(axis=1)
    if infinite.any():
        i = int(infinite.argmax())
        raise ShapeError(f"prefix {i} holds an infinite reading; cut the prefix before it, or write NaN")
    lengths = _lengths(given)
    if (lengths > n_epoch).any():
        i = int((lengths > n_epoch).argmax())
        raise ShapeError(
            f"prefix {i} has {lengths[i]} epochs, the longest training curve {n_epoch}; cut it, or train on longer ones"
        )
    padded = np.full((len(given), n_epoch), np.nan)
    width = min(n_epoch, given.shape[1])
    padded[:, :width] = given[:, :width]
    return padded


def _matrix(prefixes: Any) -> Floats:
    """Return prefixes as a matrix as wide as the longest, NaN where they end."""
    try:
        if isinstance(prefixes, np.ndarray) and prefixes.ndim == 2:
            return np.asarray(prefixes, dtype=np.float64)
        rows = [np.asarray(row, dtype=np.float64).ravel() for row in prefixes]
        if any(np.ndim(row) == 0 for row in prefixes):
            raise ValueError("one prefix per configuration; put a single one in a list")
    except (TypeError, ValueError) as error:
        raise ShapeError(f"prefixes must be a matrix or a list of lists of numbers ({error})") from error
    matrix = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return matrix


def _lengths(prefixes: Floats) -> npt.NDArray[np.int64]:
    if prefixes.shape[1] == 0:
        return np.zeros(len(prefixes), dtype=np.int64)
    known = np.isfinite(prefixes)
    last = prefixes.shape[1] - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), last, 0).astype(np.int64)


def _targets(at: npt.ArrayLike | None, lengths: npt.NDArray[np.int64], n_epoch: int) -> npt.NDArray[np.int64]:
    """Return the wanted epoch of each prefix; None wants the last of training."""
    given = np.asarray(n_epoch if at is None else at)
    if given.ndim > 1 or (given.ndim == 1 and len(given) != len(lengths)) or not np.all(given == np.floor(given)):
        raise ShapeError(f"at must be one epoch, or one for each of {len(lengths)} prefixes, got {at!r}")
    targets = np.broadcast_to(given.astype(np.int64), lengths.shape).copy()
    wrong = (targets <= lengths) | (targets > n_epoch)
    if wrong.any():
        i = int(wrong.argmax())
        raise ShapeError(
            f"epoch {targets[i]} of prefix {i} is asked for; it must lie after its {lengths[i]} known epochs and at "
            f"most at {n_epoch}, the longest training curve"
        )
    return targets


def _checked_extra(trained: CurveSet, extra: npt.ArrayLike | None, prefixes: Floats) -> Floats | None:
    """Return extra series in the shape of training, zero where they are not known."""
    if trained.extra is None:
        if extra is not None:
            raise ShapeError("extra series came, but the training curves had none; leave them out")
        return None
    n_series = trained.extra.shape[2]
    if extra is None:
        raise ShapeError(f"the training curves had {n_series} extra series; give extra=, (n, n_epoch, {n_series})")
    array = np.asarray(extra, dtype=np.float64)
    if array.ndim != 3 or len(array) != len(prefixes) or array.shape[2] != n_series:
        raise ShapeError(f"extra series must have shape ({len(prefixes)}, n_epoch, {n_series}), got {array.shape}")
    full = np.zeros((*prefixes.shape, n_series))
    length = min(array.shape[1], prefixes.shape[1])
    full[:, :length] = np.nan_to_num(array[:, :length])
    beyond = np.arange(prefixes.shape[1]) >= _lengths(prefixes)[:, None]
    full[beyond] = 0.0
    return full
