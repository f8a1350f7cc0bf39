"""Vectors of environments, and wrappers of others."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnasium.wrappers.vector import RecordEpisodeStatistics as VectorStatistics

from at2.control import SGDEnv, SGDInstance


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn about forking beside threads
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_vectors_step_and_begin_anew(tiny: SGDInstance, kind: str) -> None:
    envs = gym.make_vec("at2.control:at2/SGD-v0", num_envs=2, vectorization_mode=kind, instances=[tiny])
    envs = VectorStatistics(envs)
    try:
        observations, _ = envs.reset(seed=4)
        assert observations.shape == (2, 10)
        assert not np.array_equal(observations[0], observations[1])  # seeds 4 and 5
        actions = np.full((2, 1), 0.01, dtype=np.float32)
        envs.step(actions)
        _, rewards, terminated, truncated, infos = envs.step(actions)
        assert truncated.all()
        assert not terminated.any()
        assert np.allclose(rewards, -infos["test_loss"])
        assert infos["episode"]["l"].tolist() == [2, 2]
        observations, *_ = envs.step(actions)  # a new episode
        assert observations[:, 7].tolist() == [0, 0]
    finally:
        envs.close()


def test_a_vector_gives_what_single_environments_give(tiny: SGDInstance) -> None:
    envs = gym.make_vec("at2.control:at2/SGD-v0", num_envs=2, vectorization_mode="sync", instances=[tiny])
    observations, _ = envs.reset(seed=4)
    for place in range(2):
        assert np.array_equal(SGDEnv([tiny]).reset(seed=4 + place)[0], observations[place])


def test_wrappers_that_log_see_whole_episodes(tiny: SGDInstance) -> None:
    from stable_baselines3.common.monitor import Monitor

    for wrapped in (RecordEpisodeStatistics(SGDEnv([tiny])), Monitor(SGDEnv([tiny]))):
        wrapped.reset(seed=0)
        wrapped.step(np.array([0.01]))
        *_, info = wrapped.step(np.array([0.01]))
        assert info["episode"]["l"] == 2
        assert info["episode"]["r"] == pytest.approx(-info["test_loss"], abs=1e-5)
