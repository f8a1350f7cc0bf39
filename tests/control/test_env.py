"""The environment: its spaces, its steps, its ends, and what it refuses."""

import math
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from at2.control import ActionError, ControlSettingError, EnvConfig, EpisodeError, SGDEnv, SGDInstance
from at2.control.controllers.learned import LogRateAction
from at2.control.observation import NAMES
from at2.errors import DeviceError

Outcome = tuple[list[np.ndarray], list[float], dict[str, Any]]


def play(env: gym.Env[Any, Any], action: object, *, seed: int | None = None) -> Outcome:
    """Play one episode with the same action throughout."""
    observation, _ = env.reset(seed=seed)
    seen, rewards, over, info = [observation], [], False, {}
    while not over:
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        rewards.append(float(reward))
        over = terminated or truncated
    return seen, rewards, info


@pytest.mark.parametrize("mode", ["epoch", "step"])
@pytest.mark.parametrize("observation", ["box", "dict"])
def test_gymnasium_finds_nothing_wrong(tiny: SGDInstance, mode: str, observation: str) -> None:
    settings = {"instances": [tiny], "mode": mode, "observation": observation}
    check_env(gym.make("at2.control:at2/SGD-v0", **settings).unwrapped)


@pytest.mark.parametrize("observation", ["box", "dict"])
def test_stable_baselines_finds_nothing_wrong(tiny: SGDInstance, observation: str) -> None:
    from stable_baselines3.common.env_checker import check_env as check

    check(SGDEnv([tiny], EnvConfig(observation=observation)), warn=False)  # it would rather have actions in [-1, 1]
    check(LogRateAction(SGDEnv([tiny])))  # and is content with these


def test_it_is_registered_and_takes_plain_settings(tiny: SGDInstance) -> None:
    env = gym.make("at2.control:at2/SGD-v0", instances=[tiny], mode="step", with_momentum=True)
    env.reset(seed=0)
    assert env.action_space.shape == (2,)
    assert env.step(np.array([0.01, 0.8], dtype=np.float32))[1] == 0.0
    with pytest.raises(TypeError, match="spede"):
        gym.make("at2/SGD-v0", spede="step")


def test_epoch_mode_steps_epochs_and_step_mode_batches(tiny: SGDInstance) -> None:
    epochs, batches = SGDEnv([tiny]), SGDEnv([tiny], EnvConfig(mode="step"))
    by_epoch, by_batch = play(epochs, 0.01, seed=3), play(batches, 0.01, seed=3)
    per_epoch = epochs.episode.training.batches_per_epoch
    assert per_epoch > 1
    assert (len(by_epoch[1]), len(by_batch[1])) == (tiny.cutoff, tiny.cutoff * per_epoch)
    assert by_epoch[2]["test_loss"] == by_batch[2]["test_loss"]  # one and the same training


def test_validation_is_taken_after_every_epoch_only(tiny: SGDInstance) -> None:
    env = SGDEnv([tiny], EnvConfig(mode="step"))
    seen, _, _ = play(env, 0.01, seed=0)
    losses = [row[NAMES.index("validation_loss")] for row in seen]
    n = env.episode.training.batches_per_epoch
    assert len(set(losses[:n])) == 1
    assert losses[n] != losses[0]
    assert len(set(losses[n : 2 * n])) == 1


def test_the_observation_names_what_happened(tiny: SGDInstance) -> None:
    env = SGDEnv([tiny], EnvConfig(observation="dict"))
    first, _ = env.reset(seed=0)
    assert first["learning_rate"] == np.float32(tiny.lr)
    assert (first["step"], first["alignment"], first["predictive_change_var_average"]) == (0, 0, 0)
    second, *_ = env.step([0.02])
    assert (second["learning_rate"], second["step"], second["crashed"]) == (np.float32(0.02), 1, 0)
    third, *_ = env.step([0.02])
    assert -1 <= third["alignment"] <= 1
    assert third["alignment"] != 0


