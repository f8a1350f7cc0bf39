"""at2/devices.py and at2/recommend/device.py: devices that are there, devices that are not, and who is told."""

import pytest
import torch

from at2.errors import DeviceError
from at2.recommend import Recommender
from at2.surrogate import History, KroneckerGP, MixtureBelief
from at2.tables import LearningCurveTable
from tests.recommend.test_recommender import Quick, make


class Told(Quick):
    """A surrogate whose `fit` takes a device."""

    def fit(self, history: History, *, seed: int = 0, device: torch.device | None = None) -> MixtureBelief:
        self.device = device
        return super().fit(history, seed=seed)


def test_a_surrogate_that_takes_a_device_is_told(table: LearningCurveTable) -> None:
    surrogate = Told()
    make(table, surrogate=surrogate, device="cpu").recommend()
    assert surrogate.device == torch.device("cpu")


def test_the_processor_is_what_none_means(table: LearningCurveTable) -> None:
    assert make(table, device="cpu").recommend() == make(table).recommend()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a graphics card")
def test_a_device_that_is_not_there_is_refused(table: LearningCurveTable) -> None:
    with pytest.raises(DeviceError, match=r"cannot compute on device 'cuda' here .*; there are 'cpu'"):
        make(table, device="cuda")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", 3.5, ""])
def test_what_is_no_device_is_refused(table: LearningCurveTable, device: object) -> None:
    with pytest.raises(DeviceError, match="cannot compute on device"):
        make(table, device=device)


@pytest.mark.gpu
@pytest.mark.parametrize("surrogate", ["default", KroneckerGP(max_iter=3)])
@pytest.mark.parametrize("goal", ["recommend", "train"])
def test_a_graphics_card_gives_what_the_processor_gives(table: LearningCurveTable, surrogate, goal: str) -> None:
    runs: list[Recommender] = [make(table, surrogate=surrogate, goal=goal, device=d) for d in ("cpu", "cuda")]
    while True:
        queries = [run.ask() for run in runs]
        assert queries[0] == queries[1]
        if queries[0] is None:
            break
        for run, query in zip(runs, queries, strict=True):
            run.tell(query, 0.5 + 0.01 * query.epoch - 0.001 * int(query.config_id))
    first, second = (run.recommend() for run in runs)
    assert first.config_id == second.config_id
    assert first.mean == pytest.approx(second.mean, rel=1e-6)
    assert not runs[1].explain().leaders.empty
