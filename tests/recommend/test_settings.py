import re
from pathlib import Path
from typing import Any

import ConfigSpace
import numpy as np
import pandas as pd
import pytest

from at2.errors import BudgetError, SpaceError, TableError, TellError
from at2.recommend import Budget, Recommender, SampledCandidates
from at2.recommend.settings import as_budget, as_bytes, as_history, as_space, choose_candidates
from at2.space import SearchSpace, lcbench_space
from at2.tables import LearningCurveTable
from tests.recommend.conftest import make_table


@pytest.mark.parametrize(
    ("words", "budget"),
    [
        ("200 epochs", Budget(epochs=200)),
        ("1-epoch", Budget(epochs=1)),
        ("90s", Budget(seconds=90)),
        ("30 min", Budget(seconds=1800)),
        ("2h", Budget(seconds=7200)),
        ("1.5 hours", Budget(seconds=5400)),
        (Budget(epochs=3, resume_cost=0.5), Budget(epochs=3, resume_cost=0.5)),
    ],
)
def test_budgets_in_words(words: Any, budget: Budget) -> None:
    assert as_budget(words) == budget


@pytest.mark.parametrize("words", ["many", "1.5 epochs", "-3 epochs", "10 parsecs", "500ms", "10 ds", "", 200, None])
def test_what_is_no_budget_is_said(words: Any) -> None:
    with pytest.raises(BudgetError, match=r"wanted a budget such as '200 epochs', '90s', '30min' or '2h'"):
        as_budget(words)


@pytest.mark.parametrize(
    ("words", "size"), [("500 MB", 500_000_000), ("5GB", 5 * 10**9), (7, 7), (None, None), ("12", 12)]
)
def test_sizes(words: Any, size: int | None) -> None:
    assert as_bytes(words) == size


@pytest.mark.parametrize("words", ["5 elephants", -1, 2.5, True])
def test_what_is_no_size_is_said(words: Any) -> None:
    with pytest.raises(BudgetError, match="wanted a size such as '500 MB'"):
        as_bytes(words)


def test_a_dict_becomes_a_space() -> None:
    space = as_space(
        {
            "lr": (1e-4, 1e-1, "log"),
            "momentum": (0.0, 0.9),
            "depth": (np.int64(1), np.int64(4)),
            "nesterov": [True, False],
            "batch": [32, 64],
            "epochs": 10,
        }
    )
    assert space is not None
    assert space.names == ("lr", "momentum", "depth", "nesterov", "batch", "epochs")
    config = space.sample(1, seed=0)[0]
    assert isinstance(config["depth"], int)
    assert config["nesterov"] in (True, False)
    encoded = space.encode([{**config, "lr": lr} for lr in (1e-4, 10**-2.5, 1e-1)])
    place = [column.name for column in space.columns].index("lr")
    assert encoded[:, place] == pytest.approx([0.0, 0.5, 1.0])


def test_declarations_and_spaces_are_taken_as_they_are() -> None:
    declared = ConfigSpace.ConfigurationSpace({"lr": (0.1, 1.0)})
    assert isinstance(as_space(declared), SearchSpace)
    space = lcbench_space()
    assert as_space(space) is space
    assert as_space(None) is None


@pytest.mark.parametrize(
    "bad", [(1, 2, 3), (1,), ("a", "b"), (2.0, 1.0), (0.0, 1.0, "log"), [], None, (0, True), {"nested": 1}]
)
def test_what_is_no_range_names_the_hyperparameter(bad: Any) -> None:
    with pytest.raises(SpaceError, match="'lr'") as caught:
        as_space({"lr": bad})
    assert caught.value.parameter == "lr"


@pytest.mark.parametrize("bad", [{}, "lr", 3, [1, 2]])
def test_what_is_no_space_is_said(bad: Any) -> None:
    with pytest.raises(SpaceError, match="wanted a SearchSpace, a ConfigurationSpace or a dict of ranges"):
        as_space(bad)


def test_a_history_may_be_a_path(tmp_path: Path) -> None:
    table = make_table()
    table.to_hdf5(tmp_path / "small.h5")
    loaded = as_history(tmp_path / "small.h5")
    assert loaded is not None
    assert list(loaded.tasks.index) == list(table.tasks.index)
    assert as_history(table) is table
    assert as_history(None) is None


def test_a_history_may_be_several(tmp_path: Path) -> None:
    table = make_table()
    table.subset(["cats", "dogs"]).to_hdf5(tmp_path / "others.h5")
    joined = as_history([table.subset(["ants", "bees"]), tmp_path / "others.h5"])
    assert joined is not None
    assert list(joined.tasks.index) == ["ants", "bees", "cats", "dogs"]
    assert as_history([]) is None


