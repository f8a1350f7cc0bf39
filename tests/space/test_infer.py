import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from at2.errors import SpaceError
from at2.space import SearchSpace, hyperrec_space


def ranges(frame):
    return SearchSpace.infer(pd.DataFrame(frame)).describe().set_index("hyperparameter")["range"].to_dict()


def test_kinds_of_columns():
    frame = {
        "lr": [1e-4, 1e-3, 1e-1],
        "dropout": [0.0, 0.2, 0.7],
        "units": [1, 64, 4096],
        "layers": [1, 2, 3],
        "act": ["relu", "tanh", "relu"],
        "bias": [True, False, True],
        "fixed": [5, 5, 5],
        "stop": [1, "auto", 2.5],
    }
    assert ranges(frame) == {
        "lr": "log 0.0001 to 0.1",
        "dropout": "0 to 0.7",
        "units": "log integer 1 to 4096",
        "layers": "integer 1 to 3",
        "act": "relu, tanh",
        "bias": "False, True",
        "fixed": "5",
        "stop": "1, 2.5, auto",
    }


def test_gaps_make_optional_and_keep_whole_numbers_whole():
    frame = pd.DataFrame({"depth": [2, None, 4], "width": [1.0, 2.0, 4.0], "act": ["a", None, "b"]})
    space = SearchSpace.infer(frame)
    assert space.describe()["active_when"].tolist() == ["always, optional", "always", "always, optional"]
    assert space.describe()["range"].tolist() == ["integer 2 to 4", "1 to 4", "a, b"]
    assert space.validate(frame.iloc[1].to_dict()) == {"width": 2.0}
    assert space.validate({"width": 2.0, "depth": 3.0}) == {"width": 2.0, "depth": 3}


def test_order_name_and_json():
    space = SearchSpace.infer(pd.DataFrame({"b": [1, 2], "a": [True, False]}), name="mine")
    assert (space.name, space.names) == ("mine", ("b", "a"))
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_an_empty_column_is_left_out_and_said_so(caplog):
    frame = pd.DataFrame({"a": [1, 2], "never": [None, None]})
    with caplog.at_level(logging.WARNING):
        space = SearchSpace.infer(frame)
    assert space.names == ("a",)
    assert "['never'] never have a value" in caplog.text
    assert space.encode(frame.drop(columns="never")).tolist() == space.encode(frame).tolist() == [[0.0], [1.0]]


def test_values_near_the_decimals_of_configspace():
    frame = pd.DataFrame({"lr": [1.23456789e-12, 3e-10], "tiny": [1e-300, 2e-300], "eps": [1 / 3, 2 / 3]})
    encoded = SearchSpace.infer(frame).encode(frame)
    assert np.all((encoded >= 0) & (encoded <= 1))


def test_samples_of_hyperrec():
    frame = pd.DataFrame(hyperrec_space().sample(100, seed=0))
    space = SearchSpace.infer(frame)
    encoded = space.encode(frame)
    assert {c.parameter for c, cells in zip(space.columns, encoded.T, strict=True) if np.isnan(cells).any()} == {
        *("beta_0", "beta_1", "momentum", "step_size", "gamma", "max_lr", "step_size_up", "t_0", "t_mult", "eta_min"),
    }


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({}, r"at least one row and column, got a frame of shape \(0, 0\)"),
        ({"a": []}, r"shape \(0, 1\)"),
        ({1: [1, 2]}, "texts as names, each once; got 1"),
        ({"a": [1.0, np.inf]}, "column 'a' runs from 1 to inf, beyond 1e\\+15; rescale it"),
        ({"a": [1, 10**16]}, "runs from 1 to 1e\\+16, beyond"),
        ({"a": [[1], [2]]}, "column 'a' must hold numbers, texts or truth values, got list"),
        ({"a": pd.to_datetime(["2020-01-01", "2020-01-02"])}, "got Timestamp"),
        ({"a": [True, 2]}, "got bool, int"),
        ({"a": [f"path/{i}" for i in range(51)]}, "column 'a' holds 51 different texts, at most 50"),
        ({"a": [None, None]}, "at least one hyperparameter"),
    ],
)
def test_refuses(frame, message):
    with pytest.raises(SpaceError, match=message):
        SearchSpace.infer(pd.DataFrame(frame))


