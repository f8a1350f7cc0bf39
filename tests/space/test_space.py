import json
import pickle
import subprocess
import sys

import ConfigSpace as cs
import numpy as np
import pandas as pd
import pytest

from at2.errors import At2Error, SpaceError
from at2.space import RelativeRange, SearchSpace, lcbench_space

NAMES = ["everything", "hyperrec", "lcbench"]
FORBIDDEN = [("kind", "b"), ("size", "small")]


def declare(*parts):
    declared = cs.ConfigurationSpace()
    declared.add(*parts)
    return declared


def with_forbidden(declaration):
    clauses = [cs.ForbiddenEqualsClause(declaration[name], value) for name, value in FORBIDDEN]
    declaration.add(cs.ForbiddenAndConjunction(*clauses))
    return SearchSpace(declaration, merged={"rate": ("rate_a", "rate_b")}, optional=["note"])


class TestSample:
    @pytest.mark.parametrize("name", NAMES)
    def test_same_seed_same_configurations(self, spaces, name):
        space = spaces[name]
        assert space.sample(20, seed=3) == space.sample(20, seed=3)
        assert space.sample(20, seed=3) != space.sample(20, seed=4)

    def test_an_equal_space_draws_the_same(self, space):
        assert SearchSpace.from_json(space.to_json()).sample(10, seed=0) == space.sample(10, seed=0)

    def test_generator_is_advanced(self, space):
        rng = np.random.default_rng(0)
        assert space.sample(5, seed=rng) != space.sample(5, seed=rng)

    def test_global_random_state_is_left_alone(self, space):
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state to leave alone
        space.sample(5, seed=0)
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_plain_python_types(self, space):
        drawn = space.sample(50, seed=0)
        assert {type(value) for config in drawn for value in config.values()} == {str, bool, int, float}

    def test_every_branch_is_drawn(self, space):
        drawn = space.sample(300, seed=0)
        assert {name for config in drawn for name in config} == set(space.names)
        assert 0.4 < np.mean(["note" in config for config in drawn]) < 0.6

    def test_log_scale(self):
        drawn = lcbench_space().sample(4000, seed=0)
        assert np.mean([np.log10(config["learning_rate"]) for config in drawn]) == pytest.approx(-2.5, abs=0.05)
        assert np.mean([config["weight_decay"] for config in drawn]) == pytest.approx(0.05, abs=0.002)

    def test_none_at_all(self, space):
        assert space.sample(0, seed=0) == []

    def test_negative_number(self, space):
        with pytest.raises(ValueError, match="must be >= 0, got -1"):
            space.sample(-1, seed=0)

    def test_forbidden_combinations_are_not_drawn(self, declaration):
        drawn = with_forbidden(declaration).sample(200, seed=0)
        assert len(drawn) == 200
        assert not any(config["kind"] == "b" and config["size"] == "small" for config in drawn)

    def test_almost_all_forbidden(self):
        declared = declare(a := cs.Float("a", (0.0, 1.0), default=1.0), cs.ForbiddenLessThanClause(a, 1.0))
        with pytest.raises(SpaceError, match="only 0 of 2 configurations were not forbidden after 1000 rounds"):
            SearchSpace(declared).sample(2, seed=0)