def test_a_single_history_in_a_list_keeps_its_table_and_name(tmp_path: Path) -> None:
    table = make_table()
    assert as_history([table]) is table
    table.to_hdf5(tmp_path / "small.h5")
    loaded = as_history((str(tmp_path / "small.h5"),))
    assert loaded is not None
    assert loaded.name == table.name != "history"


def test_candidates_where_nothing_is_said() -> None:
    table, space = make_table(), lcbench_space()
    assert choose_candidates(None, space=None, history=table) is None
    assert choose_candidates(None, space=space, history=table) == SampledCandidates(100, also="history")
    assert choose_candidates(None, space=space, history=None) == SampledCandidates(100)
    assert choose_candidates(7, space=space, history=None) == SampledCandidates(7)
    assert choose_candidates([{"lr": 1}], space=None, history=None) == [{"lr": 1}]
    with pytest.raises(TableError, match="nothing to tune: pass a space, a history, or candidates"):
        choose_candidates(None, space=None, history=None)


def test_a_recommender_reads_what_a_tuning_reads(tmp_path: Path) -> None:
    table = make_table()
    table.to_hdf5(path := tmp_path / "past.h5")
    plain = Recommender(table, target="dogs", budget=Budget(epochs=7))
    kind = Recommender(path, target="dogs", budget="7 epochs", seed=np.int64(0))
    assert kind.ask() == plain.ask()
    space = {"lr": (1e-4, 1e-1, "log"), "nesterov": ["yes", "no"]}
    drawn = Recommender(target="dogs", budget="7 epochs", space=space, candidates=5, n_epoch=3)
    assert len(drawn.problem.config_ids) == 5


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"budget": 100}, BudgetError, "wanted a budget such as '200 epochs'"),
        ({"table": 3}, TableError, "wanted a table, the name or path of one, or a list of these; got 3"),
        ({"space": 3}, SpaceError, "wanted a SearchSpace, a ConfigurationSpace or a dict of ranges, got 3"),
        ({"candidates": True}, TableError, "whole number above zero"),
        ({"seed": None}, TableError, "wanted a whole number of at least 0 as the seed, got None"),
        ({"seed": 1.5}, TableError, "wanted a whole number of at least 0 as the seed, got 1.5"),
        ({"seed": -1}, TableError, "wanted a whole number of at least 0 as the seed, got -1"),
    ],
)
def test_what_a_recommender_cannot_read_is_said_at_once(
    changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        Recommender(**{"table": make_table(), "target": "dogs", "budget": Budget(epochs=7), **changes})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0.5, 0.1), "'lr' wants a low end and a higher one, got (0.5, 0.1)"),
        (
            (0, 0.1, "log"),
            "a low end above 0, since it is logarithmic, and a higher one, got (0, 0.1, 'log')",
        ),
        ([], "'lr' wants at least one option, got []"),
    ],
)
def test_ranges_that_are_none_say_why(given: Any, text: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(text)):
        as_space({"lr": given})


def test_a_dict_is_no_declaration() -> None:
    with pytest.raises(SpaceError, match=r"wanted a ConfigurationSpace, got \{'lr'.*take a dict of ranges"):
        SearchSpace({"lr": (0.1, 1.0)})  # type: ignore[arg-type]


def test_numbers_of_numpy_are_kept_in_a_journal(tmp_path: Path) -> None:
    budget = Budget(epochs=np.int64(7), resume_cost=np.float32(0.5))  # type: ignore[arg-type]
    run = Recommender(
        make_table(),
        target="dogs",
        budget=budget,
        seed=np.int64(3),  # type: ignore[arg-type]
        tolerance=np.float32(0.25),  # type: ignore[arg-type]
        journal=tmp_path / "run.jsonl",
    )
    again = Recommender.resume(tmp_path / "run.jsonl", make_table())
    assert (again.budget, again.seed, again.stopping) == (Budget(epochs=7, resume_cost=0.5), 3, run.stopping)


