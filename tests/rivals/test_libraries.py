"""Rivals that other libraries do the work for: the rules of ask and tell, snapping, and what is missing."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.errors import At2Error, MissingExtraError
from at2.recommend import Budget, Problem, Tuner, build_problem
from at2.rivals import registry
from at2.rivals.knobs import Knobs
from at2.rivals.libraries import is_installed, require
from at2.rivals.registry import build_rival, cheap_names, make_rival, missing_library, rival_names
from tests.contract.tuners import BUDGET, TunerContract
from tests.rivals.conftest import make_table

LIBRARY = [name for name in rival_names() if name not in cheap_names()]
QUICK = ("optuna-tpe", "optuna-gp")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in LIBRARY],
    scope="class",
)
@pytest.mark.filterwarnings("ignore")  # those of the libraries
class TestOnATable(TunerContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        assert missing_library(name) is None, "these tests need the extra at2[dev]"
        self.name = name

    def make(self) -> Tuner:
        problem = build_problem(make_table(), target="target")
        return build_rival(self.name, problem, budget=Budget(epochs=BUDGET), seed=3)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in LIBRARY],
)
@pytest.mark.filterwarnings("ignore")  # those of the libraries
def test_a_new_task_is_trained_live(name: str) -> None:
    assert missing_library(name) is None, "these tests need the extra at2[dev]"
    tuner = make_rival(name, make_table(), target="new", budget=Budget(epochs=BUDGET), seed=3)
    n_epochs = 0
    while (query := tuner.ask()) is not None:
        tuner.tell(query, query.config["lr"] - 0.1 / query.epoch)
        n_epochs += 1
    assert n_epochs == BUDGET
    assert tuner.recommend().n_epochs_spent == BUDGET


def test_a_candidate_s_own_knobs_lead_back_to_it(problem: Problem) -> None:
    knobs = Knobs(problem)
    rows = list(range(9))
    assert [knobs.snap(knobs.read(row), rows) for row in rows] == rows
    assert knobs.snap(knobs.read(4), [0, 1, 8]) == 1  # the nearest of the same kind: 1, 4 and 7 are "y"


def test_points_of_the_unit_cube_are_knobs(problem: Problem) -> None:
    knobs = Knobs(problem)
    n = len(knobs.knobs)
    low, high = knobs.from_unit(np.full(n, -0.1)), knobs.from_unit(np.full(n, 1.0))
    for knob in knobs.knobs:
        assert low[knob.name] == 0
        assert high[knob.name] == (knob.n_choice - 1 if knob.n_choice else 1.0)


def test_a_missing_library_is_named_with_the_way_out() -> None:
    assert not is_installed("nowhere_at_all")
    with pytest.raises(MissingExtraError, match=r"needs nowhere_at_all.*pip install 'at2\[rivals\]'"):
        require("nowhere_at_all")


def test_the_bench_leaves_out_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "is_installed", lambda library: False)
    make_table().to_hdf5(tmp_path / "table.h5")
    call = ["bench", "regret", "--database", str(tmp_path / "table.h5"), "--sources", "2", "--budget", "3"]
    call += ["--record", str(tmp_path / "record"), "--jobs", "0", "--rivals", "smac,mean-final"]
    result = CliRunner().invoke(cli, call)
    assert result.exit_code == 0, result.output
    assert "left out: smac needs smac; pip install 'at2[rivals]'" in result.output
    assert "runs: 4 done" in result.output


@pytest.mark.parametrize("name", ["syne-tune-quantile", "syne-tune-bounding-box", "syne-tune-zero-shot"])
def test_transfer_without_sources(name: str) -> None:
    problem = build_problem(None, target="new", candidates=[{"lr": 0.1}, {"lr": 0.2}], n_epoch=2)
    with pytest.raises(At2Error, match="at least one source task"):
        build_rival(name, problem, budget=Budget(epochs=2))
