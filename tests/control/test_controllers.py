"""Controllers, one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from at2.control import ControlSettingError, EnvConfig, SGDEnv, SGDInstance
from at2.control.controllers import controller_names, make_controller
from at2.control.controllers.learned import LearnedController, learn
from at2.control.controllers.recommended import RecommendedController
from at2.control.controllers.schedules import SCHEDULES, schedule_rates
from at2.control.recordings import METRIC, record_schedules, schedule_configs
from at2.control.runs import run_episode
from at2.errors import CorruptFileError


@pytest.fixture
def env(tiny: SGDInstance) -> SGDEnv:
    return SGDEnv({"mine": tiny})


def test_schedules_by_hand() -> None:
    rates = {name: schedule_rates(build, 0.1, 6) for name, build in SCHEDULES.items()}
    assert rates["constant"] == [0.1] * 6
    assert rates["step"] == pytest.approx([0.1, 0.1, 0.03, 0.03, 0.009, 0.009])
    assert rates["exponential"] == pytest.approx([0.1 * 0.1 ** (k / 6) for k in range(6)])
    cosine = [0.05 + 0.05 * (1 + np.cos(np.pi * k / 3)) / 2 for k in range(3)]
    assert rates["cosine"] == pytest.approx(cosine * 2)
    restarts = [0.05 * (1 + np.cos(np.pi * k / n)) for n in (2, 4) for k in range(n)]
    assert rates["warm-restarts"] == pytest.approx(restarts)
    assert rates["doubling-cycles"] == pytest.approx([0.1, 0.5, 0.1, 0.3, 0.5, 0.3])
    amplitude = [0.05 * 0.5 ** (k / 6) for k in range(6)]
    assert rates["cyclic"] == pytest.approx([0.1, 0.1 + amplitude[1], 0.1, 0.1 + amplitude[3], 0.1, 0.1 + amplitude[5]])


@pytest.mark.parametrize("name", [*SCHEDULES, "hypergradient", "random"])
@pytest.mark.parametrize("mode", ["epoch", "step"])
def test_a_controller_leads_an_episode_to_its_end(tiny: SGDInstance, name: str, mode: str) -> None:
    env = SGDEnv({"mine": tiny}, EnvConfig(mode=mode))
    one, two = (run_episode(env, make_controller(name), instance="mine", seed=3) for _ in range(2))
    assert len(one.learning_rates) == env.episode.cutoff_steps
    assert not one.crashed
    assert (one.learning_rates, one.test_loss) == (two.learning_rates, two.test_loss)


def test_the_hypergradient_moves_the_rate_within_an_epoch(env: SGDEnv, tiny: SGDInstance) -> None:
    record = run_episode(env, make_controller("hypergradient"), instance="mine", seed=0)
    assert record.learning_rates[0] != tiny.lr
    assert record.learning_rates[1] != record.learning_rates[0]


def test_rates_never_pass_the_highest_allowed(tiny: SGDInstance) -> None:
    env = SGDEnv({"mine": tiny}, EnvConfig(max_lr=0.012))
    assert max(run_episode(env, make_controller("doubling-cycles"), instance="mine", seed=0).learning_rates) <= 0.012


def test_unknown_names_are_answered_with_those_there_are() -> None:
    assert {"constant", "at2", "learned", "hypergradient"} <= set(controller_names())
    with pytest.raises(ControlSettingError, match="no controller 'best'; there are constant, step"):
        make_controller("best")


def test_recordings_become_a_table_the_recommender_picks_from(tiny: SGDInstance) -> None:
    configs = schedule_configs(["constant"], [1e-6, 0.02])
    table = record_schedules({"a": tiny, "b": tiny, "c": tiny}, configs=configs)
    assert table.metric == METRIC
    assert table.curves().shape == (3, 1, 2, 2)
    assert np.isfinite(table.curves()).all()
    assert table.tasks.loc["a", "optimizer"] == "AdamW"
    controller = RecommendedController(table)
    for name in ("new", "b"):
        record = run_episode(SGDEnv({name: tiny}), controller, instance=name, seed=0)
        assert record.learning_rates == [0.02, 0.02]
    with_trials = RecommendedController(table, trial_epochs=3)
    assert run_episode(SGDEnv({"new": tiny}), with_trials, instance="new", seed=0).learning_rates == [0.02, 0.02]
    other = SGDInstance("small-plain", "digits-few", "SGD", batch_size=32, fraction=0.25, cutoff=2)
    with pytest.raises(ControlSettingError, match="no other instance with SGD; they know AdamW"):
        run_episode(SGDEnv({"new": other}), controller, instance="new", seed=0)


def test_the_shipped_recordings_answer_for_both_optimizers(tiny: SGDInstance) -> None:
    record = run_episode(SGDEnv({"new": tiny}), make_controller("at2"), instance="new", seed=0)
    assert 1e-3 <= record.learning_rates[0] <= 0.1


def test_a_policy_is_learned_saved_and_loaded(tiny: SGDInstance, tmp_path: Path) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    episodes: list[float] = []
    policy = learn({"mine": tiny}, n_steps=50, seed=1, on_episode=lambda n, reward: episodes.append(reward))
    assert len(episodes) == 25
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    policy.save(tmp_path / "policy.pt")
    records = [
        run_episode(SGDEnv({"mine": tiny}), one, instance="mine", seed=0)
        for one in (policy, LearnedController.load(tmp_path / "policy.pt"))
    ]
    assert records[0].learning_rates == records[1].learning_rates
    assert all(1e-4 <= rate <= 0.1 for rate in records[0].learning_rates)
    (tmp_path / "policy.pt").write_bytes(b"no policy")
    with pytest.raises(CorruptFileError, match="not a whole checkpoint"):
        LearnedController.load(tmp_path / "policy.pt")


def test_the_shipped_policy_runs(env: SGDEnv) -> None:
    record = run_episode(env, make_controller("learned"), instance="mine", seed=0)
    assert len(record.learning_rates) == 2
