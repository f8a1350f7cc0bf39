"""A process that is killed loses the epoch in flight, and nothing else; a full disk ends the run and loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import at2
from at2.errors import FileError
from at2.recommend.live import CheckpointStore
from tests.recommend.live.conftest import CONFIGS, Trainer

SCRIPT = """
import json, sys, time
from pathlib import Path
import at2

def train(config, epochs, checkpoint):
    state = checkpoint / "state.json"
    done = json.loads(state.read_text())["done"] if state.exists() else 0
    assert done == epochs.start - 1
    {torn}
    for epoch in epochs:
        with Path(sys.argv[2]).open("a") as log:
            log.write(f"{{config['lr']}} {{epoch}}\\n")
        time.sleep(0.05)
    state.write_text(json.dumps({{"done": epochs[-1]}}))
    return 1.0 - (1.0 - config["lr"] * 0.9) ** epochs[-1]

result = at2.tune(train, candidates=[{{"lr": lr}} for lr in (0.05, 0.1, 0.2, 0.4, 0.8)], n_epoch=6,
                  budget="16 epochs", workdir=sys.argv[1], resume=True)
print(result.config["lr"], len(result.epochs), set(result.epochs["status"]))
"""
TORN = """
    if epochs[-1] > 1:
        state.write_text("torn")  # what a training that saves badly leaves behind
        time.sleep(0.02)
"""


def start(tmp_path: Path, torn: str) -> "subprocess.Popen[bytes]":
    code = SCRIPT.format(torn=torn.strip())
    words = [sys.executable, "-c", code, str(tmp_path / "work"), str(tmp_path / "log")]
    with (tmp_path / "said").open("wb") as said:
        return subprocess.Popen(words, stdout=said, cwd=Path(at2.__file__).parents[1])


def n_trained(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.mark.parametrize(
    ("torn", "kills"),
    [
        (TORN, [6]),
        pytest.param("", [1, 4, 9], marks=pytest.mark.slow),
        pytest.param(TORN, [2, 3], marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_it_goes_on(tmp_path: Path, torn: str, kills: list[int]) -> None:
    for n_killed, n_epochs in enumerate(kills, start=1):
        process = start(tmp_path, torn)
        deadline = time.monotonic() + 60
        while n_trained(tmp_path) < n_epochs and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        lines = (tmp_path / "work" / "journal.jsonl").read_text().splitlines()
        told = sum(json.loads(line)["record"].get("event") == "tell" for line in lines)
        assert n_trained(tmp_path) - told <= n_killed
    assert start(tmp_path, torn).wait(timeout=60) == 0
    assert (tmp_path / "said").read_text().strip() == "0.8 16 {'ok'}"
    assert n_trained(tmp_path) <= 16 + len(kills)


def test_a_disk_that_fills_up_in_the_training_is_not_the_configurations_fault(tmp_path: Path) -> None:
    trainer = Trainer()

    def train(config: dict[str, float], epochs: range, checkpoint: Path) -> float:
        if len(trainer.calls) == 4:
            trainer.calls.append((0.0, 0, 0))
            (checkpoint / "state.json").write_text("torn")
            try:
                raise OSError(28, "No space left on device")
            except OSError as error:
                raise RuntimeError("file write failed") from error
        return trainer(config, epochs, checkpoint)

    def run() -> at2.TuneResult:
        return at2.tune(train, candidates=CONFIGS, n_epoch=4, budget="8 epochs", workdir=tmp_path, resume=True)

    with pytest.raises(FileError, match=r"the disk is full: epoch \d of configuration 'new-\d' could not be kept"):
        run()
    result = run()
    assert (result.epochs["status"] == "ok").all()
    assert len(result.epochs) == 8


def test_a_disk_that_fills_up_between_epochs_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, commit = Trainer(), CheckpointStore.commit

    def full(self: CheckpointStore, config_id: int | str, *, epoch: int) -> bool:
        if len(trainer.calls) == 5:
            raise FileError("no room")
        return commit(self, config_id, epoch=epoch)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "commit", full)
        with pytest.raises(FileError, match="no room"):
            at2.tune(trainer, candidates=CONFIGS, n_epoch=4, budget="8 epochs", workdir=tmp_path)
    result = at2.tune(trainer, candidates=CONFIGS, n_epoch=4, budget="8 epochs", workdir=tmp_path, resume=True)
    assert len(result.epochs) == 8


def test_a_torn_line_of_the_log_is_left_out(tmp_path: Path) -> None:
    trainer = Trainer()
    at2.tune(trainer, candidates=CONFIGS, n_epoch=4, budget="3 epochs", workdir=tmp_path)
    log = tmp_path / "epochs.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    result = at2.tune(trainer, candidates=CONFIGS, n_epoch=4, budget="5 epochs", workdir=tmp_path, resume=True)
    assert (result.epochs["status"] == "ok").all()
    assert len(log.read_text().splitlines()) == 5
