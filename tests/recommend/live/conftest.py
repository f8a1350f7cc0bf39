"""A training that can be followed by eye: each epoch moves the accuracy a share of the way to 1."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CONFIGS = [{"lr": lr} for lr in (0.05, 0.1, 0.2, 0.4, 0.8)]
N_EPOCH = 4


def accuracy(config: dict[str, Any], epoch: int) -> float:
    return 1.0 - (1.0 - config["lr"] * 0.9) ** epoch


class Trainer:
    """Trains as a function that keeps its state in the checkpoint folder, and writes down what it was asked for."""

    def __init__(self, *, saves: bool = True) -> None:
        self.saves = saves
        self.calls: list[tuple[float, int, int]] = []  # lr, first and last epoch

    def __call__(self, config: dict[str, Any], epochs: range, checkpoint: Path) -> float:
        self.calls.append((config["lr"], epochs[0], epochs[-1]))
        state = checkpoint / "state.json"
        done = json.loads(state.read_text())["done"] if state.exists() else 0
        assert done == epochs.start - 1, "the checkpoint is of another epoch"
        for _ in epochs:
            done += 1
        if self.saves:
            state.write_text(json.dumps({"done": done}))
        return accuracy(config, done)


@pytest.fixture
def trainer() -> Trainer:
    return Trainer()


@pytest.fixture
def generator() -> Callable[..., Iterator[float]]:
    """The same as a generator."""

    def train(config: dict[str, Any], epochs: range, checkpoint: Path) -> Iterator[float]:
        state = checkpoint / "state.txt"
        done = int(state.read_text()) if state.exists() else 0
        assert done == epochs.start - 1
        for epoch in epochs:
            state.write_text(str(epoch))
            yield accuracy(config, epoch)

    return train