def test_columns_of_one_name():
    with pytest.raises(SpaceError, match="each once; got 'a'"):
        SearchSpace.infer(pd.DataFrame([[1, 2]], columns=["a", "a"]))


COLUMNS = st.one_of(
    st.lists(st.floats(-1e12, 1e12) | st.none(), min_size=4, max_size=4),
    st.lists(st.floats(1e-9, 1e3), min_size=4, max_size=4),
    st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=4),
    st.lists(st.booleans() | st.none(), min_size=4, max_size=4),
    st.lists(st.sampled_from(["a", "b", "", "é"]) | st.none(), min_size=4, max_size=4),
)


@settings(deadline=None)  # a busy machine may take its time
@given(columns=st.lists(COLUMNS, min_size=1, max_size=5))
def test_every_row_is_valid_in_its_own_space(columns):
    frame = pd.DataFrame({f"x{i}": pd.Series(column, dtype=None) for i, column in enumerate(columns)})
    if frame.isna().all().all():
        return
    space = SearchSpace.infer(frame)
    encoded = space.encode(frame)
    assert encoded.shape == (4, len(space.columns))
    for column, cells in zip(space.columns, encoded.T, strict=True):
        assert np.array_equal(np.isnan(cells), frame[column.parameter].isna())


class TestConditions:
    frame = pd.DataFrame(
        {
            "lr": [0.1, 0.01, 0.001, 0.02, 0.03, 0.05],
            "optimizer": ["sgd", "adam", "sgd", "adam", "sgd", "adam"],
            "momentum": [0.9, None, 0.8, None, 0.5, None],
            "nesterov": [True, None, False, None, False, None],
            "layers": [1, 2, 3, 1, 2, 3],
            "units_2": [None, 8, 16, None, 8, 32],
            "dropout": [0.1, 0.2, None, 0.3, None, 0.1],
        }
    )

    def test_what_is_there_exactly_where_another_has_certain_values_depends_on_it(self) -> None:
        space = SearchSpace.infer(self.frame)
        assert dict(zip(*space.describe()[["hyperparameter", "active_when"]].to_numpy().T, strict=True)) == {
            "lr": "always",
            "optimizer": "always",
            "momentum": "optimizer == 'sgd'",
            "nesterov": "optimizer == 'sgd'",
            "layers": "always",
            "units_2": "layers > 1",
            "dropout": "always, optional",
        }
        for row in self.frame.to_dict("records"):
            space.validate({name: value for name, value in row.items() if value is not None and value == value})
        for config in space.sample(50, seed=0):
            assert ("momentum" in config) == ("nesterov" in config) == (config["optimizer"] == "sgd")
            assert ("units_2" in config) == (config["layers"] > 1)

    def test_one_exception_and_it_is_optional(self) -> None:
        frame = self.frame.copy()
        frame.loc[1, "momentum"] = 0.7
        when = SearchSpace.infer(frame).describe().set_index("hyperparameter")["active_when"]
        assert when["momentum"] == "always, optional"
        assert when["nesterov"] == "optimizer == 'sgd'"

    def test_two_configurations_are_no_rule(self) -> None:
        when = SearchSpace.infer(self.frame.iloc[:2]).describe().set_index("hyperparameter")["active_when"]
        assert when["momentum"] == "always, optional"

    def test_a_single_whole_number_stays_one_beside_gaps(self) -> None:
        frame = pd.DataFrame({"optimizer": ["sgd", "adam"], "warmup": [5.0, None]})
        drawn = [c["warmup"] for c in SearchSpace.infer(frame).sample(20, seed=0) if "warmup" in c]
        assert {(type(value), value) for value in drawn} == {(int, 5)}