def test_rewards_are_minus_the_test_loss_or_the_log_decrease(tiny: SGDInstance) -> None:
    _, rewards, info = play(SGDEnv([tiny]), 0.01, seed=0)
    assert rewards == [0.0, -info["test_loss"]]
    env = SGDEnv([tiny], EnvConfig(reward="log_validation", mode="step"))
    _, start = env.reset(seed=0)
    _, rewards, info = play(env, 0.01, seed=0)
    assert sum(rewards) == pytest.approx(math.log(start["validation_loss"] / info["validation_loss"]))
    assert sum(reward != 0 for reward in rewards) == tiny.cutoff


def test_own_reward_and_state(tiny: SGDInstance) -> None:
    config = EnvConfig(
        reward=lambda env: env.episode.values["step"],
        state=lambda env: np.array([env.episode.validation.top1], dtype=np.float32),
        observation_space=gym.spaces.Box(0, 1, shape=(1,), dtype=np.float32),
    )
    seen, rewards, _ = play(SGDEnv([tiny], config), 0.01, seed=0)
    assert rewards == [1.0, 2.0]
    assert seen[0].shape == (1,)
    with pytest.raises(ControlSettingError, match=r"the reward function <lambda> gave nan"):
        play(SGDEnv([tiny], EnvConfig(reward=lambda env: math.nan)), 0.01)


@pytest.mark.parametrize("kind", ["AdamW", "Adam", "SGD", "RMSprop"])
def test_an_action_sets_rate_and_momentum(tiny: SGDInstance, kind: str) -> None:
    instance = SGDInstance("small-plain", "digits-few", kind, batch_size=32, fraction=0.25, cutoff=1)
    env = SGDEnv([instance], EnvConfig(with_momentum=True))
    env.reset(seed=0)
    env.step([0.003, 0.5])
    assert (env.episode.training.lr, env.episode.training.momentum) == (0.003, 0.5)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([-0.1], r"the learning rate must lie in \[0, 1\], -0.1 came"),
        ([math.nan], "nan came"),
        ([math.inf], "inf came"),
        ([1.5], "1.5 came"),
        ([0.1, 0.9], r"an action holds learning rate, shape \(1,\); shape \(2,\) came; EnvConfig\(with_momentum"),
        ([[0.1]], r"shape \(1, 1\) came"),
        ([], r"shape \(0,\) came"),
        (None, "nan came"),
        ("fast", "an action is learning rate, 'fast' came"),
    ],
)
def test_a_wrong_action_is_refused_and_trains_nothing(tiny: SGDInstance, action: object, message: str) -> None:
    env = SGDEnv([tiny])
    env.reset(seed=0)
    with pytest.raises(ActionError, match=message):
        env.step(action)
    assert env.episode.n_steps == env.episode.training.n_step == 0


def test_a_momentum_of_one_is_refused(tiny: SGDInstance) -> None:
    env = SGDEnv([tiny], EnvConfig(with_momentum=True))
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"the momentum must lie in \[0, 0.999\], 1.0 came"):
        env.step([0.1, 1.0])
    with pytest.raises(ActionError, match=r"holds learning rate and momentum, shape \(2,\); shape \(\) came"):
        env.step(0.1)


def test_no_step_before_reset_or_after_the_end(tiny: SGDInstance) -> None:
    env = SGDEnv([tiny])
    with pytest.raises(EpisodeError, match="no training before the first reset"):
        env.step([0.1])
    play(env, 0.01)
    with pytest.raises(EpisodeError, match="has reached its cutoff of 2 steps; call reset"):
        env.step([0.1])
    env.reset()
    assert env.step([0.1])[4]["crashed"] is False


@pytest.mark.parametrize("mode", ["epoch", "step"])
def test_parameters_that_become_nan_at_the_first_step_are_a_crash(tiny: SGDInstance, mode: str) -> None:
    env = SGDEnv([tiny], EnvConfig(mode=mode))
    before, _ = env.reset(seed=0)
    with torch.no_grad():
        next(env.episode.training.network.parameters()).fill_(math.nan)
    observation, reward, terminated, truncated, info = env.step([0.01])
    assert (reward, terminated, truncated, info["crashed"]) == (tiny.crash_penalty, True, False, True)
    assert np.isfinite(observation).all()
    assert observation in env.observation_space
    assert observation[NAMES.index("crashed")] == 1
    assert observation[NAMES.index("training_loss")] == before[NAMES.index("training_loss")]
    assert "test_loss" not in info
    with pytest.raises(EpisodeError, match="has crashed; call reset"):
        env.step([0.01])


