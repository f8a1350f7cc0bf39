"""The interface that every learning-curve predictor shares: fit, predict, score, should_stop, save and load."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from at2.curves import saving
from at2.curves.batch import Batch, Question, ask, training_batch
from at2.curves.data import CurveSet
from at2.curves.prediction import LEVELS, CurvePrediction, Law
from at2.errors import FitError, PredictorError, ShapeError
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from at2.curves.batch import Configs

__all__ = ["CurvePredictor"]

Floats = npt.NDArray[np.float64]
State = dict[str, Any]


class CurvePredictor(ABC):
    """Predicts readings of learning curves from configurations and prefixes.

    Every question, a length of prefix and a wanted epoch, has a model of its own. The one of the question that the
    constructor names is made by `fit`, those of others when they are first asked, and then kept. Questions of any kind
    may be mixed in one call.

    The constructor's arguments are the predictor's parameters, as in scikit-learn.

    Args:
        prefix: Length of the prefix that `fit` prepares for, in epochs.
        at: Epoch that `fit` prepares for; None is the last one of the training curves.
        seed: Seed of everything random.
    """

    name: ClassVar[str] = "predictor"
    knows_uncertainty: ClassVar[bool] = False
    needs_prefix: ClassVar[bool] = True

    def __init__(self, *, prefix: int = 10, at: int | None = None, seed: int = 0) -> None:
        self.prefix = prefix
        self.at = at
        self.seed = seed
        self.curves_: CurveSet | None = None
        self._models: dict[Question, Any] = {}

    @abstractmethod
    def _fit_question(self, batch: Batch, answers: Floats) -> Any:
        """Make the model of one question from training curves that were cut as it asks, and their answers ``(n,)``."""

    @abstractmethod
    def _answer(self, model: Any, batch: Batch) -> Floats | Law:
        """Return expected readings ``(n,)``, or their distributions, of questions of one kind."""

    def _model_state(self, model: Any) -> State:
        """Return what a model consists of: JSON values, arrays and tensors by name."""
        return {}

    def _model_from_state(self, state: State) -> Any:
        """Make a model of what `_model_state` returned."""
        return None

    def _prepare(self, curves: CurveSet) -> None:
        """Do what all questions share, once the training curves are known."""
        self._optional: npt.NDArray[np.bool_] = np.asarray(np.isnan(curves.configs).any(axis=0), dtype=np.bool_)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in names}

    def set_params(self, **parameters: Any) -> Self:
        """Change constructor arguments; what was fitted is kept until the next `fit`.

        Raises:
            PredictorError: If there is no such parameter.
        """
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise PredictorError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def fit(
        self,
        curves: CurveSet | LearningCurveTable | npt.ArrayLike,
        configs: npt.ArrayLike | None = None,
        *,
        tasks: Sequence[str] = (),
        extra: npt.ArrayLike | None = None,
        maximize: bool = False,
    ) -> Self:
        """Learn from curves.

        Args:
            curves: A table, a `CurveSet`, or an array ``(n, n_epoch)`` of readings with NaN where there are none.
            configs: For an array only: encoded configurations, ``(n, n_column)``; None knows nothing of them.
            tasks: For an array only: the name of each curve's task.
            extra: For an array only: further series, ``(n, n_epoch, n_series)``.
            maximize: For an array only: whether larger readings are better.

        Raises:
            ShapeError: If there are fewer than two curves that the question can be asked of, or arrays do not fit.
            PredictorError: If the seed is no whole number from 0.
            FitError: If training leaves the finite numbers.
        """
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise PredictorError(f"seed must be a whole number from 0, got {self.seed!r}")
        given = _gather(curves, configs, tasks=tasks, extra=extra, maximize=maximize)
        n_known = int(np.isfinite(given.curves).any(axis=1).sum())
        if n_known < 2:
            raise ShapeError(
                f"{n_known} training curve(s) with a reading: at least 2 are wanted, and some dozens for intervals to "
                "be trusted"
            )
        at = given.n_epoch if self.at is None else self.at
        if not 0 <= self.prefix < at <= given.n_epoch:
            raise ShapeError(
                f"the predictor is for prefixes of {self.prefix} epochs and epoch {at}, but the longest training curve "
                f"has {given.n_epoch}; 0 <= prefix < at <= {given.n_epoch} is wanted"
            )
        self.curves_, self._models = given, {}
        self._prepare(given)
        if self.prefix > 0 or not self.needs_prefix:
            self._model(Question(self.prefix, at))
        return self

    def predict(
        self,
        configs: Configs,
        prefixes: npt.ArrayLike | Sequence[npt.ArrayLike],
        at: npt.ArrayLike | None = None,
        *,
        tasks: Sequence[str] | str | None = None,
        extra: npt.ArrayLike | None = None,
        levels: Sequence[float] = LEVELS,
    ) -> CurvePrediction:
        """Predict one reading of each curve.

        Args:
            configs: Encoded configurations ``(n, n_column)``, or dicts or a frame where training came with a space.
            prefixes: The readings so far: ``(n, length)`` with NaN at the end, or n lists of any lengths.
            at: The wanted epoch, or one for each; None wants the last epoch of the training curves.
            tasks: Names of the tasks; curves of a task that training knew are predicted with it in mind.
            extra: Further series, ``(n, length, n_series)``, where training had them.
            levels: Levels of the quantiles, between 0 and 1.

        Returns:
            Mean, standard deviation and quantiles, as measured. A predictor that knows no uncertainty gives NaN for
            the latter two.

        Raises:
            PredictorError: If nothing was fitted, or a prefix has no reading and this predictor needs one.
            ShapeError: If numbers of rows or columns differ, or an epoch lies out of reach.
            SpaceError: If a configuration is not one of the training's space.
        """
        if not all(0 < level < 1 for level in levels):
            raise ValueError(f"levels of quantiles must lie between 0 and 1, got {tuple(levels)}")
        batch = ask(self._fitted(), configs, prefixes, at, tasks=tasks, extra=extra)
        if self.needs_prefix and (batch.lengths == 0).any():
            i = int((batch.lengths == 0).argmax())
            raise PredictorError(
                f"prefix {i} has no reading, and {self.name!r} cannot do without; wait for the first epoch, or use "
                "the default predictor, which then answers from the configuration alone"
            )
        parts = [(rows, self._answer(self._model(question), batch.take(rows))) for question, rows in batch.questions()]
        return _join(parts, len(batch), levels)

    def score(
        self,
        configs: Configs,
        prefixes: npt.ArrayLike | Sequence[npt.ArrayLike],
        readings: npt.ArrayLike,
        at: npt.ArrayLike | None = None,
        *,
        tasks: Sequence[str] | str | None = None,
        extra: npt.ArrayLike | None = None,
    ) -> float:
        """Return the coefficient of determination of the expected readings, 1 at best; NaN for a single reading.

        Where all readings are equal it is 1 if the predictions are too, else 0, as in scikit-learn.

        Raises:
            ShapeError: If there is not one finite reading for each prefix.
        """
        mean = self.predict(configs, prefixes, at, tasks=tasks, extra=extra).mean
        truth = np.asarray(readings, dtype=np.float64)
        if truth.shape != mean.shape or not np.isfinite(truth).all():
            raise ShapeError(f"{len(mean)} finite readings are wanted, one for each prefix; got shape {truth.shape}")
        if len(truth) < 2:
            return float("nan")
        error, spread = float(np.square(mean - truth).sum()), float(np.square(truth - truth.mean()).sum())
        return 1 - error / spread if spread > 0 else float(error == 0)

    def should_stop(
        self,
        config: Mapping[str, Any] | npt.ArrayLike,
        prefix: npt.ArrayLike,
        best_so_far: float | None,
        *,
        probability: float = 0.05,
        at: int | None = None,
        task: str | None = None,
        extra: npt.ArrayLike | None = None,
    ) -> bool:
        """Tell whether a training is probably hopeless: it will hardly beat the best reading so far.

        Args:
            config: Its configuration.
            prefix: Its readings so far.
            best_so_far: The best final reading of any training so far, as measured; None, before any, never stops.
            probability: Stop when the probability of beating that is at most this.
            at: The epoch at which it would end; None is the last of the training curves.
            task: Name of its task.
            extra: Its further series, ``(length, n_series)``.

        Raises:
            PredictorError: If this predictor knows no uncertainty.
        """
        if not 0 <= probability < 1:
            raise ValueError(f"probability must lie in [0, 1), got {probability}")
        if best_so_far is None:
            return False
        return self.probability_of_beating(config, prefix, best_so_far, at=at, task=task, extra=extra) <= probability

    def probability_of_beating(
        self,
        config: Mapping[str, Any] | npt.ArrayLike,
        prefix: npt.ArrayLike,
        best_so_far: float,
        *,
        at: int | None = None,
        task: str | None = None,
        extra: npt.ArrayLike | None = None,
    ) -> float:
        """Return the probability that a training ends better than a value; arguments as in `should_stop`."""
        if not np.isfinite(best_so_far):
            raise ValueError(f"best_so_far must be a finite reading, got {best_so_far}")
        one = [config] if isinstance(config, Mapping) else np.asarray(config, dtype=np.float64)[None]
        further = None if extra is None else np.asarray(extra, dtype=np.float64)[None]
        law = self.predict(one, [prefix], at, tasks=task, extra=further).law
        if law is None:
            raise PredictorError(f"{self.name!r} knows no uncertainty; use one that does, such as the default")
        below = float(law.probability_below([best_so_far])[0])
        return 1 - below if self._fitted().maximize else below

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor to one file of tensors and JSON, whole or not at all.

        Raises:
            PredictorError: If nothing was fitted.
            FileError: If the file cannot be written.
        """
        models = [(question, self._model_state(model)) for question, model in self._models.items()]
        saving.write(path, self.name, self.get_params(), self._fitted(), models)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a predictor that `save` wrote; nothing in the file is run.

        Raises:
            FileError: If the file cannot be read.
            CorruptFileError: If it is damaged, or holds another kind of predictor.
        """
        saved = saving.read(path, cls.name)
        predictor = cls(**saved.parameters)
        predictor.curves_ = saved.curves
        predictor._prepare(saved.curves)
        predictor._models = {question: predictor._model_from_state(state) for question, state in saved.models}
        return predictor

    def _fitted(self) -> CurveSet:
        if self.curves_ is None:
            raise PredictorError(f"this {type(self).__name__} is not fitted; call fit(curves, configs) first")
        return self.curves_

    def _model(self, question: Question) -> Any:
        """Return the model of a question; it is made if it was never asked."""
        if question not in self._models:
            batch, answers = training_batch(self._fitted(), question)
            try:
                self._models[question] = self._fit_question(batch, answers)
            except (np.linalg.LinAlgError, FloatingPointError) as error:
                raise FitError(
                    f"{self.name!r} found no finite model for prefixes of {question.length} epochs ({error}); check "
                    "the training curves for readings of other sizes, or choose another scaling"
                ) from error
        return self._models[question]


def _gather(curves: Any, configs: Any, *, tasks: Sequence[str], extra: Any, maximize: bool) -> CurveSet:
    """Return training curves from whatever was given."""
    if isinstance(curves, CurveSet | LearningCurveTable):
        if configs is not None or tasks or extra is not None:
            raise ShapeError("a table or CurveSet brings its own configs, tasks and extra series; leave them out")
        return curves if isinstance(curves, CurveSet) else CurveSet.from_table(curves)
    try:
        array = np.asarray(curves, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"curves must be a table, a CurveSet or a matrix of numbers ({error})") from error
    known = np.zeros((len(array), 0)) if configs is None else np.asarray(configs, dtype=np.float64)
    series = None if extra is None else np.asarray(extra, dtype=np.float64)
    return CurveSet(known, array, tuple(tasks), series, maximize)


def _join(parts: list[tuple[Any, Any]], n: int, levels: Sequence[float]) -> CurvePrediction:
    """Put the answers to all kinds of questions into the order in which they were asked."""
    if parts and isinstance(parts[0][1], Law):
        fields = {}
        for name in ("location", "scale", "freedom", "low", "high"):
            fields[name] = np.empty(n)
            for rows, law in parts:
                fields[name][rows] = getattr(law, name)
        return CurvePrediction.from_law(Law(warp=parts[0][1].warp, **fields), levels)
    mean = np.empty(n)
    for rows, answer in parts:
        mean[rows] = answer
    return CurvePrediction.point(mean, levels)
