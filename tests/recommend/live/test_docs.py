"""The examples of docs/tuning.md run, and its commands parse."""

import re
import shlex
from pathlib import Path

import click
import pytest

from at2.cli.main import cli

TEXT = (Path(__file__).parents[3] / "docs" / "tuning.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for code in blocks("python"):
        exec(compile(code, "tuning.md", "exec"), names)
    result, train = names["result"], names["train_as_a_generator"]
    assert result.value > 0.9
    assert names["smallest"].value < 0.1
    assert names["timed"].stopped_because == "a callback called for it"
    assert list(train({"lr": 0.5}, range(1, 3), tmp_path)) == pytest.approx([0.7, 0.95])


@pytest.mark.parametrize("line", [line for code in blocks("bash") for line in code.splitlines()])
def test_the_commands_parse(line: str) -> None:
    name, *rest = shlex.split(line)[1:]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, rest)
