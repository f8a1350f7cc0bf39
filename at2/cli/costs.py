"""``at2 costs``: what ways of tuning cost in optimizer steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from at2.bench.costs import Cost


class StageList(click.ParamType[tuple[tuple[int, int], ...]]):
    """Stages of a grid: configurations x additional epochs, with commas between them."""

    name = "stages"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[int, int], ...]:
        """Split the stages; anything else is a wrong call."""
        if isinstance(value, tuple):
            return value
        pairs = [word.strip().split("x") for word in str(value).split(",")]
        if not all(len(pair) == 2 and pair[0].isdecimal() and pair[1].isdecimal() for pair in pairs):
            self.fail(f"stages such as 27x20,27x30 wanted, {value!r} came", param, ctx)
        return tuple((int(n_config), int(n_more)) for n_config, n_more in pairs)


@click.command()
@click.option("--samples", type=click.IntRange(min=1), help="Samples of the training split.  [default: 50000]")
@click.option("--task", help="A task of HyperRec instead: its published size, 60 % of it for training.")
@click.option("--batch-size", type=click.IntRange(min=1), default=256, show_default=True, help="Samples of a step.")
@click.option("--epochs", type=click.IntRange(min=1), default=70, show_default=True, help="Epochs of one training.")
@click.option("--drop-last", is_flag=True, help="Leave out a last batch that is not full.")
@click.option(
    "--population", type=click.IntRange(min=1), default=10, show_default=True, help="Members of a population."
)
@click.option(
    "--stages",
    type=StageList(),
    default="27x20,27x20,27x30",
    show_default=True,
    help="Stages of a grid: configurations x additional epochs.",
)
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, help="Steps to each hypergradient.")
@click.option(
    "--budget", type=click.IntRange(min=1), default=100, show_default=True, help="Epochs that a tuner spends."
)
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV instead of a table.")
def costs(  # one argument for each option
    samples: int | None,
    task: str | None,
    batch_size: int,
    epochs: int,
    drop_last: bool,
    population: int,
    stages: tuple[tuple[int, int], ...],
    every: int,
    budget: int,
    as_csv: bool,
) -> None:
    """Price ways of tuning in optimizer steps, beside one training."""
    from at2.bench import costs as prices

    if samples is not None and task is not None:
        raise click.UsageError("--samples and --task both give the size of the data; give one of them")
    n_sample = prices.task_samples(task) if task is not None else samples or 50_000
    training = prices.Training(n_sample, batch_size, epochs, drop_last=drop_last)
    _show(
        [
            prices.standard(training),
            prices.hypergradient(training, every=every),
            prices.population(training, n_member=population),
            prices.multi_stage_grid(training, stages=stages),
            prices.epochs(training, n_epochs=budget, name=f"a tuner with {budget} epochs"),
        ],
        title=f"{n_sample:,} samples, batches of {batch_size}, {epochs} epochs",
        as_csv=as_csv,
    )


def _show(found: list[Cost], *, title: str, as_csv: bool) -> None:
    """Print the costs."""
    if as_csv:
        click.echo("what,steps,relative")
        for cost in found:
            click.echo(f"{cost.name},{cost.n_steps},{cost.relative:.4g}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    table.add_column("what")
    table.add_column("optimizer steps", justify="right")
    table.add_column("relative", justify="right")
    for cost in found:
        table.add_row(cost.name, f"{cost.n_steps:,}", f"{cost.relative:.1f}x")
    Console().print(table)
