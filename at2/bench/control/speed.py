"""What control costs: the environment's throughput beside that of the bare loop, its reset, its memory."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from at2.bench.speed.readings import peak_memory_mb

if TYPE_CHECKING:
    from at2.control import SGDEnv, SGDInstance
    from at2.control.episode import Episode

N_ROUND = 15
"""Trainings of each kind, one after the other in turn, so that a busy machine slows both alike."""
N_RESET = 1000
"""Resets over which memory may not grow."""
GROWTH_MB = 8.0
"""Growth of the peak over those resets that still counts as none: an allocator's slack."""


@dataclass(frozen=True)
class ControlReading:
    """One measured number and what it should be.

    Args:
        name: What was measured.
        value: The number.
        unit: Its unit; empty for a share.
        at_least: What it should reach; None where there is no such limit.
        at_most: What it should not exceed; None where there is no such limit.
    """

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def limit_text(self) -> str:
        """Say what it should be."""
        word, limit = (">=", self.at_least) if self.at_least is not None else ("<=", self.at_most)
        return "" if limit is None else f"{word} {limit:g} {self.unit}".rstrip()


def measure_control(*, n_round: int = N_ROUND, n_reset: int = N_RESET) -> Iterator[ControlReading]:
    """Measure the environment in this process.

    Both loops do the same training and evaluation: all mini-batches, validation after every epoch, the test in the end.

    Args:
        n_round: Pairs of trainings, one bare and one under control, to take the median ratio of.
        n_reset: Resets to watch memory over.

    Yields:
        Throughput of either mode as a share of the bare loop's, the slowest median reset in ms, growth of memory in MB.
    """
    from at2.control import EnvConfig, SGDEnv, SGDInstance

    instances = {
        model: SGDInstance(model, "digits", optimizer_params={"lr": 1e-3}, batch_size=64, cutoff=6)
        for model in ("small-plain", "patch-4x40", "small-residual")
    }
    for mode, least in (("step", 0.7), ("epoch", 0.9)):
        env = SGDEnv(instances, EnvConfig(mode=mode))
        for name in instances:
            share = statistics.median(_share(env, name, seed) for seed in range(n_round))
            yield ControlReading(f"throughput in {mode} mode, {name}, of the bare loop's", share, at_least=least)
    env = SGDEnv(instances)
    slowest = max(statistics.median(_reset_s(env, name) for _ in range(n_round)) for name in instances)
    yield ControlReading("reset, median of the slowest network", 1e3 * slowest, "ms", at_most=50.0)
    yield ControlReading(f"memory growth over {n_reset} resets", _growth_mb(env, n_reset), "MB", at_most=GROWTH_MB)


def _share(env: SGDEnv, name: str, seed: int) -> float:
    """Time one training bare and one under control, and give bare over controlled."""
    env.reset(seed=seed, options={"instance": name})
    bare_s = _time_bare(env.episode)
    env.reset(seed=seed, options={"instance": name})
    instance: SGDInstance = env.episode.instance
    start = time.process_time()
    over = False
    while not over:
        *_, terminated, truncated, _ = env.step(instance.lr)
        over = terminated or truncated
    return bare_s / (time.process_time() - start)


def _time_bare(episode: Episode) -> float:
    """Run the episode's training to its cutoff without the environment."""
    training = episode.training
    start = time.process_time()
    while training.epoch < episode.instance.cutoff:
        if training.run_batch().ends_pass:
            training.evaluate(training.task.validation)
    training.evaluate(training.task.test)
    return time.process_time() - start


def _reset_s(env: SGDEnv, name: str) -> float:
    start = time.process_time()
    env.reset(options={"instance": name})
    return time.process_time() - start


def _growth_mb(env: SGDEnv, n_reset: int) -> float:
    """Give by how much the peak of memory grows over many resets, after some to warm up."""
    for _ in range(max(20, n_reset // 10)):
        env.reset()
    gc.collect()
    before = peak_memory_mb()
    for _ in range(n_reset):
        env.reset()
    return peak_memory_mb() - before
