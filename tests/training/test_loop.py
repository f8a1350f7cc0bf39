"""The loop: it learns, it goes on bit for bit, it refuses what is not its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from at2.errors import At2Error, CheckpointError, CorruptFileError, DeviceError, FileError, TaskError
from at2.training import DoublingTriangular, ImageTask, Training, build_network
from at2.training.results import rank_of_truth
from at2.training.tunable import TunableTraining

CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {
        "batch_size": 32,
        "model": "small-plain",
        "optimizer": "adam",
        "lr": 3e-3,
        "beta_0": 0.9,
        "beta_1": 0.99,
        "weight_decay": 1e-4,
        "scheduler": "CosineAnnealingWarmRestarts",
        "t_0": 2,
        "t_mult": 2,
        "eta_min": 2e-3,
    },
    "residual": {
        "batch_size": 48,
        "model": "small-residual",
        "optimizer": "momentum",
        "lr": 0.02,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "scheduler": "CyclicLR",
        "gamma": 0.3,
        "max_lr": 0.025,
        "step_size_up": 2,
    },
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return CONFIGS[request.param]


def _same(a: Training, b: Training) -> bool:
    pairs = zip(a.network.state_dict().values(), b.network.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_it_learns(task: ImageTask) -> None:
    training = Training.from_config(task, CONFIGS["plain"], seed=0)
    results = [training.run_epoch() for _ in range(8)]
    assert results[-1].validation.top1 > 0.8
    assert results[-1].batches["cross_entropy"].mean() < results[0].batches["cross_entropy"].mean()
    assert results[-1].epoch == training.epoch == 8
    assert training.n_step == 8 * training.batches_per_epoch
    assert not results[-1].diverged


def test_a_pass_uses_each_image_once_and_leaves_out_a_lone_one(task: ImageTask) -> None:
    seen: list[int] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            logits: torch.Tensor = self.layer(x.flatten(1))
            return logits

    task = task.with_train(101)
    network = Counting()
    training = Training(task, network, torch.optim.SGD(network.parameters(), lr=0.1), batch_size=50, seed=0)
    while not training.run_batch().ends_pass:
        pass
    assert seen == [50, 50]
    training = Training(task, network, torch.optim.SGD(network.parameters(), lr=0.1), batch_size=40, seed=0)
    assert training.batches_per_epoch == 3
    assert training.run_epoch().batches["top1"].shape == (3,)
    training = Training(
        task, network, torch.optim.SGD(network.parameters(), lr=0.1), batch_size=40, seed=0, drop_last=True
    )
    assert training.batches_per_epoch == 2


def test_it_goes_on_bit_for_bit(task: ImageTask, config: dict[str, Any], tmp_path: Path) -> None:
    one = Training.from_config(task, config, seed=3)
    for _ in range(2):
        one.run_epoch()
    one.save(tmp_path / "checkpoint")
    other = Training.from_config(task, config, seed=3)
    other.restore(tmp_path / "checkpoint")
    for _ in range(3):
        a, b = one.run_epoch(), other.run_epoch()
        assert a.validation.loss == b.validation.loss
        assert all(np.array_equal(a.batches[name], b.batches[name]) for name in a.batches)
    assert _same(one, other)
    assert one.lr == other.lr


def test_it_goes_on_within_a_pass(task: ImageTask, tmp_path: Path) -> None:
    one = Training.from_config(task, CONFIGS["residual"], seed=3)
    for _ in range(one.batches_per_epoch + 3):
        one.run_batch()
    one.save(tmp_path / "checkpoint")
    other = Training.from_config(task, CONFIGS["residual"], seed=3)
    other.restore(tmp_path / "checkpoint")
    assert (other.epoch, other.batches_done) == (1, 3)
    a, b = one.run_epoch(), other.run_epoch()
    assert len(b.batches["cross_entropy"]) == other.batches_per_epoch
    assert all(np.array_equal(a.batches[name], b.batches[name]) for name in a.batches)
    assert _same(one, other)


_ELSEWHERE = """
import json, sys
from at2.training import Training, load_task
task = load_task("digits-low").with_train(150)
training = Training.from_config(task, json.loads(sys.argv[1]), seed=3)
training.restore(sys.argv[2])
training.run_epoch()
training.save(sys.argv[2])
"""


def test_it_goes_on_in_another_process(task: ImageTask, tmp_path: Path) -> None:
    import json

    config, path = CONFIGS["residual"], tmp_path / "checkpoint"
    one = Training.from_config(task, config, seed=3)
    one.run_epoch()
    one.save(path)
    subprocess.run([sys.executable, "-c", _ELSEWHERE, json.dumps(config), str(path)], check=True, timeout=60)
    one.run_epoch()
    other = Training.from_config(task, config, seed=3)
    other.restore(path)
    assert _same(one, other)
    assert torch.equal(one.state()["generator"], other.state()["generator"])


def test_dropout_draws_from_the_runs_own_stream(task: ImageTask, tmp_path: Path) -> None:
    def build() -> Training:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 5))
        return Training(task, network, torch.optim.SGD(network.parameters(), lr=0.1), batch_size=32, seed=1)

    one = build()
    one.run_epoch()
    one.save(tmp_path / "checkpoint")
    one.run_epoch()
    other = build()
    other.restore(tmp_path / "checkpoint")
    torch.rand(7)  # somebody else draws
    before = torch.get_rng_state()
    other.run_epoch()
    assert _same(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_population_members_can_take_over_anothers_state(task: ImageTask) -> None:
    one, other = (Training.from_config(task, CONFIGS["residual"], seed=seed) for seed in (0, 1))
    one.run_epoch()
    other.load_state(one.state())
    other.lr, other.momentum = 0.5, 0.25
    assert _same(one, other)
    assert (one.lr != 0.5, other.lr, other.momentum) == (True, 0.5, 0.25)
    other.run_epoch()
    assert not _same(one, other)


def test_smoothing_penalty_and_a_schedule_for_each_batch_are_those_of_a_plain_loop(task: ImageTask) -> None:
    def network() -> nn.Module:
        return build_network("patch-4x10", channels=1, size=8, n_classes=5, seed=0)

    ours, plain = network(), network()
    optimizer = torch.optim.SGD(ours.parameters(), lr=1.0)
    schedule = DoublingTriangular(optimizer, low=0.01, high=0.1, n_s=2, cycles=1)
    training = Training(
        task,
        ours,
        optimizer,
        scheduler=schedule,
        per_batch_schedule=True,
        batch_size=100,
        seed=0,
        label_smoothing=0.1,
        l2=0.003,
    )
    generator = torch.Generator().manual_seed(0)
    rates = iter([0.01, 0.055, 0.1, 0.055])
    sgd = torch.optim.SGD(plain.parameters(), lr=1.0)
    for _ in range(2):
        order = torch.randperm(len(task.train), generator=generator)
        for index in order.split(100):
            sgd.param_groups[0]["lr"] = next(rates)
            sgd.zero_grad()
            loss = functional.cross_entropy(
                plain(task.train.images[index]), task.train.labels[index], label_smoothing=0.1
            )
            result = training.run_batch()
            assert result.loss == pytest.approx(loss.item(), rel=1e-5)
            penalty = sum((p**2).sum() for p in plain.parameters() if p.ndim > 1)
            (loss + 0.003 * penalty).backward()
            sgd.step()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_ranks_are_those_of_topk() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(200, 12), torch.randint(0, 12, (200,))
    ranks = rank_of_truth(logits, labels)
    for k in (1, 5, 10):
        right = (logits.topk(k).indices == labels[:, None]).any(1)
        assert torch.equal(ranks < k, right)
    assert (rank_of_truth(torch.full((3, 12), float("nan")), torch.zeros(3, dtype=torch.long)) == 11).all()


def test_divergence_is_seen(task: ImageTask) -> None:
    network = build_network("small-plain", channels=1, size=8, n_classes=5, seed=0)
    training = Training(task, network, torch.optim.SGD(network.parameters(), lr=1e9), batch_size=32, seed=0)
    result = training.run_epoch()
    assert result.diverged
    assert result.validation.top1 <= 0.5
    assert not training.run_batch().finite


def test_metrics_of_ones_own(task: ImageTask) -> None:
    training = Training.from_config(task, CONFIGS["plain"], seed=0)
    extra = {"error": lambda logits, labels: float((logits.argmax(1) != labels).float().mean())}
    result = training.run_epoch(extra=extra)
    assert result.validation.extra["error"] == pytest.approx(1 - result.validation.top1)

    def broken(logits: torch.Tensor, labels: torch.Tensor) -> float:
        raise ZeroDivisionError("no images")

    with pytest.raises(At2Error, match="the metric 'mine' raised ZeroDivisionError: no images"):
        training.run_epoch(extra={"mine": broken})


@pytest.mark.parametrize("build", [Training.from_config, lambda task, config, **more: TunableTraining(task, **more)])
def test_a_device_that_is_not_there(task: ImageTask, build: Any) -> None:
    with pytest.raises(DeviceError, match=r"cannot compute on device 'abacus' here \(.*\); there are 'cpu'"):
        build(task, CONFIGS["plain"], seed=0, device="abacus")


def test_fewer_images_than_a_batch(task: ImageTask) -> None:
    with pytest.raises(TaskError, match=r"'digits-low' has 20 training images, fewer than a batch of 32"):
        Training.from_config(task.with_train(20), CONFIGS["plain"], seed=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"lr": 1e-3}, r"config: lr is 0\.003 there and 0\.001 here"), ({}, r"seed is 0 there and 1 here")],
)
def test_a_checkpoint_of_another_training(task: ImageTask, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "checkpoint"
    config = {**CONFIGS["plain"], "eta_min": 9e-4, "lr": 1e-3} if change else CONFIGS["plain"]
    Training.from_config(task, {**CONFIGS["plain"]}, seed=0).save(path)
    with pytest.raises(CheckpointError, match=rf"{path}: is a checkpoint of another training: {said}"):
        Training.from_config(task, config, seed=0 if change else 1).restore(path)


def test_a_damaged_checkpoint(task: ImageTask, tmp_path: Path) -> None:
    path, training = tmp_path / "checkpoint", Training.from_config(task, CONFIGS["plain"], seed=0)
    with pytest.raises(FileError, match="cannot be read"):
        training.restore(path)
    training.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match="not a whole checkpoint"):
        training.restore(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(CorruptFileError, match="not a checkpoint of at2"):
        training.restore(path)


def test_a_full_disk_leaves_the_former_checkpoint(
    task: ImageTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    path, training = tmp_path / "checkpoint", Training.from_config(task, CONFIGS["plain"], seed=0)
    training.save(path)
    former = path.read_bytes()

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    training.run_epoch()
    with pytest.raises(FileError, match=r"checkpoint: cannot be written: the disk is full"):
        training.save(path)
    assert path.read_bytes() == former
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
