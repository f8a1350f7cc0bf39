"""The default predictor: a Gaussian process and a committee of networks, combined by what they got right unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from at2.curves.batch import Batch
from at2.curves.committee import Committee, Members, fit_committee
from at2.curves.data import CurveSet
from at2.curves.features import config_columns, extra_columns, plain_readings, summary
from at2.curves.prediction import Law
from at2.curves.predictor import CurvePredictor, Floats, State
from at2.curves.process import CurveProcess, ProcessInputs, cross_validate, fit_process
from at2.curves.verdict import Answers, Verdict, fit_verdict
from at2.curves.warp import choose_curve_warp
from at2.errors import ShapeError

__all__ = ["DefaultPredictor"]

_LEAST_CURVES = 8
_MANY_CURVES = 800
_HALF_KNOWN = 20.0  # with this many curves of its own, a task counts as half known


@dataclass(frozen=True)
class DefaultModel:
    """What is known about one question.

    Args:
        shift: Mean of the features, ``(d,)``.
        unit: Their standard deviations.
        target_shift: Mean of the changes to come, on the warped line.
        target_unit: Their standard deviation.
        low: Least location-scale value that readings are believed to reach on the warped line.
        high: Largest one.
        process: The Gaussian process.
        committee: The networks.
        known: How far to trust them on a task that training knew.
        fresh: The same on a task that it did not know; equal to `known` where training had one task.
    """

    shift: Tensor
    unit: Tensor
    target_shift: float
    target_unit: float
    low: float
    high: float
    process: CurveProcess
    committee: Committee
    known: Verdict
    fresh: Verdict


class DefaultPredictor(CurvePredictor):
    """A Gaussian process and a committee of small networks on a summary of the prefix, with calibrated intervals.

    Both predict the change from the last reading, on the log of losses or the log odds of shares. What they say of
    training curves that they did not see decides how much each counts, how wide the distribution is where, and how
    heavy its tails are. A prefix without any reading is answered from the configuration alone.

    Trained on several tasks, the process has a part of its own for each task; a task that training did not know is
    judged by how well it did on whole tasks left out.

    Args:
        prefix: Length of the prefix that `fit` prepares for, in epochs.
        at: Epoch that `fit` prepares for; None is the last one.
        seed: Seed of samples, weights and order.
        n_step: Training steps of the committee.
    """

    name: ClassVar[str] = "default"
    knows_uncertainty: ClassVar[bool] = True
    needs_prefix: ClassVar[bool] = False

    def __init__(self, *, prefix: int = 10, at: int | None = None, seed: int = 0, n_step: int = 1500) -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        self.n_step = n_step

    def _prepare(self, curves: CurveSet) -> None:
        super()._prepare(curves)
        self._warp = choose_curve_warp(curves.curves, maximize=curves.maximize)
        names = sorted(set(curves.tasks))
        self._task_number = {name: i for i, name in enumerate(names, start=1)}
        self._n_curves = {name: curves.tasks.count(name) for name in names}

    def _fit_question(self, batch: Batch, answers: Floats) -> DefaultModel:
        if len(batch) < _LEAST_CURVES:
            raise ShapeError(
                f"{len(batch)} training curve(s) reach epoch {int(batch.at[0])}: the default predictor wants at least "
                f"{_LEAST_CURVES} to learn from, and some dozens for its intervals to be trusted; use 'last' until then"
            )
        features, last = self._features(batch)
        latent = self._warp.forward(answers)
        change = torch.from_numpy(latent - last)
        shift, unit = _scale(torch.from_numpy(features))
        target_shift, target_unit = float(change.mean()), max(float(change.std()), 1e-6)
        inputs = self._inputs(features, batch, shift, unit)
        targets = (change - target_shift) / target_unit
        process = fit_process(inputs, targets, seed=self.seed)
        committee = fit_committee(inputs, targets, seed=self.seed, n_step=self.n_step)
        room = 0.1 * float(np.ptp(latent)) + 1e-6
        low, high = float(latent.min()) - room, float(latent.max()) + room

        def readings(answers: Tensor) -> Tensor:
            line = last[process.rows.numpy()] + target_shift + target_unit * answers.numpy()
            return torch.from_numpy(self._warp.inverse(np.clip(line, low, high)))

        known, fresh = _verdicts(process, committee, readings, seed=self.seed)
        return DefaultModel(shift, unit, target_shift, target_unit, low, high, process, committee, known, fresh)

    def _answer(self, model: DefaultModel, batch: Batch) -> Law:
        self._check_unit(batch)
        features, last = self._features(batch)
        inputs = self._inputs(features, batch, model.shift, model.unit)
        answers = Answers(*model.process.predict(inputs), model.committee.predict(inputs))
        location, scale, freedom = model.known.judge(answers)
        if len(self._task_number) > 1:
            share = self._share_known(batch)
            fresh_location, fresh_scale, fresh_freedom = model.fresh.judge(answers)
            location = share * location + (1 - share) * fresh_location
            scale = (share * scale.log() + (1 - share) * fresh_scale.log()).exp()
            freedom = min(freedom, fresh_freedom)
        centre = last + model.target_shift + model.target_unit * location.numpy()
        return Law(
            np.clip(centre, model.low, model.high),
            model.target_unit * scale.numpy(),
            np.full(len(batch), freedom),
            self._warp,
            np.full(len(batch), model.low),
            np.full(len(batch), model.high),
        )

    def _check_unit(self, batch: Batch) -> None:
        """Raise where a share is read in per cent, or the other way round."""
        low, high = self._warp.low, self._warp.high
        outside = (batch.prefixes < low) | (batch.prefixes > high)
        if self._warp.kind == "logit" and outside.any():
            raise ShapeError(
                f"a prefix holds the reading {batch.prefixes[outside][0]:g}, but the training curves are shares from "
                f"{low:g} to {high:g}; give it in their unit"
            )

    def _features(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return the features ``(n, d)``, and the last warped readings (0 where there are none)."""
        columns = config_columns(batch.configs, optional=self._optional)
        readings = self._warp.forward(plain_readings(batch))
        if readings.shape[1] == 0:
            return columns, np.zeros(len(batch))
        return np.hstack([columns, summary(readings), extra_columns(batch)]), readings[:, -1]

    def _inputs(self, features: Floats, batch: Batch, shift: Tensor, unit: Tensor) -> ProcessInputs:
        scaled = (torch.from_numpy(features) - shift) / unit
        if len(self._task_number) < 2:
            return ProcessInputs(scaled, torch.zeros(len(batch), dtype=torch.int64))
        names = batch.tasks or ("",) * len(batch)
        return ProcessInputs(scaled, torch.tensor([self._task_number.get(name, -1) for name in names]))

    def _share_known(self, batch: Batch) -> Tensor:
        """Return how far each one's task is known: 0 for a new one, towards 1 with its number of curves."""
        counts = [float(self._n_curves.get(name, 0)) for name in batch.tasks or ("",) * len(batch)]
        n = torch.tensor(counts, dtype=torch.float64)
        return n / (n + _HALF_KNOWN)

    def _model_state(self, model: DefaultModel) -> State:
        numbers = {name: getattr(model, name) for name in ("target_shift", "target_unit", "low", "high")}
        inputs = model.process.inputs
        weights = {f"members.{name}": value for name, value in model.committee.members.state_dict().items()}
        return {
            **numbers,
            **weights,
            "shift": model.shift,
            "unit": model.unit,
            "features": inputs.features,
            "tasks": inputs.tasks,
            "targets": model.process.targets,
            "kernel": model.process.parameters,
            "known": model.known.parameters,
            "fresh": model.fresh.parameters,
            "widening": [model.known.widening, model.fresh.widening],
            "least": [model.known.least, model.fresh.least],
        }

    def _model_from_state(self, state: State) -> DefaultModel:
        inputs = ProcessInputs(state["features"], state["tasks"])
        least = state.get("least", [0.0, 0.0])  # not in files of older versions
        members = Members(inputs.features.shape[1])
        members.load_state_dict({k.removeprefix("members."): v for k, v in state.items() if k.startswith("members.")})
        return DefaultModel(
            state["shift"],
            state["unit"],
            state["target_shift"],
            state["target_unit"],
            state["low"],
            state["high"],
            CurveProcess(inputs, state["targets"], state["kernel"]),
            Committee(members, torch.zeros(0)),
            *(Verdict(state[name], state["widening"][i], least[i]) for i, name in enumerate(("known", "fresh"))),
        )


def _verdicts(
    process: CurveProcess, committee: Committee, readings: Callable[[Tensor], Tensor], *, seed: int
) -> tuple[Verdict, Verdict]:
    """Learn from training curves left out one by one or in parts, and from tasks left out as a whole."""
    outside = committee.outside[process.rows]
    few = len(process.targets) < _MANY_CURVES  # then the parameters know each curve, and leaving it out is not enough
    unseen = cross_validate(process.inputs, process.targets, seed=seed) if few else process.leave_one_out()
    known = fit_verdict(Answers(*unseen, outside), process.targets, readings=readings)
    if int(process.inputs.tasks.max()) == 0:
        return known, known
    fresh = Answers(*process.leave_task_out(), outside)
    return known, fit_verdict(fresh, process.targets, readings=readings)


def _scale(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each feature; 1 where it never changes."""
    unit = features.std(0)
    return features.mean(0), torch.where(unit > 1e-9, unit, 1.0)
