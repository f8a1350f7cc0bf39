"""The environment: a step sets the learning rate and trains one epoch, or one mini-batch."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from at2.control.config import EnvConfig
from at2.control.episode import Episode
from at2.control.errors import ActionError, ControlSettingError, EpisodeError
from at2.control.instance import SGDInstance
from at2.control.instance_sets import read_instances
from at2.control.observation import as_box, as_dict, box_space, dict_space, is_finite
from at2.control.rendering import Story
from at2.control.rewards import BUILT_IN

MAX_MOMENTUM = 0.999
"""Largest second float of an action."""

Instances = str | Mapping[str, SGDInstance] | Sequence[SGDInstance]


class SGDEnv(gym.Env[Any, Any]):
    """Control of the learning rate of a training.

    Action, a Box of float32:

    =====  =============  ===  ==========  ==========================================================
    place  name           low  high        unit
    =====  =============  ===  ==========  ==========================================================
    0      learning rate  0    ``max_lr``  that of the instance's optimizer
    1      momentum       0    0.999       first beta of Adam and AdamW, momentum of SGD; only with
                                           ``with_momentum``
    =====  =============  ===  ==========  ==========================================================

    Observation: a Box of ten float32, a dictionary of them, or what a state function gives; table and units in
    `at2.control.observation`, formulas in `at2.control.features`.

    Reward: with ``"test_loss"`` 0, and in the last step minus the mean cross-entropy of a test sample; with
    ``"log_validation"`` the decrease of the logarithm of the validation loss over an epoch. A crash gives the
    instance's ``crash_penalty``.

    End: a loss or a parameter that is not finite terminates, the cutoff truncates. After a crash the observation holds
    the last finite values, and ``crashed`` is 1; of a state function that gives others then, the last finite state.

    Args:
        instances: ``"train"``, ``"test"`` or ``"cifar10"``, the path of an instance file, or the instances themselves,
            by name or in a row.
        config: Mode, spaces, reward and order; None takes the defaults of `EnvConfig`.
        seed: Seed of the first reset that is given none; None draws one.
        render_mode: ``"human"`` prints a line a step, ``"ansi"`` gives that line, ``"rgb_array"`` draws the learning
            rates and losses so far.

    Raises:
        ControlSettingError: If there is no instance, or the render mode does not exist.
        InstanceError: If an instance file is not sound.

    Example:
        >>> env = SGDEnv([SGDInstance("small-plain", "digits", cutoff=2)])
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, info["instance"]
        ((10,), '0')
        >>> observation, reward, terminated, truncated, info = env.step([0.01])
        >>> reward, terminated, truncated
        (0.0, False, False)
        >>> observation, reward, terminated, truncated, info = env.step([0.01])
        >>> reward == -info["test_loss"], terminated, truncated
        (True, False, True)
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  # gymnasium declares it so
        "render_modes": ["human", "ansi", "rgb_array"],
        "render_fps": 4,
    }

    def __init__(
        self,
        instances: Instances = "train",
        config: EnvConfig | None = None,
        *,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.instances = _by_name(instances)
        self.config = config or EnvConfig()
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            modes = ", ".join(self.metadata["render_modes"])
            raise ControlSettingError(f"render_mode must be one of {modes}; {render_mode!r} came")
        self.render_mode = render_mode
        high = [self.config.max_lr, MAX_MOMENTUM] if self.config.with_momentum else [self.config.max_lr]
        self.action_space = spaces.Box(0.0, np.array(high, dtype=np.float32), dtype=np.float32)
        self._highest = dict(zip(("learning rate", "momentum"), self.action_space.high.tolist(), strict=False))
        self.observation_space = self._observation_space()
        self._reward = BUILT_IN[self.config.reward] if isinstance(self.config.reward, str) else self.config.reward
        self._first_seed = seed
        self._next = 0
        self.instance_name = ""
        self._episode: Episode | None = None
        self._last_state: Any = None
        self._story = Story()

    def _observation_space(self) -> spaces.Space[Any]:
        if self.config.observation_space is not None:
            return self.config.observation_space
        return box_space() if self.config.observation == "box" else dict_space()

    @property
    def episode(self) -> Episode:
        """The training under way, for reward and state functions.

        Raises:
            EpisodeError: Before the first reset.
        """
        if self._episode is None:
            raise EpisodeError("there is no training before the first reset; call reset")
        return self._episode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a training.

        Args:
            seed: Seed of all that is drawn from now on: instances, first weights, orders of batches. None goes on with
                what the last seed began.
            options: ``{"instance": ...}`` chooses the instance: its name, or an `SGDInstance`.

        Returns:
            Observation, and ``info`` with ``instance`` and ``episode_seed``.

        Raises:
            ControlSettingError: If there is no such option or instance.
            InstanceError: If the instance's data do not fit it.
        """
        seed, self._first_seed = self._first_seed if seed is None else seed, None
        super().reset(seed=seed)
        if seed is not None:
            self._next = 0
        name, instance = self._choose(dict(options or {}))
        episode_seed = int(self.np_random.integers(2**31))
        self._episode = Episode(instance, self.config, seed=episode_seed)
        self.instance_name, self._story = name, Story(name=name)
        info = {"instance": name, "episode_seed": episode_seed, "validation_loss": self._episode.validation.loss}
        return self._observe(), info

    def _choose(self, options: dict[str, Any]) -> tuple[str, SGDInstance]:
        """Take the instance that is asked for, else the next one, or one at random."""
        wanted = options.pop("instance", None)
        if options:
            raise ControlSettingError(f"the only option of reset is 'instance', {', '.join(map(repr, options))} came")
        if isinstance(wanted, SGDInstance):
            return "given", wanted
        names = list(self.instances)
        if wanted is None:
            place = self._next if self.config.order == "cycle" else int(self.np_random.integers(len(names)))
            self._next = (self._next + 1) % len(names)
            wanted = names[place]
        if wanted not in self.instances:
            raise ControlSettingError(f"no instance {wanted!r} among {len(names)}: {', '.join(names[:5])} ...")
        return wanted, self.instances[wanted]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Set the learning rate, and the momentum if the action has two floats, and train one epoch or mini-batch.

        Args:
            action: Learning rate, shape ``(1,)`` or a plain number; or learning rate and momentum, shape ``(2,)``.

        Returns:
            Observation, reward, whether the training crashed, whether the cutoff is reached, and ``info``:
            ``learning_rate``, ``training_loss``, ``validation_loss``, ``validation_top1``, ``epoch`` (completed ones),
            ``crashed``, and in the last step ``test_loss`` and ``test_top1``.

        Raises:
            ActionError: If the action is negative, not a number, too large, or of another shape.
            EpisodeError: Before the first reset, and after the end of an episode.
        """
        episode = self.episode
        if episode.is_over:
            ended = "crashed" if episode.crashed else f"reached its cutoff of {episode.cutoff_steps} steps"
            raise EpisodeError(f"the episode has {ended}; call reset before the next step")
        episode.advance(*self._read(action))
        reward = episode.instance.crash_penalty if episode.crashed else self._rewarded()
        self._story.add(episode)
        if self.render_mode == "human":
            self.render()
        return self._observe(), reward, episode.crashed, episode.is_over and not episode.crashed, self._info()

    def _read(self, action: Any) -> list[float]:
        """Check an action and give its floats."""
        names = list(self._highest)
        try:
            values = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ActionError(f"an action is {' and '.join(names)}, {action!r} came") from error
        if values.shape != (len(names),) and not (values.ndim == 0 and len(names) == 1):
            message = f"an action holds {' and '.join(names)}, shape ({len(names)},); shape {values.shape} came"
            raise ActionError(f"{message}; EnvConfig(with_momentum=...) decides how many there are")
        given: list[float] = values.reshape(-1).tolist()
        for (name, high), value in zip(self._highest.items(), given, strict=True):
            if not 0 <= value <= high:  # false for NaN
                raise ActionError(f"the {name} must lie in [0, {high:.6g}], {value} came")
        return given

    def _rewarded(self) -> float:
        given = self._reward(self)
        try:
            reward = float(given)
        except (TypeError, ValueError):
            reward = math.nan
        if not math.isfinite(reward):
            name = getattr(self._reward, "__name__", repr(self._reward))
            raise ControlSettingError(f"the reward function {name} gave {given!r}; it must give a finite number")
        return reward

    def _observe(self) -> Any:
        if self.config.state is None:
            return (as_box if self.config.observation == "box" else as_dict)(self.episode.values)
        state = self.config.state(self)
        if is_finite(state):
            self._last_state = state
        elif not self.episode.crashed:
            name = getattr(self.config.state, "__name__", repr(self.config.state))
            raise ControlSettingError(f"the state function {name} gave {state!r}; its numbers must be finite")
        return self._last_state

    def _info(self) -> dict[str, Any]:
        episode = self.episode
        info = {name: episode.values[name] for name in ("learning_rate", "training_loss", "validation_loss")}
        info |= {
            "validation_top1": episode.validation.top1,
            "epoch": episode.training.epoch,
            "crashed": episode.crashed,
        }
        if episode.test is not None:
            info |= {"test_loss": episode.test.loss, "test_top1": episode.test.top1}
        return info

    def render(self) -> Any:
        """Show the training so far: see `render_mode`.

        Returns:
            A line for ``"ansi"``, an image (height, width, 3) of uint8 for ``"rgb_array"``, else None.
        """
        if self.render_mode == "human":
            sys.stdout.write(self._story.line() + "\n")
            return None
        if self.render_mode == "ansi":
            return self._story.line()
        return self._story.image() if self.render_mode == "rgb_array" else None


def _by_name(instances: Instances) -> dict[str, SGDInstance]:
    """Give instances by name."""
    if isinstance(instances, str):
        return read_instances(instances)
    if not isinstance(instances, Iterable):
        instances = ()
    found = dict(instances) if isinstance(instances, Mapping) else {str(n): each for n, each in enumerate(instances)}
    if not found or not all(isinstance(each, SGDInstance) for each in found.values()):
        raise ControlSettingError("an environment needs at least one SGDInstance, or the name of an instance set")
    return found