@pytest.mark.parametrize(
    ("name", "maximize", "warns"),
    [("val_loss", None, True), ("RMSE", None, True), ("val_loss", True, False), ("accuracy", None, False)],
)
def test_the_direction_of_a_loss_is_asked_for(
    name: str, maximize: bool | None, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    candidates = [{"lr": 0.1}, {"lr": 0.2}]
    Recommender(target="new", metric=name, maximize=maximize, candidates=candidates, n_epoch=2, budget="2 epochs")
    curves = pd.DataFrame({"task": "a", "config_id": [0], "epoch": [1], "value": [0.5]})
    LearningCurveTable.from_frame(curves, pd.DataFrame({"config_id": [0], "lr": [1]}), metric=name, maximize=maximize)
    said = [record.getMessage() for record in caplog.records]
    assert ["pass maximize=False (--minimize)" in text for text in said] == ([True, True] if warns else [])


def test_a_number_of_candidates_may_be_one_of_numpy() -> None:
    space = {"lr": (0.001, 0.1)}
    run = Recommender(None, target="x", space=space, candidates=np.int64(4), n_epoch=3, budget="6 epochs")  # type: ignore[arg-type]
    assert run.problem.history.n_config == 4
    for number in (True, np.float64(4.5), 0):
        with pytest.raises(TableError, match="SampledCandidates wants a whole number above zero"):
            Recommender(None, target="x", space=space, candidates=number, n_epoch=3, budget="6 epochs")  # type: ignore[arg-type]


def test_names_of_tasks_may_be_numbers_and_of_numpy(tmp_path: Path) -> None:
    numbered = pd.DataFrame({"task": [1, 2, 3], "config_id": 0, "epoch": 1, "value": [0.5, 0.6, 0.7]})
    table = LearningCurveTable.from_frame(numbered, pd.DataFrame({"config_id": [0], "lr": [1]}))
    for target in (3, np.int64(3), "3", np.str_("3")):
        assert Recommender(table, target=target, budget="2 epochs").sources == ("1", "2")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="'3' is the target"):
        Recommender(table, target=3, sources=[1, 3], budget="2 epochs")  # type: ignore[arg-type,list-item]
    with pytest.raises(TableError, match="the name of a task is a text"):
        Recommender(table, target=3.0, budget="2 epochs")  # type: ignore[arg-type]


def test_a_journal_of_a_run_with_names_and_flags_of_numpy_is_taken_up_again(tmp_path: Path) -> None:
    sources: Any = np.array(["ants", "cats"])
    path, table = tmp_path / "run.jsonl", make_table()
    Recommender(table, target="dogs", sources=sources, budget="9 epochs", journal=path).ask()
    assert Recommender.resume(path, table).sources == ("ants", "cats")
    candidates = [{"lr": 0.1}, {"lr": 0.2}]
    plain: dict[str, Any] = {"target": "new", "candidates": candidates, "n_epoch": 2, "budget": "2 epochs"}
    alone = Recommender(**plain, maximize=np.bool_(False), journal=tmp_path / "alone.jsonl")
    assert alone.problem.maximize is False
    with pytest.raises(TableError, match="maximize must be True or False, not 'no'"):
        Recommender(**plain, maximize="no")


@pytest.mark.parametrize("seconds", [np.timedelta64(3, "s"), 10**400, True])
def test_seconds_that_are_no_number_are_refused(seconds: Any) -> None:
    run = Recommender(make_table(), target="dogs", budget="9 epochs")
    query = run.ask()
    assert query is not None
    with pytest.raises(TellError, match="wanted a finite number"):
        run.tell(query, 0.5, seconds=seconds)
    with pytest.raises(BudgetError, match="a finite number above zero"):
        Budget(seconds=seconds)


def test_candidates_may_come_one_by_one_and_sets_of_sources_have_one_order() -> None:
    run = Recommender(target="new", candidates=({"lr": lr} for lr in (0.1, 0.2)), n_epoch=2, budget="2 epochs")  # type: ignore[arg-type]
    assert [dict(config) for config in run.problem.configs] == [{"lr": 0.1}, {"lr": 0.2}]
    sources: Any = {"cats", "ants", "bees"}
    assert Recommender(make_table(), target="dogs", sources=sources, budget="9 epochs").sources == (
        "ants",
        "bees",
        "cats",
    )
    frame: Any = pd.DataFrame({"lr": [0.1, 0.2]})
    with pytest.raises(TableError, match=r"not a frame; pass frame\.to_dict"):
        Recommender(target="new", candidates=frame, n_epoch=2, budget="2 epochs")


@pytest.mark.parametrize(
    ("told", "message"), [({"failed": "False"}, "wanted True or False"), ({"value": 10**400}, "10000")]
)
def test_results_that_are_none_are_refused(told: dict[str, Any], message: str) -> None:
    run = Recommender(make_table(), target="dogs", budget="9 epochs")
    query = run.ask()
    assert query is not None
    with pytest.raises(TellError, match=message):
        run.tell(query, **told)
    run.tell(query, failed=np.bool_(True))  # type: ignore[arg-type]
