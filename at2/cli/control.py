"""``at2 control``: learning rates controlled while a network trains."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from at2.cli.options import CommaList

_RECORD = click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("record"),
    show_default=True,
    help="Folder of the record.",
)
_SEED = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress.")
_OUT = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write, whole or not at all."
)


def _instances(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--instances", default=default, show_default=True, help="train, test, cifar10, or the path of a CSV."
    )


@click.group()
def control() -> None:
    """Control learning rates: run and compare controllers, record schedules, learn a policy, draw instances."""


@control.command()
@click.option(
    "--controller", "controllers", type=CommaList(), required=True, help="Names with commas between them, or 'all'."
)
@_instances("test")
@click.option("--only", type=CommaList(), default="all", show_default=True, help="Only these instances.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Episodes on each instance.")
@click.option("--jobs", type=click.IntRange(min=0), default=0, show_default=True, help="Processes; 0 starts none.")
@click.option("--fresh", is_flag=True, help="Do again what the record holds.")
@_RECORD
@_QUIET
def run(
    controllers: tuple[str, ...],
    instances: str,
    only: tuple[str, ...],
    seeds: int,
    jobs: int,
    fresh: bool,
    record: Path,
    quiet: bool,
) -> None:
    """Run controllers on instances into RECORD/control; a call that was stopped goes on where it was."""
    from at2.bench.control.controllers import plan_cases, run_cases
    from at2.control.controllers import controller_names

    start = time.perf_counter()
    chosen = controller_names() if controllers == ("all",) else controllers
    cases = plan_cases(chosen, instances=instances, n_seed=seeds, only=() if only == ("all",) else only)
    with _progress(quiet=quiet) as note:
        n_done = run_cases(
            cases,
            record=record,
            jobs=jobs,
            fresh=fresh,
            on_case=lambda case: note(f"{case.controller} {case.instance}"),
        )
    took = time.perf_counter() - start
    click.echo(f"{n_done} cases done, {len(cases) - n_done} kept, {seeds} episodes each, in {took:.1f} s")


@control.command()
@_instances("test")
@_RECORD
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path), help="CSV to write.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="PNG to draw.")
@click.option(
    "--format", "fmt", type=click.Choice(["table", "markdown"]), default="table", show_default=True, help="How to show."
)
def compare(instances: str, record: Path, summary: Path | None, figure: Path | None, fmt: str) -> None:
    """Compare the controllers of a record: test loss with its t-interval, crashes, ranks."""
    from at2.bench.control.controllers import control_markdown, read_episodes, summarize_control
    from at2.bench.control.figure import draw_control
    from at2.tables.storage.formats import write_frame_file

    episodes = read_episodes(record, instances=instances)
    frame = summarize_control(episodes)
    if summary is not None:
        write_frame_file(frame, summary)
    if figure is not None:
        draw_control(episodes, figure)
    if fmt == "markdown":
        click.echo(control_markdown(frame))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(control_markdown(frame)))


@control.command()
@_instances("train")
@_SEED
@_OUT
@_QUIET
def record(instances: str, seed: int, out: Path, quiet: bool) -> None:
    """Record schedules on instances, for the controller 'at2' to pick from; writes a table in HDF5."""
    from at2.control import read_instances
    from at2.control.recordings import record_schedules

    with _progress(quiet=quiet) as note:
        table = record_schedules(
            read_instances(instances), seed=seed, on_episode=lambda instance, config: note(f"{instance} {config}")
        )
    table.to_hdf5(out)
    click.echo(f"{len(table.tasks)} instances with {len(table.configs)} schedules in {out}")


@control.command()
@_instances("train")
@click.option("--steps", type=click.IntRange(min=50), default=4000, show_default=True, help="Epochs to learn from.")
@_SEED
@_OUT
@_QUIET
def learn(instances: str, steps: int, seed: int, out: Path, quiet: bool) -> None:
    """Learn a policy by proximal policy optimization (needs the extra control-learned)."""
    from at2.control.controllers.learned import learn as learn_policy

    with _progress(quiet=quiet) as note:
        policy = learn_policy(
            instances, n_steps=steps, seed=seed, on_episode=lambda n, reward: note(f"{n} epochs, reward {reward:.2f}")
        )
    policy.save(out)
    click.echo(f"learned from {steps} epochs; policy in {out}")


@control.command()
@click.option("-n", "n", type=click.IntRange(min=1), default=50, show_default=True, help="How many.")
@_SEED
@click.option("--prefix", default="instance", show_default=True, help="Beginning of their names.")
@_OUT
def generate(n: int, seed: int, prefix: str, out: Path) -> None:
    """Draw instances over the digits tasks and small networks into a CSV."""
    from at2.control import generate_instances, write_instances

    write_instances(generate_instances(n, seed=seed, prefix=prefix), out)
    click.echo(f"{n} instances in {out}")


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show the latest note on the error stream while the block lasts."""
    from rich.console import Console

    with Console(stderr=True, quiet=quiet).status("beginning") as status:
        yield status.update
