from pathlib import Path

import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.control import SGDInstance, read_instances, write_instances


@pytest.fixture
def instances(tmp_path: Path) -> str:
    instance = SGDInstance("small-plain", "digits-few", batch_size=32, fraction=0.25, cutoff=2)
    write_instances({"one": instance}, tmp_path / "mine.csv")
    return str(tmp_path / "mine.csv")


def test_run_and_compare(instances: str, tmp_path: Path) -> None:
    common = ["--instances", instances, "--record", str(tmp_path / "record")]
    run = ["control", "run", "--controller", "constant,random", "--seeds", "2", "-q", *common]
    assert "2 cases done, 0 kept, 2 episodes each" in CliRunner().invoke(cli, run).output
    assert "0 cases done, 2 kept" in CliRunner().invoke(cli, run).output
    files = ["--summary", str(tmp_path / "s.csv"), "--figure", str(tmp_path / "f.png"), "--format", "markdown"]
    result = CliRunner().invoke(cli, ["control", "compare", *common, *files])
    assert "| controller | test loss | median | accuracy | crashes | rank |" in result.output
    assert (tmp_path / "s.csv").is_file()
    assert (tmp_path / "f.png").is_file()


def test_record_and_generate(instances: str, tmp_path: Path) -> None:
    recorded = ["control", "record", "--instances", instances, "--out", str(tmp_path / "r.h5"), "-q"]
    assert "1 instances with 20 schedules" in CliRunner().invoke(cli, recorded).output
    drawn = ["control", "generate", "-n", "3", "--prefix", "x", "--out", str(tmp_path / "x.csv")]
    assert "3 instances" in CliRunner().invoke(cli, drawn).output
    assert list(read_instances(tmp_path / "x.csv")) == ["x-0", "x-1", "x-2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--controller", "best"], "no controller 'best'; there are constant"),
        (["run", "--controller", "constant", "--instances", "nowhere.csv"], "published sets are train, test, cifar10"),
        (["run"], "Missing option '--controller'"),
        (["compare", "--record", "nowhere"], "call `at2 control run` first"),
        (["generate", "-n", "0", "--out", "x.csv"], "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_call_is_answered_in_words(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["control", *arguments])
    assert result.exit_code != 0
    assert message in result.output
