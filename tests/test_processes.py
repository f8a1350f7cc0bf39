import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from at2.processes import run_all

# `eval` is the work: a function that any new process can import by name, and an item can do anything


def _lost(item: str) -> str:
    return f"lost {item}"


def test_every_item_gives_one_result() -> None:
    assert sorted(run_all(eval, ["1+1", "2+2", "3+3"], jobs=2, lost=_lost)) == [2, 4, 6]


def test_no_items_start_no_process() -> None:
    assert list(run_all(eval, [], jobs=2, lost=_lost)) == []


def test_a_process_that_dies_costs_its_own_item_only() -> None:
    deadly = "__import__('os')._exit(1)"
    results = list(run_all(eval, ["1", deadly, "2", "3"], jobs=2, lost=_lost))
    assert sorted(map(str, results)) == ["1", "2", "3", f"lost {deadly}"]


def test_what_the_work_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_all(Fraction, ["1/0"], jobs=1, lost=_lost))


def test_processes_use_one_thread_and_the_own_environment_stays() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    assert list(run_all(os.getenv, ["OMP_NUM_THREADS"], jobs=1, lost=_lost)) == ["1"]
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_processes_of_a_script_that_imports_torch_use_one_thread(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"  # loaded in a new process before anything else
        "from at2.processes import run_all\n"
        "if __name__ == '__main__':\n"
        "    work = ['__import__(\"torch\").get_num_threads()']\n"
        "    print(list(run_all(eval, work, jobs=1, lost=str)))\n"
    )
    several = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=several, check=True)
    assert done.stdout.strip() == "[1]"


def test_processes_end_with_a_killed_parent() -> None:
    code = (
        "from at2.processes import run_all\n"
        "if __name__ == '__main__':\n"
        '    work = [\'print(__import__("os").getpid(), flush=True) or __import__("time").sleep(600)\']\n'
        "    list(run_all(eval, work, jobs=1, lost=str))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip().isdecimal()  # the child works
    parent.kill()
    assert parent.communicate(timeout=30) == ("", None)  # ends when the child has closed its side, too


def test_at_least_one_job() -> None:
    with pytest.raises(ValueError, match="jobs must be at least 1, 0 given"):
        list(run_all(eval, ["1"], jobs=0, lost=_lost))
