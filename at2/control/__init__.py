"""Control of the learning rate while a network trains, as a gymnasium environment ``at2/SGD-v0``.

Importing this room loads torch and gymnasium, and registers the environment.
"""

try:
    import gymnasium as _gymnasium  # noqa: F401  # an extra: say so before anything else fails
except ImportError as error:
    from at2.errors import MissingExtraError

    raise MissingExtraError(
        "at2.control needs gymnasium, which is not installed: pip install 'at2[control]'"
    ) from error

from at2.control.benchmark import BenchmarkConfig, SGDBenchmark
from at2.control.config import EnvConfig
from at2.control.env import SGDEnv
from at2.control.errors import ActionError, ControlSettingError, EpisodeError, InstanceError
from at2.control.helpers import forward_backward, run_epoch, test
from at2.control.instance import SGDInstance
from at2.control.instance_sets import generate_instances, read_instances, write_instances
from at2.control.registration import register_environment

register_environment()

__all__ = [
    "ActionError",
    "BenchmarkConfig",
    "ControlSettingError",
    "EnvConfig",
    "EpisodeError",
    "InstanceError",
    "SGDBenchmark",
    "SGDEnv",
    "SGDInstance",
    "forward_backward",
    "generate_instances",
    "read_instances",
    "register_environment",
    "run_epoch",
    "test",
    "write_instances",
]