class TestValidate:
    def test_returns_plain_values_in_order(self, space, config):
        numpy_config = {name: np.asarray(value)[()] for name, value in reversed(config.items())}
        clean = space.validate(numpy_config)
        assert clean == config
        assert list(clean) == list(config)
        assert [type(value) for value in clean.values()] == [type(value) for value in config.values()]

    @pytest.mark.parametrize("gap", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
    def test_gaps_count_as_absent(self, space, config, gap):
        assert space.validate({**config, "top": gap, "deep": gap, "note": gap}) == config

    def test_whole_floats_are_integers(self, space, config):
        clean = space.validate({**config, "width": 40.0})
        assert clean["width"] == 40
        assert type(clean["width"]) is int

    def test_optional_may_be_given(self, space, config):
        assert space.validate({**config, "note": 3})["note"] == 3.0

    @pytest.mark.parametrize(
        ("change", "parameter", "message"),
        [
            ({"lrr": 1}, "lrr", "unknown hyperparameter 'lrr'; did you mean 'lr'?"),
            ({"zzzz": 1}, "zzzz", "unknown hyperparameter 'zzzz'; the space has kind, on"),
            ({"rate_a": 0.1}, "rate_a", "unknown hyperparameter 'rate_a'"),
            ({"lr": None}, "lr", "lacks 'lr'; give it a value of log 0.01 to 1"),
            ({"rate": float("nan")}, "rate", "lacks 'rate', which is active because kind == 'a'"),
            ({"top": 0.2}, "top", r"'top' is inactive here, got 0.2; leave it out \(it is active when on == True\)"),
            ({"deep": 1}, "deep", r"active when \(width > 40 and kind != 'c'\)"),
            ({"lr": 1.0000001}, "lr", r"'lr' must be a number in \[0.01, 1.0\]; got 1.0000001"),
            ({"lr": "0.1"}, "lr", "got '0.1'"),
            ({"lr": True}, "lr", "got True"),
            ({"lr": float("inf")}, "lr", "got inf"),
            ({"lr": [0.1]}, "lr", r"got \[0.1\]"),
            ({"width": 40.5}, "width", r"'width' must be a whole number in \[4, 400\]; got 40.5"),
            ({"width": 401}, "width", "got 401"),
            ({"rate": 0.6}, "rate", r"in \[0.0, 0.5\] when kind == 'a'; got 0.6"),
            ({"rate": 0.1, "kind": "c"}, "rate", r"in \[0.5, 2.0\] when kind in \['b', 'c'\]; got 0.1"),
            ({"kind": "d"}, "kind", r"'kind' must be one of \['a', 'b', 'c'\]; got 'd'"),
            ({"kind": ["a"]}, "kind", "one of"),
            ({"on": 0}, "on", r"one of \[True, False\]; got 0"),
            ({"size": "tiny"}, "size", "one of"),
            ({"fixed": 8}, "fixed", r"one of \[7\]; got 8"),
        ],
    )
    def test_refuses(self, space, config, change, parameter, message):
        with pytest.raises(SpaceError, match=message) as caught:
            space.validate({**config, **change})
        assert caught.value.parameter == parameter
        assert isinstance(caught.value, At2Error | ValueError)

    def test_not_a_configuration(self, space):
        with pytest.raises(SpaceError, match="a dict of names and values, got a list"):
            space.validate([1, 2])

    def test_a_forbidden_combination(self, declaration, config):
        space = with_forbidden(declaration)
        space.validate(config)
        with pytest.raises(SpaceError, match="forbidden by the declaration"):
            space.validate({**config, "kind": "b", "rate": 1.0, "size": "small"})

    def test_a_forbidden_relation_with_an_inactive_side(self):
        switch, a, b = cs.Categorical("switch", ["on", "off"]), cs.Integer("a", (0, 9)), cs.Integer("b", (0, 9))
        declared = declare(switch, a, b, cs.EqualsCondition(b, switch, "on"), cs.ForbiddenGreaterThanRelation(a, b))
        space = SearchSpace(declared)
        space.validate({"switch": "off", "a": 9})
        space.validate({"switch": "on", "a": 2, "b": 3})
        with pytest.raises(SpaceError, match="forbidden"):
            space.validate({"switch": "on", "a": 4, "b": 3})

    def test_two_active_ranges_of_one_name(self):
        space = SearchSpace(declare(cs.Float("a", (0, 1)), cs.Float("b", (0, 1))), merged={"x": ("a", "b")})
        with pytest.raises(SpaceError, match="'x' has two active ranges, 'a' and 'b'"):
            space.validate({"x": 0.5})


class TestRelative:
    def test_range_moves_with_the_base(self, space, config):
        assert space.validate({**config, "on": True, "top": 0.25})["top"] == 0.25
        with pytest.raises(SpaceError, match=r"1.5 to 3 times 'lr', at most 1: in \[0.15.*, 0.3.*\] when on == True"):
            space.validate({**config, "on": True, "top": 0.31})

    def test_cap(self, space, config):
        capped = {**config, "on": True, "lr": 0.9, "top": 1.0}
        assert space.validate(capped)["top"] == 1.0
        assert space.decode(space.encode([capped])[0])["top"] == 1.0
        with pytest.raises(SpaceError, match="at most 1"):
            space.validate({**capped, "top": 1.001})

    def test_only_rounding_is_forgiven(self, space, config):
        given = {**config, "on": True, "lr": 0.1}
        assert space.validate({**given, "top": 0.3 * (1 + 1e-15)})["top"] == 0.1 * 3.0
        for wrong in (0.3 * (1 + 1e-10), 0.15 * (1 - 1e-10)):
            with pytest.raises(SpaceError, match="'top'"):
                space.validate({**given, "top": wrong})

    def test_encoded_by_its_ratio(self, space, config):
        column = [column.name for column in space.columns].index("top")
        assert space.encode([{**config, "on": True, "lr": 0.2, "top": 0.45}])[0, column] == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("relative", "message"),
        [
            ({"nothing": RelativeRange("lr")}, "relative 'nothing' must be declared as a float range"),
            ({"width": RelativeRange("lr")}, "relative 'width' must be declared as a float range"),
            ({"top": RelativeRange("nothing")}, "which must be a declared number with a positive range"),
            ({"top": RelativeRange("kind")}, "which must be a declared number with a positive range"),
            ({"top": RelativeRange("rate_a")}, "which must be a declared number with a positive range"),
            ({"top": RelativeRange("top")}, "which must be a declared number with a positive range"),
            ({"lr": RelativeRange("width"), "top": RelativeRange("lr")}, "'top' is relative to 'lr'"),
        ],
    )
    def test_refuses(self, declaration, relative, message):
        with pytest.raises(SpaceError, match=message):
            SearchSpace(declaration, relative=relative)

    def test_no_condition_on_a_relative_range(self):
        base, ratio, child = cs.Float("base", (1, 2)), cs.Float("ratio", (1, 2)), cs.Float("child", (0, 1))
        declared = declare(base, ratio, child, cs.GreaterThanCondition(child, ratio, 1.5))
        with pytest.raises(SpaceError, match="'child' depends on"):
            SearchSpace(declared, relative={"ratio": RelativeRange("base")})

    @pytest.mark.parametrize("upper", [0.0, -1.0, float("inf"), float("nan")])
    def test_a_senseless_cap(self, upper):
        with pytest.raises(SpaceError, match="positive and finite"):
            RelativeRange("lr", upper=upper)

    def test_inactive_with_its_base(self):
        switch, base, ratio = (
            cs.Categorical("switch", ["on", "off"]),
            cs.Float("base", (1, 2)),
            cs.Float("ratio", (1, 2)),
        )
        declared = declare(switch, base, ratio, cs.EqualsCondition(base, switch, "on"))
        space = SearchSpace(declared, relative={"ratio": RelativeRange("base")})
        assert space.validate({"switch": "off"}) == {"switch": "off"}
        with pytest.raises(SpaceError, match="active when switch == 'on'"):
            space.validate({"switch": "off", "ratio": 1.0})


