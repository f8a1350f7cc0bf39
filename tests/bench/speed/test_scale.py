from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.speed import scale
from at2.bench.speed.scale import BASE, Size, growing_sizes, growth, measure_scale, synthetic_table
from at2.cli.main import cli
from at2.errors import BudgetError, DeviceError, ShapeError


def test_a_seed_draws_the_same_complete_history_again() -> None:
    size = Size(2, 6, 5)
    table = synthetic_table(size, seed=3)
    assert table.shape == (3, 1, 6, 5)
    curves = table.curves()
    assert ((curves > 0.0) & (curves < 1.0)).all()
    np.testing.assert_array_equal(curves, synthetic_table(size, seed=3).curves())
    assert not np.array_equal(curves, synthetic_table(size, seed=4).curves())


def test_curves_have_the_variance_of_the_model() -> None:
    curves = synthetic_table(Size(40, 50, 4), seed=0).curves()[:, 0, :, -1]
    latent = np.log(curves / (1.0 - curves))
    assert 0.4 < latent.std(axis=1).mean() < 1.2  # less than 1: configurations are alike
    related = np.corrcoef(latent)[np.triu_indices(41, 1)].mean()
    assert 0.3 < related < 0.7


def test_every_configuration_of_a_ragged_history_was_run_once_and_cut_off() -> None:
    table = synthetic_table(Size(3, 30, 8, ragged=True), seed=0)
    seen = np.isfinite(table.curves()[:, 0])
    assert (seen[:-1].any(2).sum(0) == 1).all()
    assert seen[-1].all()
    length = seen[:-1].sum((0, 2))
    assert length.min() >= 1
    assert len(set(length.tolist())) > 3


def test_sizes_grow_in_one_number_each() -> None:
    sizes = growing_sizes(BASE, (1, 2))
    assert len(sizes) == 4
    assert all(sum(getattr(s, n) != getattr(BASE, n) for n in scale.GROWING) <= 1 for s in sizes)


def test_slopes_are_those_of_powers() -> None:
    frame = pd.DataFrame([vars(size) for size in growing_sizes()])
    frame["fit_ratio"] = frame["n_source"] * frame["n_config"] ** 2.0
    frame["step_ratio"] = frame["n_config"] * 1.0
    frame["peak_mb"] = 5.0
    slopes = growth(frame).set_index("grows")
    assert slopes.loc["n_config", "fit_ratio"] == pytest.approx(2.0)
    assert slopes.loc["n_source", "fit_ratio"] == pytest.approx(1.0)
    assert slopes.loc["n_epoch", "fit_ratio"] == pytest.approx(0.0, abs=1e-9)
    assert slopes["peak_mb"].abs().max() < 1e-9


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least one source, configuration and epoch"):
        Size(0, 1, 1)
    with pytest.raises(ShapeError, match="needs a configuration of its own: 5 sources, 3 configurations"):
        Size(5, 3, 1, ragged=True)
    with pytest.raises(BudgetError, match="at least 1 step must be measured, 0 given"):
        next(measure_scale([BASE], n_step=0))


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "run_all", lambda work, items, **_: map(work, items))
    with pytest.raises(DeviceError, match="cannot compute on device 'gpu'"):
        next(measure_scale([Size(2, 6, 4)], device="gpu"))


def test_the_command_writes_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "LARGEST", (Size(2, 6, 4, name="large"), Size(3, 9, 4, ragged=True, name="sweeps")))
    monkeypatch.setattr(scale, "run_all", lambda work, items, **_: map(work, items))
    arguments = ["--what", "large", "--steps", "2", "--goal", "train", "--record", str(tmp_path)]
    result = CliRunner().invoke(cli, ["bench", "scale", *arguments])
    assert result.exit_code == 0, result.output
    assert "2 x 6 x 4" in result.stdout
    frame = pd.read_csv(tmp_path / "scale.csv")
    assert (frame[["fit_s", "step_ms", "peak_mb", "fit_ratio"]] > 0).all(axis=None)
    assert frame["goal"].tolist() == ["train"]


def test_the_command_can_be_asked_for_every_size() -> None:
    shown = CliRunner().invoke(cli, ["bench", "scale", "--what", "none of them"]).output
    assert all(f"'{size.name}'" in shown for size in scale.LARGEST), shown
