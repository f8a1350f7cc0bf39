"""A controller learned by reinforcement on training instances, with Stable-Baselines3."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces

from at2.control.config import EnvConfig
from at2.control.env import SGDEnv
from at2.errors import MissingExtraError
from at2.training import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from at2.control.instance import SGDInstance

POLICY = "control_policy.pt"
"""The policy that ships with at2, trained on the training instances."""

LOG10_RATES = (-4.0, -1.0)
"""Learning rates that actions -1 and 1 stand for, as decimal logarithms."""

_NETWORK = [32, 32]
_N_FEATURE = 10


def policy_features(env: SGDEnv) -> np.ndarray:
    """Give what a policy sees: the observation on scales near 1, the share of the episode that is done, the optimizer.

    Returns:
        float32 row of shape ``(10,)``: a tenth of both averages, logarithms of 1 + both uncertainties, decimal
        logarithm of the learning rate, logarithms of training and validation loss, share of steps done, alignment,
        and 1 for SGD, else 0.
    """
    values, episode = env.episode.values, env.episode
    row = [
        values["predictive_change_var_average"] / 10,
        np.log1p(values["predictive_change_var_uncertainty"]),
        values["loss_var_average"] / 10,
        np.log1p(values["loss_var_uncertainty"]),
        np.log10(max(values["learning_rate"], 1e-8)),
        np.log(max(values["training_loss"], 1e-6)),
        np.log(max(values["validation_loss"], 1e-6)),
        values["step"] / episode.cutoff_steps,
        values["alignment"],
        float(episode.instance.optimizer == "SGD"),
    ]
    clipped: np.ndarray = np.clip(np.array(row), -20, 20).astype(np.float32)
    return clipped


def feature_space() -> spaces.Box:
    """Return the space of `policy_features`."""
    return spaces.Box(-20.0, 20.0, shape=(_N_FEATURE,), dtype=np.float32)


class LogRateAction(gym.ActionWrapper[Any, Any, Any]):
    """Lets actions in [-1, 1] choose the decimal logarithm of the learning rate.

    Args:
        env: An `SGDEnv` whose actions are one float, wrapped or not.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = spaces.Box(-1.0, 1.0, shape=(1,), dtype=np.float32)

    def action(self, action: Any) -> np.ndarray:
        """Turn an action into a learning rate."""
        return np.array([rate_of(float(np.asarray(action).reshape(()))) if np.size(action) == 1 else np.nan])


def rate_of(action: float) -> float:
    """Give the learning rate of an action; those beyond [-1, 1] count as the nearest.

    Example:
        >>> [round(rate_of(action), 6) for action in (-1.0, 0.0, 1.0, 5.0)]
        [0.0001, 0.003162, 0.1, 0.1]
    """
    low, high = LOG10_RATES
    return float(10 ** (low + (high - low) * (min(max(action, -1.0), 1.0) + 1) / 2))


def policy_env(instances: Mapping[str, SGDInstance] | str = "train") -> gym.Env[Any, Any]:
    """Return the environment that policies are trained in: epoch mode, features, log rates, log-validation reward."""
    config = EnvConfig(reward="log_validation", state=policy_features, observation_space=feature_space())
    return LogRateAction(SGDEnv(instances, config))


class LearnedController:
    """Chooses rates by a policy network, without chance.

    Args:
        weights: State of the policy network.
    """

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self._policy = _build_policy()
        self._policy.load_state_dict(dict(weights))
        self._policy.set_training_mode(False)

    @classmethod
    def published(cls) -> LearnedController:
        """Load the policy that ships with at2."""
        from at2.tables import data_path

        return cls.load(data_path(POLICY))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LearnedController:
        """Read a policy that `save` wrote, without running anything in it.

        Raises:
            FileError: If it cannot be read.
            CorruptFileError: If it is no policy of at2.
            MissingExtraError: If Stable-Baselines3 is not installed.
        """
        return cls(read_checkpoint(path)["policy"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy, whole or not at all."""
        write_checkpoint(path, {"policy": self._policy.state_dict()})

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Nothing is kept between steps."""

    def act(self, env: SGDEnv) -> float:
        """Give the rate that the policy thinks best."""
        action, _ = self._policy.predict(policy_features(env), deterministic=True)
        return min(rate_of(float(action[0])), env.config.max_lr)


def learn(
    instances: Mapping[str, SGDInstance] | str = "train",
    *,
    n_steps: int = 6000,
    seed: int = 0,
    on_episode: Callable[[int, float], None] | None = None,
) -> LearnedController:
    """Train a policy by proximal policy optimization.

    Args:
        instances: Instances to train on.
        n_steps: Steps of the environment, each an epoch of some training.
        seed: Seed of everything random; PyTorch's, numpy's and Python's global random states are as before afterwards.
        on_episode: Called with the steps done and the summed reward after each episode.

    Returns:
        The controller.

    Raises:
        MissingExtraError: If Stable-Baselines3 is not installed.

    References:
        Schulman, Wolski, Dhariwal, Radford, Klimov, Proximal Policy Optimization Algorithms, 2017, arXiv:1707.06347.
    """
    library = _library()
    env = library.common.monitor.Monitor(policy_env(instances))
    with _global_randomness_kept():
        model = library.PPO(
            "MlpPolicy",
            env,
            n_steps=min(200, n_steps),
            batch_size=50,
            gamma=1.0,
            learning_rate=1e-3,
            policy_kwargs={"net_arch": _NETWORK, "log_std_init": -0.7},
            seed=seed,
            device="cpu",
        )
        model.learn(n_steps, callback=_progress(on_episode))
    return LearnedController(model.policy.state_dict())


def _progress(on_episode: Callable[[int, float], None] | None) -> Any:
    """Return a callback of Stable-Baselines3 that passes episodes on."""

    def note(scope: dict[str, Any], _: dict[str, Any]) -> bool:
        for info in scope["infos"]:
            if on_episode is not None and "episode" in info:
                on_episode(scope["self"].num_timesteps, float(info["episode"]["r"]))
        return True

    return note


def _build_policy() -> Any:
    """Return the policy network with weights that mean nothing yet."""
    library = _library()
    with _global_randomness_kept():
        return library.common.policies.ActorCriticPolicy(
            feature_space(), spaces.Box(-1.0, 1.0, shape=(1,), dtype=np.float32), lambda _: 0.0, net_arch=_NETWORK
        )


@contextlib.contextmanager
def _global_randomness_kept() -> Iterator[None]:
    """Give the global random states back as they were: Stable-Baselines3 seeds them."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _library() -> Any:
    """Import Stable-Baselines3."""
    try:
        import stable_baselines3
        import stable_baselines3.common.monitor
        import stable_baselines3.common.policies
    except ImportError as error:
        raise MissingExtraError(
            "learned controllers need Stable-Baselines3, which is not installed: pip install 'at2[control-learned]'"
        ) from error
    return stable_baselines3