class TestDeclaration:
    def test_names_default_to_the_declaration(self):
        assert SearchSpace(declare(cs.Float("b", (0, 1)), cs.Float("a", (0, 1)))).names == ("a", "b")

    def test_later_changes_do_not_reach_the_space(self):
        declared = declare(cs.Float("a", (0, 1)))
        space = SearchSpace(declared)
        declared.add(cs.Float("b", (0, 1)))
        assert space.names == ("a",)

    @pytest.mark.parametrize(
        ("notes", "message"),
        [
            ({"names": ["a"]}, "names must list each of"),
            ({"names": ["a", "b", "b"]}, "names must list each of"),
            ({"optional": ["c"]}, r"optional names \['c'\] are not in the space"),
            ({"merged": {"x": ("a", "c")}}, r"merged names \['c'\] are not declared"),
            ({"merged": {"x": ("a",), "y": ("a",)}}, "may be merged into one name only"),
            ({"merged": {"b": ("a",)}}, "merged name 'b' is the name of another"),
        ],
    )
    def test_refuses(self, notes, message):
        with pytest.raises(SpaceError, match=message):
            SearchSpace(declare(cs.Float("a", (0, 1)), cs.Float("b", (0, 1))), **notes)

    def test_an_empty_space(self):
        with pytest.raises(SpaceError, match="at least one hyperparameter"):
            SearchSpace(cs.ConfigurationSpace())

    def test_options_beyond_plain_values(self):
        with pytest.raises(SpaceError, match="options that are texts, numbers or truth values; got None"):
            SearchSpace(declare(cs.Categorical("a", [None, "x"]))).names  # noqa: B018

    def test_configspace_lists_parents_first(self):
        """The walk leans on this order."""
        a, b, z = cs.Float("a", (0, 1)), cs.Float("b", (0, 1)), cs.Categorical("z", [1, 2])
        declared = declare(a, b, z, cs.EqualsCondition(b, z, 1), cs.LessThanCondition(a, b, 0.5))
        assert list(declared) == ["z", "b", "a"]

    def test_a_child_of_an_inactive_parent_is_inactive(self):
        a, b, z = cs.Float("a", (0, 1)), cs.Float("b", (0, 1)), cs.Categorical("z", [1, 2])
        space = SearchSpace(declare(a, b, z, cs.EqualsCondition(b, z, 1), cs.NotEqualsCondition(a, b, 0.5)))
        assert space.active({"z": 2}) == {"z"}
        assert space.active({"z": 1, "b": 0.1}) == {"z", "b", "a"}

    def test_describe(self, space):
        table = space.describe()
        assert table["hyperparameter"].tolist().count("rate") == 2
        rows = table.set_index("hyperparameter")
        assert rows.loc["top"].tolist() == ["lr * (1.5 to 3), at most 1", "on == True"]
        assert rows.loc["size"].tolist() == ["small < medium < large", "always"]
        assert rows.loc["note"].tolist() == ["0 to 10", "always, optional"]

    def test_repr(self, space):
        assert repr(space) == "SearchSpace('everything', 10 hyperparameters, 14 columns)"


