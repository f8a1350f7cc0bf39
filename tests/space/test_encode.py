import time

import ConfigSpace as cs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from at2.errors import ShapeError, SpaceError
from at2.space import SearchSpace

NAMES = ["everything", "hyperrec", "lcbench"]


def same(config, other):
    """Equal but for the last digits of floats."""
    assert config.keys() == other.keys()
    for name, value in config.items():
        close = pytest.approx(other[name], rel=1e-10, abs=1e-14) if isinstance(value, float) else other[name]
        assert value == close
    return True


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)  # a busy machine may take its time
@given(seed=st.integers(0, 2**32 - 1))
def test_sample_validate_encode_decode(spaces, name, seed):
    space = spaces[name]
    (config,) = space.sample(1, seed=seed)
    assert space.validate(config) == config
    row = space.encode([config])[0]
    assert np.nanmin(row) >= 0
    assert np.nanmax(row) <= 1
    assert same(space.decode(row), config)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)  # a busy machine may take its time
@given(data=st.data())
def test_any_row_decodes_to_a_valid_configuration(spaces, name, data):
    space = spaces[name]
    row = data.draw(arrays(np.float64, len(space.columns), elements=st.floats(-2, 3) | st.just(np.nan)))
    config = space.decode(row)
    assert space.validate(config) == config
    again = space.encode([config])[0]
    assert same(space.decode(again), config)
    inside = (np.clip(row, 0, 1) == row) & ~np.isnan(again)
    for i in np.flatnonzero(inside):
        column = space.columns[i]
        if isinstance(config[column.parameter], float) and config.get("top") != 1.0:  # at the cap, ratios merge
            assert again[i] == pytest.approx(row[i], abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_nan_exactly_where_inactive(spaces, name):
    space = spaces[name]
    configs = space.sample(300, seed=1)
    encoded = space.encode(configs)
    for config, row in zip(configs, encoded, strict=True):
        filled = {column.parameter for column, cell in zip(space.columns, row, strict=True) if not np.isnan(cell)}
        assert filled == set(config)


def test_cells(space, config):
    table = pd.Series(space.encode([config])[0], index=[column.name for column in space.columns])
    assert table[["kind=a", "kind=b", "kind=c"]].tolist() == [1, 0, 0]
    assert table[["on=True", "on=False"]].tolist() == [0, 1]
    assert table["size"] == 0.5
    assert table["fixed=7"] == 1
    assert table["lr"] == pytest.approx(0.5)  # in logarithms
    assert table["width"] == pytest.approx(0.5)
    assert table["rate_a"] == 0.5
    assert table[["top", "rate_b", "deep", "note"]].isna().all()
    assert space.columns[0].parameter == "kind"
    assert [column.choice for column in space.columns[:6]] == ["a", "b", "c", True, False, None]


def test_ends_of_ranges(spaces):
    space = spaces["lcbench"]
    ends = pd.DataFrame(
        {
            "batch_size": [16, 512],
            "learning_rate": [1e-4, 1e-1],
            "momentum": [0.1, 0.99],
            "weight_decay": [1e-5, 1e-1],
            "num_layers": [1, 5],
            "max_units": [64, 1024],
            "max_dropout": [0, 1],
        }
    )
    assert space.encode(ends).tolist() == [[0] * 7, [1] * 7]
    assert space.decode(np.full(7, -5.0)) == space.validate(ends.to_dict("records")[0])
    assert space.decode(np.full(7, 5.0)) == space.validate(ends.to_dict("records")[1])


def test_frame_and_list_agree(space):
    configs = space.sample(50, seed=2)
    frame = pd.DataFrame(configs)
    assert np.array_equal(space.encode(frame), space.encode(configs), equal_nan=True)
    assert np.array_equal(space.encode(frame.convert_dtypes()), space.encode(configs), equal_nan=True)


def test_nothing_to_encode(space):
    assert space.encode([]).shape == (0, len(space.columns))


def test_the_message_says_which_configuration(space, config):
    with pytest.raises(SpaceError, match=r"^configuration 2: 'lr' must be a number in") as caught:
        space.encode([config, config, {**config, "lr": 9}])
    assert caught.value.parameter == "lr"


def test_a_single_configuration(space, config):
    with pytest.raises(ShapeError, match="put it in a list"):
        space.encode(config)


@pytest.mark.parametrize("shape", [(13,), (1, 14), ()])
def test_a_row_of_another_shape(space, shape):
    with pytest.raises(ShapeError, match=r"has shape \(14,\), got"):
        space.decode(np.zeros(shape))


def test_an_empty_row_gives_defaults(space):
    config = space.decode(np.full(len(space.columns), np.nan))
    assert space.validate(config) == config
    assert "note" not in config
    assert config["kind"] == "a"


def test_the_nearest_configuration_is_forbidden():
    declared = cs.ConfigurationSpace()
    declared.add(a := cs.Integer("a", (0, 2)), cs.ForbiddenEqualsClause(a, 2))
    space = SearchSpace(declared)
    assert space.decode([0.4]) == {"a": 1}
    with pytest.raises(SpaceError, match="forbidden by the declaration"):
        space.decode([0.9])


def test_two_thousand_configurations_are_no_wait(spaces):
    """Takes 0.1 s; the bound is loose, for busy machines."""
    configs = spaces["hyperrec"].sample(2000, seed=0)
    start = time.process_time()
    spaces["hyperrec"].encode(configs)
    assert time.process_time() - start < 1.0
