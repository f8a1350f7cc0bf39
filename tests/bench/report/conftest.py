"""Small records of both kinds, and ways to damage a copy."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from at2.bench.regret.run import Contest, run_regret
from at2.bench.replay.protocols import Protocol
from at2.bench.sweeps.execute import execute
from at2.bench.sweeps.plan import RunConfig, fingerprint
from at2.recommend import Budget
from tests.bench.conftest import _tiny_table


@pytest.fixture(scope="session")
def whole_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """At2 and two rivals in a regret bench, at2 and one in a sweep."""
    folder = tmp_path_factory.mktemp("report")
    table, place = _tiny_table(), folder / "tiny.h5"
    table.to_hdf5(place)
    record = folder / "record"
    rivals = ("at2", "random-search", "mean-final")
    contest = Contest((str(place),), Protocol("loo", n_source=1, n_draw=2), rivals, (Budget(epochs=5),))
    run_regret(contest, record=record, jobs=0)
    for tuner in ("at2", "random-search"):
        run = RunConfig(str(place), "target", ("a", "b"), tuner, 6, 0, 0, "score", fingerprint(table))
        assert execute(run, record=record).status == "done"
    return record


@pytest.fixture
def record(whole_record: Path, tmp_path: Path) -> Path:
    """A copy to do anything to."""
    return Path(shutil.copytree(whole_record, tmp_path / "record"))


def a_run(*, rival: str = "at2", target: str = "t", draw: int = 0, trace: Any, clock: Any = None) -> dict[str, Any]:
    """A run with a trace of (epochs, regret, best seen)."""
    return {"rival": rival, "target": target, "draw": draw, "seed": 0, "error": None, "trace": trace, "clock": clock}
