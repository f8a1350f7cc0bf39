import pickle
from typing import Any

import numpy as np
import pytest

from at2.errors import CorruptFileError, UnknownNameError, UnsafePickleError
from at2.space import hyperrec_space
from at2.tables import LearningCurveTable, Pair, published_pairs
from at2.tables.published.authors import PUBLISHED, convert
from tests.tables.conftest import HYPERREC_TASKS, hyperrec_pickles, lcbench_pickles

HYPERREC, LCBENCH = PUBLISHED["hyperrec"], PUBLISHED["lcbench"]


class TestConvert:
    def test_hyperrec(self) -> None:
        configs, profiles = hyperrec_pickles()
        table = convert(HYPERREC, configs, profiles)
        assert table.shape == (3, 2, 4, 6)
        assert table.metrics["val_acc_top1"].maximize
        assert table.tasks.loc["CIFAR10"].tolist() == [60_000, 10]
        assert table.notes["split"] == {"train": 0.6, "validation": 0.2, "test": 0.2}
        assert table.notes["constants"]["nepoch"] == 6
        truth = pickle.loads(profiles)
        np.testing.assert_array_equal(table.curve("AWA2", 2, seed=1), truth[1]["AWA2"][2])
        sampled = hyperrec_space().sample(4, seed=1)
        for config_id, config in enumerate(sampled):
            assert table.config(config_id) == pytest.approx(hyperrec_space().validate(config))

    def test_lcbench(self) -> None:
        table = convert(LCBENCH, *lcbench_pickles())
        assert table.shape == (2, 1, 3, 4)
        assert table.configs["num_layers"].dtype.kind == "i"
        assert table.configs.loc[0, "num_layers"] == 1
        assert table.configs.columns.tolist() == list(table.space.names)
        assert table.notes["constants"] == {"network": "shapedmlpnet", "optimizer": "sgd"}

    def test_short_curves_are_filled_up_with_nan(self) -> None:
        configs, profiles = hyperrec_pickles()
        curves = pickle.loads(profiles)
        curves[0]["AWA2"][1] = curves[0]["AWA2"][1][:2]
        table = convert(HYPERREC, configs, pickle.dumps(curves))
        assert table.curve("AWA2", 1).index.tolist() == [1, 2]
        assert np.isnan(table.curves()).sum() == 4

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: p.clear(),
            lambda p: p[0].pop("AWA2"),
            lambda p: p[0]["AWA2"].pop(3),
            lambda p: p[0]["AWA2"].update({3: np.zeros((2, 2))}),
            lambda p: p[0]["AWA2"].update({3: "curve"}),
            lambda p: p.update({0: [1, 2]}),
        ],
    )
    def test_curves_of_another_form(self, change: Any) -> None:
        configs, profiles = hyperrec_pickles()
        curves = pickle.loads(profiles)
        change(curves)
        with pytest.raises(CorruptFileError, match=r"HyperRec/profiles\.pkl: not \{seed.*fetch the file again"):
            convert(HYPERREC, configs, pickle.dumps(curves))

    @pytest.mark.parametrize(
        "change",
        [
            lambda c: c.pop("optimizer_param"),
            lambda c: c.update(optimizer="LBFGS"),
            lambda c: c.update(batchsize=1000),
            lambda c: c.update(surprise=1),
            lambda c: c["scheduler_param"].update(base_lr=123.0),
        ],
    )
    def test_configurations_of_another_form(self, change: Any) -> None:
        configs, profiles = hyperrec_pickles()
        read = pickle.loads(configs)
        change(read[1])
        with pytest.raises(CorruptFileError, match=r"HyperRec/configs\.pkl: not \{config_id"):
            convert(HYPERREC, pickle.dumps(read), profiles)

    def test_a_hostile_file(self) -> None:
        with pytest.raises(UnsafePickleError, match=r"HyperRec/configs\.pkl: the pickle names 'builtins\.print'"):
            convert(HYPERREC, pickle.dumps({0: print}), b"")


class TestPairs:
    def test_ten_are_published(self) -> None:
        assert published_pairs("HyperRec")[3] == Pair(
            ("SUN397SUB1", "IMAGENET64SUB3", "CALTECH256", "CARS196"), "CUB200"
        )
        pairs = published_pairs("hyperrec") + published_pairs("lcbench")
        assert len(pairs) == 10
        assert all(len(pair.sources) == 4 and pair.target not in pair.sources for pair in pairs)

    def test_of_another_database(self) -> None:
        with pytest.raises(
            UnknownNameError, match="no published pairs for 'imagenet'; there are some for hyperrec, lcb"
        ):
            published_pairs("imagenet")


@pytest.mark.authors
class TestTheRealFiles:
    def test_hyperrec(self, hyperrec: LearningCurveTable) -> None:
        assert hyperrec.shape == (27, 2, 100, 75)
        assert np.isfinite(hyperrec.curves()).all()
        assert (hyperrec.status == 1).all()
        assert hyperrec.tasks.notna().all(axis=None)
        assert set(HYPERREC_TASKS) < set(hyperrec.tasks.index)
        assert hyperrec.tasks.index.is_monotonic_increasing
        assert hyperrec.curve("ACTION40", 0)[1] == pytest.approx(0.15867159)
        assert hyperrec.config(3)["lr"] == 0.06240051015039423
        assert hyperrec.space == hyperrec_space()
        assert hyperrec.space.encode(hyperrec.configs).shape == (100, len(hyperrec.space.columns))
        assert [hyperrec.space.validate(hyperrec.config(i)) for i in hyperrec.configs.index]

    def test_lcbench(self, lcbench: LearningCurveTable) -> None:
        assert lcbench.shape == (35, 1, 100, 52)
        assert np.isfinite(lcbench.curves()).all()
        assert lcbench.curve("APSFailure", 0)[2] == pytest.approx(0.89713711)
        assert "untrained network" in lcbench.notes["first_reading"]

    @pytest.mark.parametrize("name", ["hyperrec", "lcbench"])
    def test_every_task_of_a_pair_is_there(self, name: str, request: pytest.FixtureRequest) -> None:
        table = request.getfixturevalue(name)
        for pair in published_pairs(name):
            assert {*pair.sources, pair.target} <= set(table.tasks.index)
