import math
from collections.abc import Mapping
from typing import Any

import pytest

from at2.space import hyperrec_small_space
from at2.training import ImageTask, Training, load_task
from at2.training.population import population_based_training, scale


@pytest.fixture(scope="module")
def task() -> ImageTask:
    return load_task("digits-low")


CONFIGS = [
    {
        "batch_size": 120,
        "model": "small-plain",
        "optimizer": "momentum",
        "lr": lr,
        "momentum": 0.9,
        "weight_decay": 1e-4,
    }
    | {"scheduler": "StepLR", "step_size": 2, "gamma": 0.5}
    for lr in (1e-4, 3e-4, 1e-3, 0.05)
]


def run(task: ImageTask, **options: Any) -> list[tuple[int, float, float]]:
    built = []

    def build(config: Mapping[str, Any], seed: int) -> Training:
        built.append(Training.from_config(task, config, seed=seed))
        return built[-1]

    steps = population_based_training(CONFIGS, build, **({"n_epoch": 4, "interval": 2, "seed": 0} | options))
    return [(s.member, s.config["lr"], s.result.validation.top1) for s in steps]


def test_every_member_trains_all_epochs_and_the_worst_takes_over_from_the_best(task: ImageTask) -> None:
    steps = run(task)
    assert len(steps) == 16
    first, second = steps[:8], steps[8:]
    last = {member: score for member, _, score in first}
    worst = min(last, key=last.__getitem__)
    assert {lr for member, lr, _ in second if member == worst} == {0.05}
    assert max(score for member, _, score in second if member == worst) > last[worst] + 0.1


def test_equal_seeds_give_equal_populations(task: ImageTask) -> None:
    assert run(task) == run(task)


def test_a_copy_does_not_change_its_original(task: ImageTask) -> None:
    alone = run(task, interval=4)
    copied = run(task, interval=2)
    assert [s for s in alone if s[0] == 3] == [s for s in copied if s[0] == 3]


@pytest.mark.parametrize("scheduler", ["StepLR", "ExponentialLR", "CyclicLR", "CosineAnnealingWarmRestarts"])
def test_scaling_moves_every_later_rate_of_a_schedule(task: ImageTask, scheduler: str) -> None:
    config = next(c for c in hyperrec_small_space().sample(60, seed=1) if c["scheduler"] == scheduler)
    rates = []
    for factor in (1.0, 0.5):
        training = Training.from_config(task, config, seed=0)
        scale(training, lr=factor, weight_decay=1.0)
        own = []
        for _ in range(5):
            training.optimizer.step()
            training.scheduler.step()
            own.append(training.lr)
        rates.append(own)
    assert rates[1] == pytest.approx([rate / 2 for rate in rates[0]], rel=1e-9)


def test_members_that_diverged_are_replaced(task: ImageTask) -> None:
    wild = [c | {"lr": 0.1, "momentum": 0.999} if k < 2 else c for k, c in enumerate(CONFIGS)]

    def build(config: Mapping[str, Any], seed: int) -> Training:
        training = Training.from_config(task, config, seed=seed)
        if config["momentum"] == 0.999:
            training.lr = math.inf
        return training

    steps = list(population_based_training(wild, build, n_epoch=2, interval=1, seed=0))
    assert any(s.result.diverged for s in steps[:4])
    assert not any(s.result.diverged for s in steps[4:])


@pytest.mark.parametrize("wrong", [{"interval": 0}, {"n_epoch": 0}, {"share": 0.9}, {"factors": (0.0, 1.0)}])
def test_numbers_that_make_no_sense_are_refused(task: ImageTask, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="two members, interval and n_epoch from 1"):
        run(task, **wrong)
