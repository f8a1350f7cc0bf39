import numpy as np
import pytest

from at2.curves.tune import NetworkTask, make_history, network_space, tune_network
from at2.errors import PredictorError
from tests.curves.conftest import make_curves


@pytest.fixture(scope="module")
def task() -> NetworkTask:
    return NetworkTask(make_curves(30, 8), "cnn", n_epoch=4, prefix=4)


@pytest.mark.parametrize("tuner", ["random", "bohb"])
def test_a_budget_is_spent_and_the_best_only_falls(task: NetworkTask, tuner: str) -> None:
    frame = tune_network(task, tuner=tuner, budget_epochs=14, seed=1)
    assert frame["spent"].tolist() == list(range(1, 15))
    assert (np.diff(frame["best_validation"]) <= 0).all()
    assert frame.groupby("run")["epoch"].max().max() <= 4
    assert np.isfinite(frame["its_test"]).all()


def test_at2_starts_from_what_other_tasks_showed(task: NetworkTask) -> None:
    sources = {f"source{i}": make_curves(24, 8, seed=i + 5) for i in range(2)}
    history = make_history(sources, "cnn", n_config=5, n_epoch=4, prefix=4)
    assert history.shape == (2, 1, 5, 4)
    frame = tune_network(task, tuner="at2", budget_epochs=8, history=history, max_runs=12)
    assert len(frame) == 8
    assert not frame["is_random"].any()


@pytest.mark.parametrize("network", ["cnn", "lstm"])
def test_every_configuration_of_a_space_can_be_trained(network: str) -> None:
    task = NetworkTask(make_curves(24, 8), network, n_epoch=1, prefix=4)
    for config in network_space(network).sample(3, seed=0):
        validation, test = next(task.run(config))
        assert validation > 0
        assert test > 0


def test_wrong_calls_are_refused(task: NetworkTask) -> None:
    with pytest.raises(PredictorError, match="no tuner 'smac'"):
        tune_network(task, tuner="smac", budget_epochs=3)
    with pytest.raises(PredictorError, match="at least 1 training epoch"):
        tune_network(task, tuner="random", budget_epochs=0)
    with pytest.raises(PredictorError, match="can be tuned, not 'gru'"):
        network_space("gru")
