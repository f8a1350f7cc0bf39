"""at2/tables/concat.py: several tables become one; nothing is lost, and nothing is taken for something else."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import at2
from at2.errors import TableError
from at2.space import SearchSpace
from at2.tables import LearningCurveTable, Metric, RunStatus, concat
from tests.tables.conftest import make_table


def tuned(
    task: str, runs: dict[Any, tuple[dict[str, Any], list[float]]], *, metric: str = "acc", **options: Any
) -> LearningCurveTable:
    """A table of one task: for each configuration what it is, and its curve."""
    rows = [(task, name, epoch + 1, value) for name, (_, curve) in runs.items() for epoch, value in enumerate(curve)]
    configs = pd.DataFrame([{"config_id": name, **config} for name, (config, _) in runs.items()])
    curves = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    return LearningCurveTable.from_frame(curves, configs, metric=metric, name=options.pop("name", task), **options)


def test_the_parts_of_a_table_make_it_again() -> None:
    table = make_table()
    table.batches = {}
    for parts in (
        [table.subset(tasks=["digits"]), table.subset(tasks=["letters", "faces"])],
        [table.subset(configs=[10, 11]), table.subset(configs=[12, 13])],
        [table.subset(["digits"], [10, 12]), table.subset(["digits"], [11]), table, table],
    ):
        whole = concat(parts, name="small")
        again = whole.subset(table.tasks.index, table.configs.index)
        again.notes = table.notes
        assert again.equals(table)
        assert whole.shape == table.shape


def test_tasks_with_configurations_and_lengths_of_their_own() -> None:
    ones = tuned("digits", {"d/0": ({"lr": 0.1, "depth": 2}, [0.5, 0.6])})
    others = tuned("letters", {"l/0": ({"lr": 0.2, "kind": "b"}, [0.1, 0.2, 0.3])})
    table = at2.concat([ones, others])
    assert table.shape == (2, 1, 2, 3)
    assert table.name == "history"
    assert table.notes == {"joined": ["digits", "letters"]}
    assert table.curve("digits", "d/0").to_dict() == {1: 0.5, 2: 0.6}
    assert table.curve("letters", "l/0").to_dict() == {1: 0.1, 2: 0.2, 3: 0.3}
    assert table.config("d/0") == {"lr": 0.1, "depth": 2}  # kind is inactive there, depth here
    assert table.config("l/0") == {"lr": 0.2, "kind": "b"}
    assert table.status[:, 0].tolist() == [[1, 0], [0, 1]]
    assert table.seconds is None


class TestConfigurations:
    def test_of_one_id_are_one_only_if_they_are_equal(self) -> None:
        a = tuned("a", {0: ({"lr": 0.1}, [0.5]), 1: ({"lr": 0.2}, [0.6])})
        b = tuned("b", {0: ({"lr": 0.1}, [0.7]), 1: ({"lr": 0.3}, [0.8])})
        c = tuned("c", {1: ({"lr": 0.3}, [0.9]), 2: ({"lr": 0.4}, [0.1])}, name="b")
        table = concat([a, b, c])
        assert table.configs["lr"].to_dict() == {"0": 0.1, "1": 0.2, "b/1": 0.3, "2": 0.4}
        assert table.curve("b", "0")[1] == 0.7
        assert table.curve("b", "b/1")[1] == 0.8
        assert table.curve("c", "b/1")[1] == 0.9
        assert table.curve("a", "b/1").empty

    def test_names_that_are_taken_twice(self) -> None:
        parts = [tuned(task, {"x": ({"lr": lr}, [lr])}, name="t") for task, lr in (("a", 0.1), ("b", 0.2), ("c", 0.3))]
        table = concat(parts)
        assert table.configs["lr"].to_dict() == {"x": 0.1, "t/x": 0.2, "t/x-2": 0.3}
        assert table.curve("c", "t/x-2")[1] == 0.3

    def test_ids_stay_ints_where_all_are(self) -> None:
        a, b = (tuned(task, {k: ({"lr": 0.1 + k}, [0.5])}) for k, task in enumerate("ab"))
        assert concat([a, b]).configs.index.tolist() == [0, 1]
        assert concat([a, tuned("c", {"0": ({"lr": 0.1}, [0.5])})]).configs.index.tolist() == ["0"]


class TestRuns:
    def test_of_other_values_are_further_seeds(self) -> None:
        first, second = (tuned("a", {"x": ({"lr": 0.1}, [value])}, name=f"{value}") for value in (0.5, 0.6))
        table = concat([first, second, first, second])
        assert table.shape == (1, 2, 1, 1)
        assert [table.curve("a", "x", seed=seed)[1] for seed in (0, 1)] == [0.5, 0.6]

    def test_seeds_of_one_table_stay_however_alike(self) -> None:
        rows = pd.DataFrame({"task": "a", "config_id": "x", "epoch": 1, "value": 0.5, "seed": [0, 1]})
        alike = LearningCurveTable.from_frame(rows, pd.DataFrame({"config_id": ["x"], "lr": [0.1]}), metric="acc")
        other = tuned("a", {"x": ({"lr": 0.1}, [0.7])})
        values = concat([alike, other]).curves()[0, :, 0, 0]
        assert values.tolist() == [0.5, 0.5, 0.7]

    def test_keep_their_status_and_their_seconds(self) -> None:
        table = make_table()
        table.batches = {}
        new = tuned("new", {10: (table.config(10), [0.3])}, metric="val_acc")
        joined = concat([new, table])
        assert joined.metrics.keys() == {"val_acc"}
        assert np.array_equal(joined.status[1:], table.status)
        assert joined.seconds is not None
        assert np.isnan(joined.seconds[0]).all()
        assert np.array_equal(joined.seconds[1:], table.seconds, equal_nan=True)
        assert (joined.status[0, 0] == RunStatus.OK).tolist() == [True, False, False, False]

    def test_a_thousand_studies_take_no_room_for_what_they_did_not_run(self) -> None:
        studies = [tuned(f"s{k}", {f"s{k}/{n}": ({"lr": k + n / 9}, [0.1, 0.2]) for n in range(8)}) for k in range(100)]
        table = concat(studies)
        assert table.shape == (100, 1, 800, 2)
        assert table.kept().values.shape == (800, 2)


class TestMetrics:
    def test_those_of_all_tables_are_kept(self) -> None:
        table = make_table()
        table.batches = {}
        joined = concat([table, tuned("new", {10: (table.config(10), [0.3])}, metric="val_loss", maximize=False)])
        assert joined.metric == "val_loss"

    def test_defaults_under_one_name(self) -> None:
        a, b = (tuned(name, {"x": ({"lr": 0.1}, [0.5])}, metric=name) for name in ("val_acc", "accuracy"))
        with pytest.raises(TableError, match=r"'val_acc' has val_acc; 'accuracy' has accuracy. Pass metric="):
            concat([a, b])
        joined = concat([a, b], metric="accuracy")
        assert joined.get_metric() == Metric("accuracy", maximize=True)
        assert joined.curve("val_acc", "x")[1] == 0.5

    def test_directions_must_agree(self) -> None:
        a, b = (tuned(task, {"x": ({"lr": 0.1}, [0.5])}, maximize=task == "a") for task in "ab")
        with pytest.raises(TableError, match="'acc' is maximized in 'a' and minimized elsewhere"):
            concat([a, b])

    def test_units(self) -> None:
        a, b = make_table(), make_table()
        a.batches = b.batches = {}
        b.metrics = {**b.metrics, "val_acc": Metric("val_acc", maximize=True, unit="%")}
        assert concat([a, a]).get_metric().unit == "fraction"
        assert concat([a, b]).get_metric().unit == ""


class TestSpace:
    @pytest.fixture
    def wide(self) -> SearchSpace:
        return SearchSpace.infer(pd.DataFrame({"lr": [0.001, 1.0]}), name="wide")

    def test_the_first_that_all_belong_to(self, wide: SearchSpace) -> None:
        narrow = SearchSpace.infer(pd.DataFrame({"lr": [0.05, 0.1]}), name="narrow")
        a = tuned("a", {"x": ({"lr": 0.1}, [0.5])}, space=narrow)
        b = tuned("b", {"y": ({"lr": 0.9}, [0.5])}, space=wide)
        assert concat([a, b]).space == wide
        assert concat([a, tuned("c", {"z": ({"lr": 0.07}, [0.5])})]).space == narrow

    def test_none_where_there_is_none(self, wide: SearchSpace) -> None:
        a = tuned("a", {"x": ({"lr": 0.1}, [0.5])}, space=wide)
        joined = concat([a, tuned("b", {"y": ({"lr": 0.1, "depth": 3}, [0.5])})])
        assert not joined.has_space
        assert set(joined.space.names) == {"lr", "depth"}


def test_facts_of_tasks_are_brought_together() -> None:
    run = {"x": ({"lr": 0.1}, [0.5])}
    facts = [pd.DataFrame({"task": ["a"], **more}) for more in ({"n": [7]}, {"n": [8], "kind": ["text"]})]
    table = concat([tuned("a", run, tasks=facts[0]), tuned("a", run, tasks=facts[1])])
    assert table.tasks.loc["a"].to_dict() == {"n": 7, "kind": "text"}


@pytest.mark.parametrize("tables", [[], ["lcbench"], 3])
def test_what_is_no_table_is_said(tables: Any) -> None:
    with pytest.raises(TableError, match="concat wants at least one LearningCurveTable, got"):
        concat(tables)


def test_a_single_table_may_stand_in_a_list_of_one() -> None:
    table = make_table()
    table.batches = {}
    assert np.array_equal(concat([table]).curves(), table.curves(), equal_nan=True)
