"""The settings of the published model, as options of a command under their published names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

SURROGATES = {"default": "at2", "kronecker": "at2-kronecker", "at2-2021": "at2-2021"}
"""The tuner that stands for the recommender with each surrogate."""

_PUBLISHED: tuple[tuple[str, type, int | float | None, str], ...] = (
    ("num_inducing_point", int, 1000, "Inducing points."),
    ("batch_size", int, 1000, "Readings in a step of gradient descent."),
    ("num_training_epoch", int, 200, "Passes over the sources before the first query."),
    ("lr", float, 0.02, "Highest learning rate."),
    ("momentum", float, 0.8, "Momentum of gradient descent."),
    ("warmup_ratio", float, 0.01, "Share of all passes in which the learning rate rises."),
    ("beta", float, 0.25, "Standard deviations in the upper confidence bound."),
    ("num_tuning_budget", int, None, "Queries until the learning rate is 0.  [default: the budget]"),
    ("num_tuning_epoch", int, 3, "Passes over all readings after each query."),
    ("profile_id", int, 0, "Training seed of the sources."),
)


def published_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets those that were given as one argument, the mapping `settings`."""

    @functools.wraps(command)
    def collect(*args: Any, **options: Any) -> None:
        given = {name: options.pop(name) for name, *_ in _PUBLISHED}
        command(*args, settings={name: value for name, value in given.items() if value is not None}, **options)

    for name, kind, default, text in reversed(_PUBLISHED):
        shown = f"  [default: {default}]" if default is not None else ""
        flags = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
        collect = click.option(*flags, name, type=kind, help=f"at2-2021: {text}{shown}")(collect)
    return collect


def choose_tuners(
    tuners: Sequence[str], surrogates: Sequence[str], settings: Mapping[str, int | float]
) -> tuple[str, ...]:
    """Put the recommender with the wanted surrogates in the place of ``at2``, and check the settings.

    Raises:
        UsageError: If a setting is out of range, or the published model is not among the tuners.
    """
    ours = [SURROGATES[name] for name in surrogates] or ["at2"]
    chosen = [name for tuner in tuners for name in (ours if tuner == "at2" else [tuner])]
    if surrogates and "at2" not in tuners:
        raise click.UsageError("--surrogate is for the tuner at2; name it among --tuners, or leave --surrogate out")
    if settings:
        if "at2-2021" not in chosen:
            raise click.UsageError(f"--{next(iter(settings)).replace('_', '-')} is a setting of --surrogate at2-2021")
        from at2.surrogate.at2_2021 import AutoTuning2021

        try:
            AutoTuning2021(**settings)  # type: ignore[arg-type]  # it checks each
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return tuple(dict.fromkeys(chosen))
