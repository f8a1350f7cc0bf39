"""Configurations in DACBench's words."""

import pytest
import torch

from at2.control import ControlSettingError, SGDInstance
from at2.control.dacbench import from_dacbench


def test_the_defaults_are_those_of_dacbench() -> None:
    env = from_dacbench()
    assert env.config.mode == "epoch"
    assert env.config.cutoff_steps == 100
    assert {instance.crash_penalty for instance in env.instances.values()} == {-100.0}
    assert env.reset()[1]["instance"] == "train-0"
    assert from_dacbench(test=True).reset()[1]["instance"] == "test-0"


def test_a_whole_configuration_runs() -> None:
    config = {
        "epoch_mode": False,
        "use_momentum": True,
        "cutoff": 2e0,
        "seed": 7,
        "crash_penalty": -3,
        "instance_set": {
            4: {
                "model": "small-plain",
                "optimizer_type": torch.optim.AdamW,
                "optimizer_params": {"weight_decay": 0.1},
                "dataset_path": "unused",
                "dataset_name": "digits-few",
                "batch_size": 32,
                "fraction_of_dataset": 0.5,
                "train_validation_ratio": 0.8,
                "seed": 3,
            }
        },
        "reward_function": lambda env: 1.0,
        "benchmark_info": {},
        "multi_agent": False,
    }
    env = from_dacbench(config)
    _, info = env.reset()
    assert info["instance"] == "4"
    assert env.episode.instance.crash_penalty == -3
    env.step([0.01, 0.9])
    observation, reward, terminated, truncated, _ = env.step([0.01, 0.9])
    assert (reward, terminated, truncated) == (1.0, False, True)
    assert observation["step"] == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"learning_rate": 1}, "'learning_rate' is no setting of DACBench's SGD benchmark"),
        ({"use_instance_generator": True}, r"pass instance_set=generate_instances\(n, seed="),
        ({"multi_agent": True}, "one agent sets learning rate and momentum together"),
        ({"loss_function": torch.nn.MSELoss}, "loss_function is the cross-entropy here"),
        ({"instance_set": {0: {"architecture": "x"}}}, "'architecture' is no field of an instance"),
        ({"state_method": len}, "go together; give both or neither"),
    ],
)
def test_what_is_not_taken_is_named(config: dict[str, object], message: str) -> None:
    with pytest.raises(ControlSettingError, match=message):
        from_dacbench(config)


def test_instances_of_at2_are_taken_as_they_are(tiny: SGDInstance) -> None:
    env = from_dacbench({"instance_set": {"mine": tiny}})
    assert env.instances["mine"].batch_size == tiny.batch_size
