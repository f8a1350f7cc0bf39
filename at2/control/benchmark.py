"""The benchmark: a default configuration, its instance sets, and environments made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from at2.control.config import EnvConfig
from at2.control.env import SGDEnv
from at2.control.instance import SGDInstance
from at2.control.instance_sets import read_instances


@dataclass(frozen=True)
class BenchmarkConfig:
    """What a benchmark is made of.

    Args:
        instance_set: Name or path of the instances to train controllers on.
        test_set: Name or path of those to test them on.
        env: Settings of the environments.
        seed: Seed of an environment's first reset.
    """

    instance_set: str = "train"
    test_set: str = "test"
    env: EnvConfig = field(default_factory=EnvConfig)
    seed: int = 0


class SGDBenchmark:
    """Learning-rate control over small image tasks.

    Args:
        config: None takes the defaults of `BenchmarkConfig`: epoch mode, one float, a Box, minus the test loss.

    Example:
        >>> benchmark = SGDBenchmark()
        >>> env = benchmark.get_benchmark(seed=3)
        >>> len(env.instances), len(benchmark.read_instance_set(test=True))
        (60, 50)
    """

    def __init__(self, config: BenchmarkConfig | None = None) -> None:
        self.config = config or BenchmarkConfig()

    def get_benchmark(self, seed: int = 0) -> SGDEnv:
        """Return an environment of the default configuration on the training instances; this forgets `config`.

        Args:
            seed: Seed of the environment's first reset.
        """
        self.config = BenchmarkConfig(seed=seed)
        return self.get_environment()

    def get_environment(self, *, test: bool = False) -> SGDEnv:
        """Return an environment of the current configuration.

        Args:
            test: On the test instances, in the order of their file, in place of the training instances.
        """
        env = replace(self.config.env, order="cycle") if test else self.config.env
        return SGDEnv(self.read_instance_set(test=test), env, seed=self.config.seed)

    def read_instance_set(self, test: bool = False) -> dict[str, SGDInstance]:
        """Return the training instances, or the test instances, by name.

        Raises:
            FileError: If the file cannot be read.
            InstanceError: If it is not sound.
        """
        return read_instances(self.config.test_set if test else self.config.instance_set)
