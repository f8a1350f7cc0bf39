import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from at2.curves.tuning.bohb import brackets, tune_by_bohb
from at2.curves.tuning.history import make_history
from at2.curves.tuning.log import TuningLog
from at2.curves.tuning.spaces import network_space
from at2.curves.tuning.task import NetworkTask
from at2.curves.tuning.tune import tune_network
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
    assert frame.groupby("config_number")["epoch"].max().max() <= 4
    assert np.isfinite(frame["its_test"]).all()


def test_at2_starts_from_what_other_tasks_showed(task: NetworkTask) -> None:
    sources = {f"source{i}": make_curves(24, 8, seed=i + 5) for i in range(2)}
    history = make_history(sources, "cnn", n_config=5, n_epoch=4, prefix=4)
    assert history.shape == (2, 1, 5, 4)
    frame = tune_network(task, tuner="at2", budget_epochs=8, history=history, max_runs=12)
    assert len(frame) == 8
    assert not frame["is_random"].any()


@dataclass
class EasyTask:
    """Errors that the learning rate decides, and that fall from epoch to epoch."""

    network: str = "cnn"
    n_epoch: int = 27

    def run(self, config: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
        for epoch in range(1, self.n_epoch + 1):
            error = abs(math.log10(config["learning_rate"]) + 2.5) + 0.3 / config["filters_1"] + 1 / epoch
            yield error, 2 * error


def test_bohb_begins_75_configurations_in_100_runs() -> None:
    log = TuningLog(EasyTask(), 5000, lambda spent, best: None)
    tune_by_bohb(log, seed=0, max_runs=100)
    frame = log.frame()
    assert (len(frame), frame["config_number"].nunique(), frame["run"].nunique()) == (945, 75, 100)
    reached = frame.groupby("config_number")["epoch"].max()
    assert reached.value_counts().to_dict() == {3: 30, 27: 25, 9: 20}
    each = frame.groupby("config_number").agg(error=("validation", "min"), is_random=("is_random", "first"))
    assert each["is_random"][:12].all()
    assert 18 <= each["is_random"].sum() <= 45
    full = each[reached == 27]
    assert full.loc[~full["is_random"], "error"].median() < full.loc[full["is_random"], "error"].median()


def test_a_third_of_each_rung_goes_on() -> None:
    log = TuningLog(EasyTask(), 63, lambda spent, best: None)
    tune_by_bohb(log, seed=3, max_runs=100)
    frame = log.frame()
    assert frame["config_number"].nunique() == 9
    third = frame[frame["epoch"] == 3].set_index("config_number")["validation"]
    assert set(frame.loc[frame["epoch"] == 4, "config_number"]) == set(third.nsmallest(3).index)
    ninth = frame[frame["epoch"] == 9].set_index("config_number")["validation"]
    assert frame.loc[frame["epoch"] == 10, "config_number"].tolist() == [ninth.idxmin()]


@pytest.mark.parametrize(("n_epoch", "first"), [(3, (3, [1, 3])), (1, (1, [1])), (81, (9, [9, 27, 81]))])
def test_short_trainings_have_fewer_rungs(n_epoch: int, first: tuple[int, list[int]]) -> None:
    assert next(brackets(n_epoch)) == first


def test_a_run_that_the_budget_cuts_off_counts_its_epochs() -> None:
    log = TuningLog(EasyTask(), 5, lambda spent, best: None)
    number = log.begin({"learning_rate": 0.01, "filters_1": 8}, is_random=True)
    assert log.train(number, 3) is not None
    assert log.train(number, 3) is not None
    assert log.n_run == 1
    assert log.train(number, 9) is None
    assert (log.n_run, log.n_left, len(log.frame())) == (2, 0, 5)


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
