"""run.sh against an interpreter that only writes down what it is asked to do."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FAKE = f"""#!{shutil.which("bash")}
# stands for python3: venv copies it, pip waits and ends as told, -c is done by the real one
note() {{ printf '%s\\n' "$*" >>"$LOG"; }}
[ -z "${{TOO_OLD:-}}" ] || {{ [ "$1" = --version ] && echo "Python 3.9.18"; exit 1; }}
case "$1 ${{2:-}}" in
  "-m venv") note venv; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip")
    [ "$3" = --version ] && exit 0
    note "pip ${{*: -1}}"
    sleep "${{PIP_SECONDS:-0}}"
    exit "${{PIP_EXIT:-0}}" ;;
  "-m "*) shift; note "run $*" ;;
  *) exec "{sys.executable}" "$@" ;;
esac
"""
TOOLS = ("bash", "cat", "cksum", "cp", "dirname", "head", "mkdir", "mv", "rm", "sed", "sleep")
INSTALL = ["pip torch==2.13.0", "pip {root}"]
SWEEP = "run at2 sweep --fetch --record {root}/record"


class Machine:
    """A copy of run.sh in a folder of its own, and a PATH of nothing but the fake interpreter and some tools."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a copy"
        self.root.mkdir()
        for name in ("run.sh", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        (folder / "bin").mkdir()
        for tool in TOOLS:
            (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
        fake = folder / "bin" / "python3"
        fake.write_text(FAKE)
        fake.chmod(0o755)
        self.log = folder / "log"
        self.environment = {"PATH": str(folder / "bin"), "LOG": str(self.log), "HOME": str(folder)}
        self.folder = folder

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Call run.sh from another folder, without waiting for it."""
        return subprocess.Popen(
            ["bash", str(self.root / "run.sh"), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Call run.sh and give its exit status and what it said."""
        process = self.start(*arguments, **environment)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def noted(self) -> list[str]:
        """Give what the interpreters were asked to do since the last time."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace(str(self.root), "{root}") for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_call_installs_torch_then_at2_and_runs_the_sweep(machine: Machine) -> None:
    assert machine.call()[0] == 0
    assert machine.noted() == ["venv", *INSTALL, SWEEP]


def test_the_second_call_installs_nothing_and_passes_arguments_on(machine: Machine) -> None:
    machine.call()
    machine.noted()
    assert machine.call("--pairs", "CIFAR100, 2", "--quiet") == (0, "")
    assert machine.noted() == [f"{SWEEP} --pairs CIFAR100, 2 --quiet"]


def test_any_other_command(machine: Machine) -> None:
    machine.call("at2", "tables", "list")
    assert machine.noted()[-1] == "run at2 tables list"


def test_a_report_installs_what_it_needs_once(machine: Machine) -> None:
    machine.call()
    machine.noted()
    for _ in range(2):
        machine.call("at2", "report", "record")
    assert machine.noted() == [INSTALL[0], "pip {root}[report]", "run at2 report record", "run at2 report record"]


def test_a_report_after_the_checks_installs_nothing(machine: Machine) -> None:
    machine.call("test")
    machine.noted()
    machine.call("at2", "report", "record")
    assert machine.noted() == ["run at2 report record"]


def test_the_checks(machine: Machine) -> None:
    assert machine.call("test", "-k", "space")[0] == 0
    assert machine.noted() == [
        "venv",
        INSTALL[0],
        "pip {root}[dev]",
        "run ruff check .",
        "run ruff format --check .",
        "run mypy",
        "run pytest -n 2 -k space",
    ]
    machine.call()
    assert machine.noted() == [SWEEP]  # the tools do no harm


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_in_place(machine: Machine, name: str) -> None:
    machine.call()
    machine.noted()
    with (machine.root / name).open("a") as file:
        file.write("# changed\n")
    machine.call()
    assert machine.noted() == [*INSTALL, SWEEP]


def test_a_folder_that_was_moved_is_installed_again(machine: Machine) -> None:
    machine.call()
    machine.noted()
    machine.root = machine.root.rename(machine.folder / "elsewhere")
    machine.call()
    assert machine.noted() == [*INSTALL, SWEEP]


def test_a_failed_install_is_said_and_begun_again(machine: Machine) -> None:
    status, said = machine.call(PIP_EXIT="1")
    assert status == 1
    assert "run.sh: pip could not install torch==2.13.0 (its message is above)" in said
    assert machine.noted() == ["venv", INSTALL[0]]
    assert machine.call()[0] == 0
    assert machine.noted() == ["venv", *INSTALL, SWEEP]


def test_a_killed_install_is_begun_again(machine: Machine) -> None:
    process = machine.start(PIP_SECONDS="60")
    _wait_for(lambda: machine.log.exists() and "pip torch" in machine.log.read_text())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    machine.noted()
    assert machine.call()[0] == 0
    assert machine.noted() == ["venv", *INSTALL, SWEEP]


def test_two_calls_at_once_install_once(machine: Machine) -> None:
    processes = [machine.start(PIP_SECONDS="0.5") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    assert machine.noted() == ["venv", *INSTALL, SWEEP, SWEEP]


def test_an_interpreter_that_is_too_old(machine: Machine) -> None:
    status, said = machine.call(TOO_OLD="1")
    assert status == 1
    assert "at2 needs Python 3.11 or newer; found: python3 (Python 3.9.18)" in said
    assert not (machine.root / ".venv").exists()


def test_no_interpreter_at_all(machine: Machine) -> None:
    (machine.folder / "bin" / "python3").unlink()
    status, said = machine.call()
    assert status == 1
    assert "found: none" in said


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError("it did not come true within 30 s")
