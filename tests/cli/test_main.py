import pytest
from click.testing import CliRunner

from at2 import __version__
from at2.cli.main import _COMMANDS, cli, main


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in _COMMANDS:
        assert f"  {name} " in result.output


def test_version() -> None:
    assert __version__ in CliRunner().invoke(cli, ["--version"]).output


def test_an_unknown_command_is_answered_with_those_there_are() -> None:
    result = CliRunner().invoke(cli, ["swep"])
    assert result.exit_code == 2
    assert "no command 'swep'; the commands are tables, sweep, " in result.output
    assert all(name in result.output for name in _COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_can_be_imported_and_shows_its_help(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_main_ends_the_process_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert __version__ in capsys.readouterr().out