def test_a_rate_that_is_far_too_high_crashes_for_real() -> None:
    instance = SGDInstance("patch-2x3", "digits-few", "SGD", batch_size=32, fraction=0.25, cutoff=9, crash_penalty=-7)
    seen, rewards, info = play(SGDEnv([instance], EnvConfig(max_lr=1e30)), 1e30, seed=0)
    assert (rewards[-1], info["crashed"]) == (-7.0, True)
    assert all(np.isfinite(row).all() for row in seen)


def test_a_test_set_smaller_than_a_batch_is_evaluated_whole(tiny: SGDInstance, tmp_path: Any) -> None:
    images = np.random.default_rng(0).normal(size=(60, 8, 8))
    np.savez(tmp_path / "few.npz", images=images, labels=np.arange(60) % 2)
    instance = SGDInstance("small-plain", str(tmp_path / "few.npz"), batch_size=30, cutoff=1)
    env = SGDEnv([instance])
    _, rewards, _ = play(env, 0.01, seed=0)
    assert len(env.episode.training.task.test) == 12
    assert math.isfinite(rewards[-1])


def test_equal_seeds_give_equal_episodes_and_others_other_ones(tiny: SGDInstance) -> None:
    one, two, three = (play(SGDEnv([tiny, tiny]), 0.01, seed=seed) for seed in (5, 5, 6))
    assert [row.tolist() for row in one[0]] == [row.tolist() for row in two[0]]
    assert one[2]["test_loss"] == two[2]["test_loss"] != three[2]["test_loss"]


def test_equal_seeds_give_equal_episodes_in_another_process(tiny: SGDInstance) -> None:
    code = (
        "from at2.control import SGDEnv, SGDInstance; import torch; torch.set_num_threads(1)\n"
        f"env = SGDEnv([SGDInstance.from_row({tiny.to_row()!r})]); env.reset(seed=11)\n"
        "env.step([0.01]); print(repr(env.step([0.01])[4]['test_loss']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert float(done.stdout) == play(SGDEnv([tiny]), 0.01, seed=11)[2]["test_loss"]


def test_two_environments_share_no_random_state(tiny: SGDInstance) -> None:
    alone = play(SGDEnv([tiny]), 0.01, seed=1)[2]["test_loss"]
    one, two = SGDEnv([tiny]), SGDEnv([tiny])
    global_state = torch.get_rng_state()
    one.reset(seed=1)
    two.reset(seed=2)
    for env in (one, two, one):
        *_, info = env.step([0.01])
    assert info["test_loss"] == alone
    assert torch.equal(torch.get_rng_state(), global_state)


def test_instances_are_taken_in_order_at_random_or_as_asked(tiny: SGDInstance) -> None:
    named = {"a": tiny, "b": tiny, "c": tiny}
    env = SGDEnv(named, EnvConfig(order="cycle"))
    assert [env.reset(seed=0 if n == 0 else None)[1]["instance"] for n in range(4)] == ["a", "b", "c", "a"]
    assert env.reset(options={"instance": "c"})[1]["instance"] == "c"
    assert env.reset(options={"instance": tiny})[1]["instance"] == "given"
    drawn = [SGDEnv(named, seed=3).reset()[1]["instance"] for _ in range(2)]
    assert drawn[0] == drawn[1]
    with pytest.raises(ControlSettingError, match="no instance 'd' among 3: a, b, c"):
        env.reset(options={"instance": "d"})
    with pytest.raises(ControlSettingError, match="only option of reset is 'instance', 'speed' came"):
        env.reset(options={"speed": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "batch"}, "mode must be one of epoch, step; 'batch' came"),
        ({"observation": "list"}, "observation must be one of box, dict"),
        ({"reward": "accuracy"}, "reward must be one of test_loss, log_validation"),
        ({"order": "sorted"}, "order must be one of random, cycle"),
        ({"state": len}, "go together; give both or neither"),
        ({"max_lr": 0.0}, "max_lr must lie in"),
        ({"max_lr": math.nan}, "max_lr must lie in"),
        ({"discount": 1.0}, r"discount must lie in \[0, 1\)"),
        ({"max_lr": "high"}, r"max_lr must lie in \(0, 1e\+30\], 'high' came"),
        ({"discount": None}, r"discount must lie in \[0, 1\), None came"),
        ({"cutoff_steps": 0}, "cutoff_steps must be a whole number of at least 1, 0 came"),
        ({"cutoff_steps": 1.5}, "cutoff_steps must be a whole number of at least 1, 1.5 came"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ControlSettingError, match=message):
        EnvConfig(**settings)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match=r"cannot compute on device 'abacus' here \(.*\); there are 'cpu'"):
        EnvConfig(device="abacus")


