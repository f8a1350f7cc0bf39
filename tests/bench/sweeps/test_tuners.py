from dataclasses import replace
from pathlib import Path

import pytest

from at2.bench.sweeps.execute import execute
from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import RunFolder
from at2.bench.sweeps.tuners import build_tuner
from at2.recommend import Recommender
from at2.surrogate.at2_2021 import AutoTuning2021
from at2.tables import LearningCurveTable

TINY = (("batch_size", 8), ("num_inducing_point", 6), ("num_training_epoch", 2), ("num_tuning_epoch", 1))


def test_the_published_model_takes_its_options_and_decays_over_the_budget(
    table: LearningCurveTable, run: RunConfig
) -> None:
    tuner = build_tuner(table, replace(run, tuner="at2-2021", options=(("lr", 0.1),)))
    assert isinstance(tuner, Recommender)
    assert tuner._surrogate == AutoTuning2021(lr=0.1, num_tuning_budget=run.budget_epochs)


@pytest.mark.parametrize(("tuner", "options"), [("at2-2021", TINY), ("at2-kronecker", ())])
def test_other_surrogates_run_to_the_end(run: RunConfig, tmp_path: Path, tuner: str, options: tuple) -> None:
    other = replace(run, tuner=tuner, options=options)
    assert execute(other, record=tmp_path).status == "done"
    result = RunFolder(tmp_path, other).read_result()
    assert len(result["observations"]) == run.budget_epochs
