"""``at2 record`` and ``at2 bench training`` from the command line."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.tables import LearningCurveTable
from at2.training.recorder import SPACES


def _call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.output


def test_a_recording_from_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "few.h5"
    options = [
        "--configs",
        "2",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--jobs",
        "1",
        "--batch-values",
        "1",
        "--out",
        str(out),
    ]
    code, said = _call("record", "--quiet", "--task", "digits-few", "--task", "digits-low", *options)
    assert code == 0, said
    assert said == f"{out}: {out.stat().st_size / 1e6:.1f} MB, runs: 4 ok\n"
    table = LearningCurveTable.from_hdf5(out)
    assert table.shape == (2, 1, 2, 1)
    assert table.batches["train_cross_entropy"].length.tolist() == [[[1, 1]], [[1, 1]]]
    code, said = _call("record", "--task", "digits-few", *options, "--space", "hyperrec")
    assert code == 1
    assert "few.h5: holds another recording: space is 'hyperrec-small' there and 'hyperrec' here" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--space", "imagenet"], "'imagenet' is not one of " + ", ".join(f"'{name}'" for name in SPACES)),
        (["--configs", "0"], "0 is not in the range x>=1"),
        (["--task", "digitz"], "no task 'digitz'; did you mean digits"),
    ],
)
def test_a_wrong_call(tmp_path: Path, options: list[str], said: str) -> None:
    code, output = _call("record", "--out", str(tmp_path / "a.h5"), *options)
    assert code != 0
    assert said in output
    assert not list(tmp_path.iterdir())


def test_the_bench_of_training(tmp_path: Path) -> None:
    code, said = _call(
        "bench", "training", "--epochs", "1", "--resnet-epochs", "0", "--record", str(tmp_path), "--quiet"
    )
    assert code == 0, said
    readings = pd.read_csv(tmp_path / "training_speed.csv")
    assert {"%", "ms"} <= set(readings["unit"].dropna())
    assert readings["limit"].dropna().isin([30.0, 10.0]).all()
