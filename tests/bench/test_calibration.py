import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from at2.bench.calibration import PREDICTORS, CalibrationPlan, bands, measure_calibration, summarize_calibration
from at2.bench.calibration_rivals import LatentKroneckerFit
from at2.bench.replay.protocols import Protocol
from at2.bench.speed.scale import Size, synthetic_table
from at2.cli.main import cli
from at2.errors import At2Error, BudgetError


@pytest.fixture(scope="module")
def drawn_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "drawn.h5"
    synthetic_table(Size(3, 10, 6), seed=1).to_hdf5(path)
    return path


def test_bands_hold_every_unobserved_cell_once() -> None:
    observed = np.zeros((3, 40), dtype=bool)
    observed[0, :5], observed[1, 0] = True, True
    found = list(bands(observed))
    for by in ("epoch", "ahead"):
        total = sum(cells.astype(int) for kind, _, cells in found if kind == by)
        np.testing.assert_array_equal(total, (~observed).astype(int))
    cells = {(by, band): chosen for by, band, chosen in found}
    assert cells["ahead", "no reading"][2].all()
    assert np.flatnonzero(cells["ahead", "1-3"][0]).tolist() == [5, 6, 7]
    assert np.flatnonzero(cells["epoch", "31-"][0]).tolist() == list(range(30, 40))


@pytest.mark.slow
def test_every_predictor_is_judged_on_the_same_cells(drawn_path: Path) -> None:
    plan = CalibrationPlan(
        str(drawn_path), Protocol(n_source=3, targets=("target",)), n_epochs=12, predictors=PREDICTORS
    )
    frame = measure_calibration(plan, jobs=0)
    whole = frame[frame["by"] == "all"]
    assert list(whole["predictor"]) == list(PREDICTORS)
    assert (whole["n_cell"] == 10 * 6 - 12).all()
    assert frame["coverage"].between(0.0, 1.0).all()
    assert np.isfinite(frame["log_density"]).all()
    density = whole.set_index("predictor")["log_density"]
    assert density["at2"] > density["latent-kronecker"]  # sources help on tasks that have half of everything in common
    summary = summarize_calibration(frame)
    assert list(summary["predictor"].unique()) == list(PREDICTORS)
    assert list(summary["by"].unique()) == ["all", "epoch", "ahead"]


def test_on_draws_from_the_model_intervals_are_right(drawn_path: Path) -> None:
    plan = CalibrationPlan(str(drawn_path), Protocol(n_source=3), n_epochs=15, predictors=("at2",))
    summary = summarize_calibration(measure_calibration(plan, jobs=0))
    assert 0.75 < float(summary.loc[summary["by"] == "all", "coverage"].iloc[0]) <= 1.0


def test_the_latent_kronecker_process_follows_its_readings() -> None:
    x = torch.linspace(0.0, 1.0, 6, dtype=torch.float64)[:, None]
    curves = x + torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    readings = curves.clone()
    readings[3:, 2:] = math.nan
    mean, variance = LatentKroneckerFit().predict(readings, x)
    assert float((mean - curves)[:3].abs().max()) < 0.1
    assert bool((variance > 0).all())
    assert float(variance[5, 4]) > float(variance[0, 4])


def test_kernels_are_fitted_on_what_sources_have_run() -> None:
    x = torch.linspace(0.0, 1.0, 6, dtype=torch.float64)[:, None]
    curves = x + torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    sources, readings = torch.stack([curves, curves]), curves.clone()
    sources[0, :4], sources[1, 4:], readings[1:] = math.nan, math.nan, math.nan
    tried = torch.isfinite(readings).any(1)
    inputs, stacked, fitted_on = LatentKroneckerFit(n_config=3)._stack(x, readings, tried, sources, 0)
    assert len(inputs) == len(stacked) == 2 + 4 + 1
    assert len(fitted_on) == 2 + 3 + 1
    assert bool(torch.isfinite(stacked).any(1).all())


def test_a_cut_history_is_what_at2_learns_from(drawn_path: Path) -> None:
    def measure(protocol: str) -> pd.DataFrame:
        plan = CalibrationPlan(
            str(drawn_path), Protocol(protocol, n_source=3, targets=("target",)), n_epochs=5, predictors=("at2",)
        )
        return measure_calibration(plan, jobs=0)

    whole, halved = measure("loo"), measure("halved")
    assert (halved["n_cell"] > 0).all()
    assert not whole["log_density"].equals(halved["log_density"])


def test_beliefs_without_sources_are_judged_too(drawn_path: Path) -> None:
    protocol = Protocol(n_source=0, targets=("target",))
    frame = measure_calibration(
        CalibrationPlan(str(drawn_path), protocol, n_epochs=30, predictors=("at2",)), jobs=0
    ).set_index(["by", "band"])
    assert 0.75 < frame.loc[("all", "all"), "coverage"] <= 1.0
    with pytest.raises(At2Error, match="needs sources, and the protocol has 0"):
        CalibrationPlan(protocol=protocol, predictors=PREDICTORS)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(At2Error, match=r"protocols of calibration are .*; \('unseen',\) given"):
        CalibrationPlan(protocol=Protocol("unseen"))
    with pytest.raises(BudgetError, match="at least 1 epoch must be observed, 0 given"):
        CalibrationPlan(n_epochs=0)
    with pytest.raises(At2Error, match="between 0 and 1 is wanted, 90 given"):
        CalibrationPlan(probability=90)
    with pytest.raises(At2Error, match="predictors are 'at2'"):
        CalibrationPlan(predictors=("oracle",))


def test_the_command_writes_and_shows(drawn_path: Path, tmp_path: Path) -> None:
    arguments = ["--database", str(drawn_path), "--sources", "2", "--epochs", "10", "--jobs", "0"]
    arguments += ["--targets", "target", "--record", str(tmp_path / "record")]
    result = CliRunner().invoke(cli, ["bench", "calibration", *arguments])
    assert result.exit_code == 0, result.output
    assert "no reading" in result.stdout
    assert set(pd.read_csv(tmp_path / "record" / "calibration.csv")["predictor"]) == set(PREDICTORS[:2])
