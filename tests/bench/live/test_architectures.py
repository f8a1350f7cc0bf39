import functools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.live import architectures, kept
from at2.bench.live.architectures import ArchitectureRun, markdown, plan, summarize
from at2.cli.main import cli
from at2.training import Training, load_task


def make(
    network: str = "patch-8x40", *, doubling: bool = False, n_s: int = 800, record: Path = Path("x")
) -> ArchitectureRun:
    return ArchitectureRun(network, doubling, "digits32", 0, n_s=n_s, cycles=3, record=str(record))


@pytest.fixture(autouse=True, scope="module")
def loaded_once() -> Iterator[None]:
    """Upscaling the digits takes a second; once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("at2.training.load_task", functools.cache(load_task))
        yield


@pytest.mark.parametrize(("doubling", "n_update"), [(False, 4800), (True, 11_200)])
def test_the_published_numbers_of_updates(doubling: bool, n_update: int) -> None:
    assert make(doubling=doubling).n_update == n_update


@pytest.mark.parametrize(
    ("doubling", "corners"), [(False, (0, 4, 8, 12, 16, 20, 24)), (True, (0, 4, 8, 16, 24, 40, 56))]
)
def test_learning_rates_at_the_corners(doubling: bool, corners: tuple[int, ...]) -> None:
    training: Training = make("patch-16x160", doubling=doubling, n_s=4)._build()
    rates = [training.lr]
    for _ in range(corners[-1]):
        training.run_batch()
        rates.append(training.lr)
    for place, corner in enumerate(corners):
        assert rates[corner] == pytest.approx(1e-1 if place % 2 else 1e-5)
    assert (training.batch_size, training.l2, training.label_smoothing) == (100, 0.003, 0.1)


def test_the_plan_has_the_four_and_the_longer_one() -> None:
    runs = plan(
        architectures.FOUR, architectures.LONGER, task="digits32", seeds=(0, 1), record=Path("r"), n_s=800, cycles=3
    )
    assert [run.label for run in runs[::2]] == [
        "patch-2x3, seed 0",
        "patch-4x10, seed 0",
        "patch-8x40, seed 0",
        "patch-16x160, seed 0",
        "patch-4x40, doubling, seed 0",
    ]


def test_the_command_trains_draws_and_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "run_all", lambda work, items, *, jobs, lost: map(work, items))
    monkeypatch.setattr(architectures, "EVERY", 20)
    words = ["train", "architectures", "--networks", "patch-8x40", "--longer", "patch-8x40", "--half-cycle", "20"]
    words += ["--cycles", "2", "--seeds", "0,1", "--record", str(tmp_path), "--format", "markdown"]
    words += ["--summary", str(tmp_path / "also.csv")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    frame = pd.read_csv(tmp_path / "also.csv")
    assert list(frame["network"]) == ["patch-8x40", "patch-8x40, doubling"]
    assert list(frame["n_update"]) == [80, 120]
    assert frame["n_parameter"].tolist() == [8 * 8 * 3 * 40 + 40 + 16 * 40 * 50 + 50 + 510] * 2
    assert frame["test_accuracy"].min() > 0.5
    assert markdown(frame) in done.output
    folder = tmp_path / "architectures"
    curves = pd.read_csv(folder / "curves.csv")
    assert curves.groupby("network")["update"].max().to_dict() == {"patch-8x40": 80, "patch-8x40, doubling": 120}
    last = curves[curves["update"] == 80]
    assert (last["train_loss"] < curves[curves["update"] == 0]["train_loss"].min()).all()
    for name in ("curves.png", "bars.png"):
        assert (folder / name).read_bytes()[1:4] == b"PNG"
    monkeypatch.setattr(kept, "do_and_keep", lambda run: pytest.fail("it was complete"))
    assert CliRunner().invoke(cli, words).exit_code == 0


def test_a_network_that_does_not_take_the_images_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "run_all", lambda work, items, *, jobs, lost: map(work, items))
    words = [
        "train",
        "architectures",
        "--task",
        "digits",
        "--networks",
        "patch-16x160",
        "--longer",
        "none",
        "--seeds",
        "0",
    ]
    done = CliRunner().invoke(cli, [*words, "--record", str(tmp_path)])
    assert done.exit_code == 1
    assert "1 of 1 runs failed, the first: patch-16x160, seed 0: ShapeError" in done.output


def test_a_device_that_is_not_there_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    words = ["train", "architectures", "--device", "abacus", "--record", str(tmp_path)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 1
    assert "cannot compute on device 'abacus' here" in done.output
    assert not list(tmp_path.iterdir())


def test_nothing_is_summarized_of_nothing(tmp_path: Path) -> None:
    assert summarize([make(record=tmp_path)]).empty