class TestActive:
    def test_surplus_and_missing_values_do_not_matter(self, space, config):
        always = {"kind", "on", "size", "fixed", "lr", "width", "note"}
        assert space.active({}) == always
        assert space.active({**config, "top": 0.2}) == always | {"rate"}
        assert space.active({**config, "on": True, "width": 41}) == always | {"rate", "deep", "top"}

    def test_a_wrong_value(self, space):
        with pytest.raises(SpaceError, match="'width' must be"):
            space.active({"width": 1})


class TestJson:
    @pytest.mark.parametrize("name", NAMES)
    def test_round_trip(self, spaces, name):
        space = spaces[name]
        again = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
        assert again == space
        assert hash(again) == hash(space)
        assert (again.name, again.names, again.columns) == (space.name, space.names, space.columns)

    def test_pickle(self, space):
        assert pickle.loads(pickle.dumps(space)) == space

    def test_differs(self, declaration, space):
        assert space != lcbench_space()
        assert space != "everything"
        assert SearchSpace(declaration) != SearchSpace(declaration, optional=["note"])

    def test_numpy_values_in_a_declaration(self):
        space = SearchSpace(declare(cs.Categorical("a", list(np.array([1, 2])))))
        assert json.dumps(space.to_json())
        assert space.validate({"a": 2}) == {"a": 2}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": "at2.space/99"}, "has format 'at2.space/1', got 'at2.space/99'"),
            ({"relative": {"top": {}}}, "damaged: KeyError"),
            ({"configuration_space": {"hyperparameters": 3}}, "damaged"),
            ({"configuration_space": None}, "damaged"),
            ({"names": ["kind"]}, "names must list"),
        ],
    )
    def test_refuses(self, space, change, message):
        with pytest.raises(SpaceError, match=message):
            SearchSpace.from_json({**space.to_json(), **change})

    @pytest.mark.parametrize("saved", [None, [], {}, "text"])
    def test_something_else_altogether(self, saved):
        with pytest.raises(SpaceError, match="format"):
            SearchSpace.from_json(saved)

    @pytest.mark.parametrize("key", ["configuration_space", "relative", "merged", "optional", "names"])
    def test_a_part_is_missing(self, space, key):
        saved = space.to_json()
        del saved[key]
        with pytest.raises(SpaceError, match="damaged"):
            SearchSpace.from_json(saved)


def test_importing_the_room_does_not_load_torch():
    code = "import sys, at2.space; assert 'ConfigSpace' in sys.modules; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_at2_does_not_load_configspace():
    code = "import sys, at2; sys.exit('ConfigSpace' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
