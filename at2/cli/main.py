"""The ``at2`` command itself: command groups are imported when one of them is asked for, so that help is quick."""

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from at2 import __version__
from at2.errors import At2Error

# name of a command: where it lives, and its line in `at2 --help`
_COMMANDS = {
    "tables": ("at2.cli.tables:tables", "List, show, query, fetch, import and export learning-curve tables."),
    "sweep": ("at2.cli.sweep:sweep", "Recommend a configuration for each published pair and keep the record."),
    "record": ("at2.cli.record:record", "Train configurations on tasks and write their learning curves to a table."),
    "tune": ("at2.cli.tune:tune", "Tune a live training on a task, pausing and resuming configurations."),
    "train": ("at2.cli.train:train", "Train small networks with cyclical learning rates, and look at their curves."),
    "compare": ("at2.cli.compare:compare", "Compare ways of getting a trained network, run live."),
    "control": ("at2.cli.control:control", "Control learning rates while networks train: run, compare, record, learn."),
    "explain": ("at2.cli.explain:explain", "Explain the recommendation and the next query of a journal."),
    "curves": ("at2.cli.curves:curves", "Predict where learning curves end, compare predictors, tune, study stopping."),
    "bench": ("at2.cli.bench:bench", "Measure at2: speed, memory, and its regret beside its rivals'."),
    "report": ("at2.cli.report:report", "Show a record on one page: regret, ranks, costs, single runs."),
    "costs": ("at2.cli.costs:costs", "Price ways of tuning in optimizer steps."),
}


class LazyGroup(click.Group):
    """A group that knows the names of its commands and imports a command only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of all commands in the order of a user's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name, or give None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} must be a click command, but is a {type(command).__name__}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to run; an unknown name is answered with the names there are."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; the commands are {', '.join(_COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that at2 raises on purpose becomes one line instead of a traceback."""
        try:
            return super().invoke(ctx)
        except At2Error as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="at2")
@click.option("-v", "--verbose", count=True, help="Show the library's log; twice for every detail.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(verbose: int, debug: bool) -> None:
    """Recommend a training configuration for a new task from the learning curves of earlier ones."""
    if verbose or debug:
        level = logging.INFO if verbose == 1 and not debug else logging.DEBUG
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("at2").setLevel(level)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0, with 1 after an error or ctrl-C, with 2 after a wrong call.

    Args:
        arguments: The words after ``at2``; None takes those of the process.
    """
    cli.main(args=None if arguments is None else list(arguments), prog_name="at2")
