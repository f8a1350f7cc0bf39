import pytest
from click.testing import CliRunner

from at2.bench.costs import (
    Training,
    epochs,
    hypergradient,
    multi_stage_grid,
    population,
    standard,
    steps_per_epoch,
    task_samples,
)
from at2.cli.main import cli
from at2.errors import BudgetError, UnknownNameError

TRAINING = Training(n_sample=50_000, batch_size=256, n_epochs=70)


def test_the_known_values() -> None:
    stages = [(27, 20), (27, 20), (27, 30)]
    found = [
        standard(TRAINING),
        multi_stage_grid(TRAINING, stages=stages),
        hypergradient(TRAINING),
        population(TRAINING, n_member=10),
    ]
    assert [(cost.n_steps, cost.relative) for cost in found] == [
        (13_720, 1.0),
        (370_440, 27.0),
        (27_440, 2.0),
        (137_200, 10.0),
    ]


def test_a_last_batch_may_be_left_out() -> None:
    assert steps_per_epoch(512, 256) == steps_per_epoch(512, 256, drop_last=True) == 2
    assert Training(50_000, 256, 70, drop_last=True).n_steps == 195 * 70
    with pytest.raises(BudgetError, match="no batch of 256 is full with 100 samples"):
        Training(100, 256, 1, drop_last=True)


def test_a_hypergradient_every_few_steps() -> None:
    assert hypergradient(TRAINING, every=5).n_steps == 13_720 + 2_744


def test_epochs_of_a_budget() -> None:
    assert epochs(TRAINING, n_epochs=140).relative == 2.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Training(0, 256, 70), "samples must be a whole number above zero, got 0"),
        (lambda: Training(10, 2.5, 70), "the batch size must be a whole number above zero, got 2.5"),
        (lambda: Training(10, 2, True), "epochs must be a whole number above zero, got True"),
        (lambda: multi_stage_grid(TRAINING, stages=[]), "at least one stage"),
        (lambda: multi_stage_grid(TRAINING, stages=[(27, -1)]), "additional epochs must be"),
        (lambda: population(TRAINING, n_member=0), "members must be"),
        (lambda: hypergradient(TRAINING, every=0), "steps between hypergradients must be"),
    ],
)
def test_numbers_that_cannot_be(call: object, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        call()  # type: ignore[operator]


def test_the_published_size_of_a_task() -> None:
    assert task_samples("CIFAR10") == 36_000
    with pytest.raises(UnknownNameError, match="no task 'CIFAR11'"):
        task_samples("CIFAR11")


def test_the_command() -> None:
    result = CliRunner().invoke(cli, ["costs", "--csv"])
    assert result.exit_code == 0
    assert "one training,13720,1" in result.output.splitlines()
    assert "grid in 3 stages,370440,27" in result.output.splitlines()
    assert "370,440" in CliRunner().invoke(cli, ["costs"]).output
    wrong = CliRunner().invoke(cli, ["costs", "--stages", "27-20"])
    assert "stages such as 27x20,27x30 wanted, '27-20' came" in wrong.output
    both = CliRunner().invoke(cli, ["costs", "--task", "CIFAR10", "--samples", "3"])
    assert "give one of them" in both.output
