from dataclasses import replace

import click
import numpy as np
import pytest

from at2.bench.replay.protocols import PROTOCOLS, Case, Protocol, list_cases
from at2.bench.replay.views import HISTORIES
from at2.cli.regret import regret
from at2.errors import At2Error, TableError, UnknownNameError
from at2.tables import LearningCurveTable, Metric


def _table(n_task: int = 6, n_config: int = 8) -> LearningCurveTable:
    import pandas as pd

    return LearningCurveTable(
        {"acc": np.zeros((n_task, 1, n_config, 2))},
        tasks=[f"t{number}" for number in range(n_task)],
        configs=pd.DataFrame({"lr": np.arange(n_config) + 1.0}),
        metrics=[Metric("acc", maximize=True)],
    )


def test_sources_are_drawn_as_written_down() -> None:
    cases = list_cases(Protocol("loo", n_source=2, n_draw=2), _table(), database="mine")
    assert [case.target for case in cases] == [f"t{number}" for number in range(6)] * 2
    rng = np.random.default_rng(1)
    for case in cases[6:]:
        others = [name for name in (f"t{k}" for k in range(6)) if name != case.target]
        assert case.sources == tuple(np.array(others)[rng.choice(5, 2, replace=False)].tolist())
        assert case.draw == 1


def test_all_others_are_one_draw_in_the_order_of_the_table() -> None:
    cases = list_cases(Protocol("loo", n_source=None, n_draw=7), _table(3), database="mine")
    assert [case.sources for case in cases] == [("t1", "t2"), ("t0", "t2"), ("t0", "t1")]


def test_choosing_targets_or_seeds_changes_no_draw() -> None:
    every = list_cases(Protocol("loo", n_source=2), _table(), database="mine")
    some = list_cases(Protocol("loo", n_source=2, targets=("t4",), seeds=(0, 1)), _table(), database="mine")
    assert [case.seed for case in some] == [0, 1]
    assert some[0] == every[4]
    assert len({case.tuner_seed for case in [*every, *some]}) == 7


def test_half_of_the_configurations_are_unseen() -> None:
    cases = list_cases(Protocol("unseen", n_source=2, n_draw=2), _table(), database="mine")
    held_out = {case.draw: case.held_out for case in cases}
    assert len(held_out) == 2
    for ids in held_out.values():
        assert ids is not None
        assert len(ids) == len(set(ids)) == 4


def test_cut_histories_have_the_cases_of_whole_ones() -> None:
    whole = list_cases(Protocol("loo", n_source=2), _table(), database="mine")
    for name in HISTORIES:
        cut = list_cases(Protocol(name, n_source=2), _table(), database="mine")
        assert [replace(case, history=None) for case in cut] == whole
        assert {case.history for case in cut} == {name}


def test_the_command_offers_every_protocol() -> None:
    (option,) = (each for each in regret.params if each.name == "protocol_name")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == PROTOCOLS


def test_the_published_pairs() -> None:
    cases = list_cases(Protocol("pairs"), _table(), database="hyperrec")
    assert len(cases) == 5
    assert all(isinstance(case, Case) and case.target not in case.sources for case in cases)


def test_every_task_without_any_source() -> None:
    protocol = Protocol(n_source=0, n_draw=3, seeds=(0, 1))
    cases = list_cases(protocol, _table(3), database="mine")
    assert protocol.label == "loo-0"
    assert [(case.sources, case.draw) for case in cases] == [((), 0)] * 6  # nothing to draw: the seeds tell them apart
    assert len({case.tuner_seed for case in cases}) == 6


def test_protocols_that_cannot_be() -> None:
    with pytest.raises(At2Error, match="no protocol 'kfold'; the protocols are loo, pairs, unseen, halved, apart"):
        Protocol("kfold")
    with pytest.raises(At2Error, match="no negative number of sources; 1, 1 and -1 given"):
        Protocol(n_source=-1)
    with pytest.raises(At2Error, match=r"at least one draw and seed.*; 0, 1 and 4 given"):
        Protocol(n_draw=0)
    with pytest.raises(TableError, match="4 sources and a target need 5 tasks, table 'table' has 3"):
        list_cases(Protocol(), _table(3), database="mine")
    with pytest.raises(TableError, match="table 'table' has no other task to learn from; ask for 0 sources"):
        list_cases(Protocol(n_source=None), _table(1), database="mine")
    with pytest.raises(TableError, match="needs 4, table 'table' has 3"):
        list_cases(Protocol("unseen", n_source=1), _table(3, n_config=3), database="mine")
    with pytest.raises(UnknownNameError, match="no task 't9'"):
        list_cases(Protocol(n_source=1, targets=("t9",)), _table(), database="mine")
