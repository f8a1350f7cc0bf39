"""A small space that uses everything at once."""

import ConfigSpace as cs
import pytest

from at2.space import RelativeRange, SearchSpace, hyperrec_space, lcbench_space


def make_declaration():
    declared = cs.ConfigurationSpace(name="everything")
    kind = cs.Categorical("kind", ["a", "b", "c"])
    on = cs.Categorical("on", [True, False])
    size = cs.OrdinalHyperparameter("size", ["small", "medium", "large"])
    fixed = cs.Constant("fixed", 7)
    lr = cs.Float("lr", (0.01, 1.0), log=True)
    top = cs.Float("top", (1.5, 3.0))
    width = cs.Integer("width", (4, 400), log=True)
    rate_a, rate_b = cs.Float("rate_a", (0.0, 0.5)), cs.Float("rate_b", (0.5, 2.0))
    deep, note = cs.Integer("deep", (-3, 3)), cs.Float("note", (0.0, 10.0))
    declared.add(kind, on, size, fixed, lr, top, width, rate_a, rate_b, deep, note)
    declared.add(
        cs.EqualsCondition(rate_a, kind, "a"),
        cs.InCondition(rate_b, kind, ["b", "c"]),
        cs.EqualsCondition(top, on, True),
        cs.AndConjunction(cs.GreaterThanCondition(deep, width, 40), cs.NotEqualsCondition(deep, kind, "c")),
    )
    return declared


@pytest.fixture
def declaration():
    """The ConfigSpace part of `space`; a copy that a test may change."""
    return make_declaration()


@pytest.fixture(scope="session")
def space():
    return SearchSpace(
        make_declaration(),
        relative={"top": RelativeRange("lr", upper=1.0)},
        merged={"rate": ("rate_a", "rate_b")},
        optional=["note"],
        names=["kind", "on", "size", "fixed", "lr", "top", "width", "rate", "deep", "note"],
    )


@pytest.fixture(scope="session")
def spaces(space):
    return {"everything": space, "hyperrec": hyperrec_space(), "lcbench": lcbench_space()}


@pytest.fixture
def config():
    """A valid configuration of `space`."""
    return {"kind": "a", "on": False, "size": "medium", "fixed": 7, "lr": 0.1, "width": 40, "rate": 0.25}