def test_a_reward_or_state_that_is_no_number_does_not_travel_on(tiny: SGDInstance) -> None:
    env = SGDEnv([tiny], EnvConfig(reward=lambda env: None))  # type: ignore[arg-type,return-value]
    env.reset(seed=0)
    with pytest.raises(ControlSettingError, match="the reward function <lambda> gave None; it must give a finite"):
        env.step([0.01])

    def weight(env: SGDEnv) -> np.ndarray:
        return next(env.episode.training.network.parameters()).detach().numpy().ravel()[:1].copy()

    space = gym.spaces.Box(-np.inf, np.inf, (1,))
    env = SGDEnv([tiny], EnvConfig(state=weight, observation_space=space))
    env.reset(seed=0)
    seen, *_ = env.step([0.01])
    with torch.no_grad():
        next(env.episode.training.network.parameters()).fill_(math.nan)
    after, reward, terminated, *_ = env.step([0.01])
    assert (after.tolist(), reward, terminated) == (seen.tolist(), tiny.crash_penalty, True)
    env = SGDEnv([tiny], EnvConfig(state=lambda env: np.array([np.nan]), observation_space=space))
    with pytest.raises(ControlSettingError, match=r"the state function <lambda> gave array\(\[nan\]\); its numbers"):
        env.reset(seed=0)


def test_an_environment_needs_instances_and_a_known_way_to_render(tiny: SGDInstance) -> None:
    with pytest.raises(ControlSettingError, match="needs at least one SGDInstance"):
        SGDEnv(3)  # type: ignore[arg-type]
    for nothing in ([], {}, [1]):
        with pytest.raises(ControlSettingError, match="at least one SGDInstance"):
            SGDEnv(nothing)  # type: ignore[arg-type]
    with pytest.raises(ControlSettingError, match="render_mode must be one of human, ansi, rgb_array; 'video' came"):
        SGDEnv([tiny], render_mode="video")


def test_rendering_tells_and_draws(tiny: SGDInstance, capsys: pytest.CaptureFixture[str]) -> None:
    play(SGDEnv({"mine": tiny}, render_mode="human"), 0.01, seed=0)
    assert "instance mine: step 2/2  lr 0.01  training loss" in capsys.readouterr().out
    env = SGDEnv([tiny], render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "instance 0: before the first step"
    drawn = SGDEnv([tiny], render_mode="rgb_array")
    play(drawn, 0.01, seed=0)
    image = drawn.render()
    assert (image.ndim, image.shape[2], image.dtype) == (3, 3, np.uint8)
    assert image.std() > 0


def test_own_cutoff_in_steps_truncates_and_tests(tiny: SGDInstance) -> None:
    seen, rewards, info = play(SGDEnv([tiny], EnvConfig(mode="step", cutoff_steps=2)), 0.01, seed=0)
    assert len(seen) == 3
    assert rewards[-1] == -info["test_loss"]
