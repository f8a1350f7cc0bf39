"""One training under control: what an action does to it, what is measured, and what ends it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from at2.control.data import instance_task
from at2.control.features import Discounted, log_variance, sign_agreement
from at2.control.observation import NAMES
from at2.control.probe import ChangeProbe
from at2.training import Training, build_network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from at2.control.config import EnvConfig
    from at2.control.instance import SGDInstance
    from at2.training import BatchResult, Scores

N_SAMPLE = 16
"""Samples of a mini-batch that the predictive change variance is taken over."""

EVERY = 2
"""In step mode the predictive change variance is taken on every second mini-batch, from the first on: it costs as much
as a sixth of the training, and its running statistics look back over some ten anyway."""


class Episode:
    """One training of an instance, advanced step by step.

    Args:
        instance: What is trained.
        config: How.
        seed: Seed of the episode; with the instance's seed it decides the first weights and the order of batches.

    Attributes:
        training: The training itself, with ``network`` and ``optimizer``.
        n_steps: Steps done.
        cutoff_steps: Steps after which the episode is truncated.
        values: The observation's entries by name, always finite.
        crashed: Whether a loss or a parameter has left the finite numbers.
        validation: Scores at the last end of an epoch; before the first one those of the first weights.
        previous_validation: Scores at the one before.
        validated: Whether the last step validated.
        test: Scores on the test images once the episode is truncated.
    """

    def __init__(self, instance: SGDInstance, config: EnvConfig, *, seed: int) -> None:
        self.instance, self.config = instance, config
        task = instance_task(instance)
        init_seed, batch_seed = np.random.SeedSequence([instance.seed, seed]).generate_state(2).tolist()
        network = build_network(
            instance.model, channels=task.channels, size=task.size, n_classes=task.n_classes, seed=init_seed
        ).to(config.device)
        self._flat = _flatten(network)
        self._update = torch.empty_like(self._flat)
        self._views = _views(self._update, network)
        self._signs: Tensor | None = None
        self._probe = ChangeProbe(network, n_sample=N_SAMPLE)
        optimizer = instance.build_optimizer(network.parameters())
        self.training = Training(
            task, network, optimizer, batch_size=instance.batch_size, seed=batch_seed, device=config.device
        )
        self._change, self._disagreement = Discounted(config.discount), Discounted(config.discount)
        n_batch = 1 if config.mode == "epoch" else self.training.batches_per_epoch
        self.cutoff_steps = config.cutoff_steps or instance.cutoff * n_batch
        self.n_steps, self.crashed, self.validated, self.test = 0, False, False, None
        self.values = dict.fromkeys(NAMES, 0.0)
        self._begin()

    test: Scores | None

    def _begin(self) -> None:
        """Measure the first weights."""
        self.validation = self.previous_validation = self.training.evaluate(self.training.task.validation)
        first = self.training.task.train.head(self.instance.batch_size).to(self.config.device)
        self.training.network.eval()
        with torch.no_grad():
            losses = functional.cross_entropy(self.training.network(first.images), first.labels, reduction="none")
        self.training.network.train()
        self._disagreement.add(log_variance(losses))
        self._show(float(losses.mean()))

    @property
    def is_over(self) -> bool:
        """Whether the episode has ended: by a crash, or by the cutoff."""
        return self.crashed or self.n_steps >= self.cutoff_steps

    def advance(self, lr: float, momentum: float | None = None) -> None:
        """Set the learning rate, and momentum if there is one, and train one epoch or one mini-batch."""
        self.training.lr = lr
        if momentum is not None:
            self.training.momentum = momentum
        self.n_steps += 1
        self.validated = False
        self.values |= {"step": float(self.n_steps), "learning_rate": lr}
        loss = self._run_epoch() if self.config.mode == "epoch" else self._run_batch()
        if self.crashed:
            self.values["crashed"] = 1.0
        else:
            self._show(loss)

    def _run_epoch(self) -> float:
        """Train to the end of the pass; gives the mean loss of its samples."""
        start = self._flat.clone()
        total, n_sample = 0.0, 0
        for _ in range(self.training.batches_per_epoch - 1):
            result = self.training.run_batch()
            total, n_sample = total + result.loss * len(result.labels), n_sample + len(result.labels)
            if not math.isfinite(total):
                self.crashed = True
                return math.nan
        result = self._last_batch(is_watched=True)
        self._finish(result, is_watched=True)
        if not self.crashed:
            self._align(self._flat - start)
        return (total + result.loss * len(result.labels)) / (n_sample + len(result.labels))

    def _run_batch(self) -> float:
        """Train one mini-batch; gives its mean loss."""
        is_watched = self.n_steps % EVERY == 1
        result = self._last_batch(is_watched=is_watched)
        self._finish(result, is_watched=is_watched)
        if not self.crashed:
            self._align(self._update)
        return result.loss

    def _last_batch(self, *, is_watched: bool) -> BatchResult:
        """Train the step's last mini-batch and keep what its features need; ``_update`` becomes its update."""
        self._update.copy_(self._flat)
        if is_watched:
            self._probe.watch()
        result = self.training.run_batch()
        self._probe.ignore()
        torch.sub(self._flat, self._update, out=self._update)
        return result

    def _finish(self, result: BatchResult, *, is_watched: bool) -> None:
        """Look for a crash; else take the features of the last mini-batch, and validate at the end of an epoch."""
        self.crashed = not (result.finite and _all_finite(self._flat))
        if self.crashed:
            return
        measured = [(self._disagreement, log_variance(result.losses()))]
        if is_watched:
            measured.append((self._change, log_variance(self._probe.changes(self._views))))
        if result.ends_pass or self.n_steps == self.cutoff_steps:
            self._validate()
        self.crashed = self.crashed or not all(math.isfinite(value) for _, value in measured)
        if not self.crashed:
            for statistic, value in measured:
                statistic.add(value)

    def _validate(self) -> None:
        """Take the validation scores, and at the cutoff those of the test."""
        scores = self.training.evaluate(self.training.task.validation)
        self.crashed = not math.isfinite(scores.loss)
        if self.crashed:
            return
        self.previous_validation, self.validation, self.validated = self.validation, scores, True
        if self.n_steps >= self.cutoff_steps:
            test = self.training.evaluate(self.training.task.test)
            self.crashed = not math.isfinite(test.loss)
            self.test = None if self.crashed else test

    def _align(self, update: Tensor) -> None:
        signs = update.sign()
        self.values["alignment"] = 0.0 if self._signs is None else sign_agreement(signs, self._signs)
        self._signs = signs

    def _show(self, training_loss: float) -> None:
        self.values |= {
            "predictive_change_var_average": self._change.average,
            "predictive_change_var_uncertainty": self._change.uncertainty,
            "loss_var_average": self._disagreement.average,
            "loss_var_uncertainty": self._disagreement.uncertainty,
            "learning_rate": self.training.lr,
            "training_loss": training_loss,
            "validation_loss": self.validation.loss,
        }


def _all_finite(row: Tensor) -> bool:
    """Say whether all numbers are finite; a finite sum, which is quick to take, shows it."""
    return math.isfinite(float(row.sum())) or bool(row.isfinite().all())


def _flatten(network: nn.Module) -> Tensor:
    """Lay all parameters side by side in one row, of which they become views, so that a step handles them as one."""
    parameters = list(network.parameters())
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    for parameter, view in zip(parameters, _views(flat, network), strict=True):
        parameter.data = view
    return flat


def _views(flat: Tensor, network: nn.Module) -> list[Tensor]:
    """Cut a row of numbers into the shapes of the network's parameters."""
    parameters = list(network.parameters())
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]
