"""An episode's features and losses against the same training done by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from at2.control import EnvConfig, SGDInstance
from at2.control.episode import EVERY, N_SAMPLE, Episode
from at2.control.features import Discounted
from at2.training import Training, build_network


def _by_hand(instance: SGDInstance, episode: Episode, seed: int) -> Training:
    """The same training from the same seeds, without an environment."""
    init_seed, batch_seed = np.random.SeedSequence([instance.seed, seed]).generate_state(2).tolist()
    task = episode.training.task
    network = build_network(instance.model, channels=1, size=8, n_classes=task.n_classes, seed=init_seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=instance.lr)
    return Training(task, network, optimizer, batch_size=instance.batch_size, seed=batch_seed)


def _log_var(values: torch.Tensor) -> float:
    return math.log(float(values.double().var(correction=0)))


def test_step_mode_shows_the_features_of_the_paper(tiny: SGDInstance) -> None:
    episode = Episode(tiny, EnvConfig(mode="step"), seed=4)
    training = _by_hand(tiny, episode, seed=4)
    network, names = training.network, [name for name, _ in training.network.named_parameters()]
    first = training.task.train.head(tiny.batch_size)
    with torch.no_grad():
        start = functional.cross_entropy(network(first.images), first.labels, reduction="none")
    disagreement, change = Discounted(), Discounted()
    disagreement.add(_log_var(start))
    assert episode.values["training_loss"] == pytest.approx(float(start.mean()), rel=1e-5)
    previous: torch.Tensor | None = None
    for step in range(1, 4):
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        images: list[torch.Tensor] = []
        handle = network.register_forward_hook(lambda _, inputs, __, kept=images: kept.append(inputs[0]))
        training.lr = 0.01
        result = training.run_batch()
        handle.remove()
        episode.advance(0.01)
        updates = [p.detach() - before[name] for name, p in network.named_parameters()]

        def losses(
            parameters: dict[str, torch.Tensor], batch: torch.Tensor = images[0], labels: torch.Tensor = result.labels
        ) -> torch.Tensor:
            logits = torch.func.functional_call(network, parameters, (batch,))
            return functional.cross_entropy(logits, labels, reduction="none")

        f, df = torch.func.jvp(losses, (before,), (dict(zip(names, updates, strict=True)),))
        disagreement.add(_log_var(f))
        if step % EVERY == 1:
            change.add(_log_var(df[:N_SAMPLE]))
        row = torch.cat([update.reshape(-1) for update in updates]).sign()
        alignment = 0.0 if previous is None else float((row * previous).mean())
        previous = row
        assert episode.values["training_loss"] == pytest.approx(float(f.mean()), rel=1e-5)
        assert episode.values["loss_var_average"] == pytest.approx(disagreement.average, abs=1e-4)
        assert episode.values["loss_var_uncertainty"] == pytest.approx(disagreement.uncertainty, abs=1e-4)
        assert episode.values["predictive_change_var_average"] == pytest.approx(change.average, abs=1e-3)
        assert episode.values["predictive_change_var_uncertainty"] == pytest.approx(change.uncertainty, abs=1e-2)
        assert episode.values["alignment"] == pytest.approx(alignment, abs=1e-3)


def test_epoch_mode_does_the_very_training_of_the_bare_loop(tiny: SGDInstance) -> None:
    episode = Episode(tiny, EnvConfig(), seed=1)
    training = _by_hand(tiny, episode, seed=1)
    for lr in (0.02, 0.005):
        training.lr = lr
        result = training.run_epoch()
        episode.advance(lr)
        assert episode.validation.loss == pytest.approx(result.validation.loss, rel=1e-6)
    assert episode.test is not None
    assert episode.test.loss == pytest.approx(result.test.loss, rel=1e-6)


def test_a_loss_that_overflows_in_validation_is_a_crash(tiny: SGDInstance) -> None:
    episode = Episode(tiny, EnvConfig(), seed=1)
    with torch.no_grad():
        for parameter in episode.training.network.parameters():
            parameter.fill_(1e30)
    episode.advance(0.01)
    assert episode.crashed
    assert all(math.isfinite(value) for value in episode.values.values())
