"""at2/space/lenient.py: valid configurations are encoded as ever, others as far as they can be read."""

import ConfigSpace as cs
import numpy as np
import pytest

from at2.space import RelativeRange, SearchSpace, hyperrec_space


@pytest.fixture
def space() -> SearchSpace:
    declared = cs.ConfigurationSpace(name="small")
    lr, width = cs.Float("lr", (1e-4, 1e-1), log=True), cs.Integer("width", (8, 64))
    optimizer = cs.Categorical("optimizer", ["adam", "sgd"])
    momentum = cs.Float("momentum", (0.0, 0.9))
    declared.add(lr, width, optimizer, momentum, cs.EqualsCondition(momentum, optimizer, "sgd"))
    declared.add(cs.Float("final_lr", (0.1, 1.0)))
    return SearchSpace(declared, relative={"final_lr": RelativeRange("lr")})


GOOD = {"lr": 1e-2, "width": 16, "optimizer": "sgd", "momentum": 0.5, "final_lr": 5e-3}


def test_valid_configurations_are_encoded_as_ever() -> None:
    space = hyperrec_space()
    configs = space.sample(20, seed=0)
    rows, valid, misfits = space.encode_leniently(configs)
    np.testing.assert_array_equal(rows, space.encode(configs))
    assert valid == [space.validate(c) for c in configs]
    assert misfits == []


@pytest.mark.parametrize(
    ("change", "nearest", "problem"),
    [
        ({"lr": 3.0, "final_lr": 0.5}, {"lr": 0.1, "final_lr": 0.05}, "drawn in to the range"),
        ({"width": 1000}, {"width": 64}, "drawn in to the range"),
        ({"final_lr": 7.0}, {"final_lr": 1e-2}, "drawn in to the range"),
    ],
)
def test_numbers_out_of_range_count_as_the_nearer_end(space: SearchSpace, change, nearest, problem: str) -> None:
    rows, valid, misfits = space.encode_leniently([{**GOOD, **change}])
    assert valid == [None]
    assert misfits[0].problem == problem
    expected = space.encode([{**GOOD, **nearest}])
    columns = [i for i, column in enumerate(space.columns) if column.parameter != "final_lr" or "final_lr" in nearest]
    if "lr" not in change:
        np.testing.assert_allclose(rows[:, columns], expected[:, columns])


@pytest.mark.parametrize(
    ("change", "parameter", "problem"),
    [
        ({"dropout": 0.1}, "dropout", "left out: not in the space"),
        ({"optimizer": "lion"}, "optimizer", "left out: no value that the space knows"),
        ({"width": "wide"}, "width", "left out: no value that the space knows"),
        ({"optimizer": "adam"}, "momentum", "left out: inactive there"),
        ({"width": None}, "width", "missing: counts as inactive"),
        ({"lr": float("nan")}, "lr", "missing: counts as inactive"),
    ],
)
def test_what_cannot_be_read_is_inactive_and_said(space: SearchSpace, change, parameter: str, problem: str) -> None:
    rows, valid, misfits = space.encode_leniently([GOOD, {**GOOD, **change}])
    assert valid[0] == GOOD
    assert valid[1] is None
    assert (1, parameter, problem) in [(m.row, m.parameter, m.problem) for m in misfits]
    assert rows.shape == (2, len(space.columns))
    if parameter != "dropout":
        cells = [i for i, column in enumerate(space.columns) if column.parameter == parameter]
        assert np.isnan(rows[1, cells]).all()


def test_nothing_gives_nothing(space: SearchSpace) -> None:
    rows, valid, misfits = space.encode_leniently([])
    assert rows.shape == (0, len(space.columns))
    assert valid == misfits == []
