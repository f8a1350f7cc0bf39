from pathlib import Path

import pytest
from click.testing import CliRunner

from at2.cli.main import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "0"], "0 is not in the range x>=1"),
        (["--seeds", "0,x"], "whole numbers from 0 with commas between them wanted, '0,x' came"),
        (["--pairs", "a,,b"], "words with commas between them wanted, 'a,,b' came"),
        (["--database", "mnist"], "'mnist' is not one of 'hyperrec', 'lcbench'"),
        (
            ["--tuners", "at3"],
            "no tuner 'at3'; the tuners are at2, at2-kronecker, at2-2021, average-rank, random-search",
        ),
        (["--surrogate", "gp"], "'gp' is not one of 'default', 'kronecker', 'at2-2021'"),
        (["--lr", "0.1"], "--lr is a setting of --surrogate at2-2021"),
        (["--surrogate", "at2-2021", "--num-inducing-point", "0"], "num_inducing_point must be a whole number from 1"),
        (["--surrogate", "at2-2021", "--tuners", "average-rank"], "--surrogate is for the tuner at2"),
        (["--pairs", "CIFAR101"], "no pair 'CIFAR101'; choose 'all'"),
    ],
)
def test_a_wrong_call_is_answered_in_words(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["sweep", "--record", str(tmp_path / "record"), *arguments])
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "record").exists()


def test_without_the_tables_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AT2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AT2_MIRROR", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(cli, ["sweep", "--fetch", "--record", str(tmp_path / "record")])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "AT2_MIRROR is" in result.output


@pytest.mark.authors
def test_a_sweep_from_the_command_line(tmp_path: Path) -> None:
    arguments = ["sweep", "--pairs", "CIFAR100,shuttle", "--tuners", "random-search,average-rank", "--budget", "5"]
    record = tmp_path / "record"
    summary = tmp_path / "pairs.csv"
    first = CliRunner().invoke(cli, [*arguments, "--fetch", "--record", str(record), "--summary", str(summary)])
    assert first.exit_code == 0, first.output
    assert "runs: 4 done, 0 kept, 0 failed" in first.output
    assert "CIFAR100" in first.output
    assert summary.read_bytes() == (record / "summary.csv").read_bytes()
    assert {path.name for path in record.iterdir() if path.is_file()} == {"summary.csv", "regret.csv", "regret.png"}
    second = CliRunner().invoke(cli, [*arguments, "--record", str(record), "--format", "markdown"])
    assert "runs: 0 done, 4 kept, 0 failed" in second.output
    assert "| hyperrec | CIFAR100 |" in second.output
    quiet = CliRunner().invoke(cli, [*arguments, "--record", str(record), "--quiet"])
    assert len(quiet.output.splitlines()) == 1


def test_without_a_network_it_ends_with_a_recommendation_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AT2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AT2_MIRROR", "http://127.0.0.1:9")  # where nobody answers
    options = ["--fetch", "--pairs", "digits-few,9", "--tuners", "average-rank", "--budget", "5", "--jobs", "1"]
    result = CliRunner().invoke(cli, ["sweep", *options, "--record", str(tmp_path / "record"), "--format", "markdown"])
    assert result.exit_code == 0, result.output
    said = [line for line in result.output.splitlines() if "cannot be had" in line]
    assert len(said) == 1
    assert said[0] == (
        "hyperrec and lcbench cannot be had (ConnectionError at 127.0.0.1:9; AT2_MIRROR may name a copy); "
        "sweeping the embedded table 'digits' in their place"
    )
    assert "| digits | digits-few |" in result.output
    assert "| digits | digits32 |" in result.output
    named = CliRunner().invoke(
        cli, ["sweep", "--fetch", "--database", "hyperrec", "--record", str(tmp_path / "record")]
    )
    assert named.exit_code == 1
    assert "cannot be fetched" in named.output
