"""DACBench's SGD configurations run here: a dictionary in its words becomes a benchmark of at2.

What is the same and what differs is in ``docs/control.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from at2.control.config import EnvConfig
from at2.control.env import SGDEnv
from at2.control.errors import ControlSettingError
from at2.control.instance import SGDInstance
from at2.control.instance_sets import read_instances

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "epoch_mode": True,
    "use_momentum": False,
    "cutoff": 100,
    "crash_penalty": -100.0,
    "device": "cpu",
    "instance_set_path": "train",
    "test_set_path": "test",
    "use_instance_generator": False,
}
"""DACBench's names and defaults, where at2 has a counterpart; the paths are at2's instance sets."""

WITHOUT_MEANING = (
    *("benchmark_info", "config_space", "reward_range", "multi_agent", "local_model_path", "dataset_config"),
    *("observation_space_class", "observation_space_type", "observation_space_args", "loss_function_kwargs"),
    *("action_space_class", "action_space_args", "cd_bias_correction", "no_cuda", "features"),
)
"""Names of DACBench that at2 reads and leaves alone, since its answer is fixed; see the table in the documents."""

_OWN = ("instance_set", "test_set", "reward_function", "state_method", "observation_space", "max_lr")

_INSTANCE_NAMES = {
    "model": "model",
    "optimizer_type": "optimizer",
    "optimizer_params": "optimizer_params",
    "dataset_name": "dataset",
    "batch_size": "batch_size",
    "fraction_of_dataset": "fraction",
    "train_validation_ratio": "train_validation_ratio",
    "seed": "seed",
}
"""Fields of DACBench's instance, and of `SGDInstance`."""


def from_dacbench(config: Mapping[str, Any] | None = None, *, test: bool = False) -> SGDEnv:
    """Make an environment from a configuration in DACBench's words.

    Args:
        config: Names of `DEFAULTS`, and ``instance_set`` or ``test_set`` (instances by number or name, each an
            `SGDInstance` or a dictionary with the fields of DACBench's instance), ``reward_function``, ``max_lr``,
            ``state_method`` with ``observation_space``. Names of `WITHOUT_MEANING` are left alone. None takes the
            defaults.
        test: Use the test set in place of the training set.

    Returns:
        An environment with dictionary observations that takes its instances in order, like DACBench's.

    Raises:
        ControlSettingError: If a name is unknown, or asks for what at2 does not do.
        InstanceError: If an instance is not sound.

    Example:
        >>> env = from_dacbench({"cutoff": 5, "use_momentum": True, "instance_set": {
        ...     0: {"model": "small-plain", "dataset_name": "digits", "batch_size": 64, "fraction_of_dataset": 0.5}}})
        >>> observation, info = env.reset(seed=0)
        >>> sorted(observation)[:3], env.action_space.shape, env.episode.cutoff_steps
        (['alignment', 'crashed', 'learning_rate'], (2,), 5)
    """
    given = {**DEFAULTS, **(config or {})}
    unknown = sorted(set(given) - {*DEFAULTS, *WITHOUT_MEANING, *_OWN, "loss_function"})
    if unknown:
        known = ", ".join((*DEFAULTS, *_OWN))
        raise ControlSettingError(f"{unknown[0]!r} is no setting of DACBench's SGD benchmark that at2 knows: {known}")
    _check_supported(given)
    name = "test_set" if test else "instance_set"
    instances = given[name] if name in given else read_instances(given[f"{name}_path"])
    penalty = float(given["crash_penalty"])
    return SGDEnv(
        {str(key): replace(_instance(each), crash_penalty=penalty) for key, each in instances.items()},
        _env_config(given),
        seed=int(given["seed"]),
    )


def _env_config(given: Mapping[str, Any]) -> EnvConfig:
    return EnvConfig(
        mode="epoch" if given["epoch_mode"] else "step",
        with_momentum=bool(given["use_momentum"]),
        max_lr=float(given.get("max_lr", 1.0)),
        observation="dict",
        reward=given.get("reward_function", "test_loss"),
        state=given.get("state_method"),
        observation_space=given.get("observation_space"),
        order="cycle",
        cutoff_steps=math.floor(given["cutoff"]),
        device=str(given["device"]),
    )


def _check_supported(given: Mapping[str, Any]) -> None:
    if given["use_instance_generator"]:
        message = "at2 draws instances beforehand: pass instance_set=generate_instances(n, seed=...)"
        raise ControlSettingError(f"use_instance_generator is not taken; {message}")
    if given.get("multi_agent"):
        raise ControlSettingError("multi_agent is not taken; one agent sets learning rate and momentum together")
    if "loss_function" in given and given["loss_function"] is not None:
        raise ControlSettingError("loss_function is the cross-entropy here; leave it out")


def _instance(given: Any) -> SGDInstance:
    """Give an instance from what DACBench calls one."""
    if isinstance(given, SGDInstance):
        return given
    unknown = sorted(set(given) - {*_INSTANCE_NAMES, "dataset_path"})
    if unknown:
        known = ", ".join(_INSTANCE_NAMES)
        raise ControlSettingError(f"{unknown[0]!r} is no field of an instance; there are {known}")
    values = {_INSTANCE_NAMES[name]: value for name, value in given.items() if name in _INSTANCE_NAMES}
    kind = values.get("optimizer", "AdamW")
    return SGDInstance(**{**values, "optimizer": kind if isinstance(kind, str) else kind.__name__})
