"""Sets of instances: drawn by a seed, written and read as CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from at2.control.errors import ControlSettingError, InstanceError
from at2.control.instance import COLUMNS, SGDInstance
from at2.errors import FileError
from at2.tables import data_path, whole_file

PUBLISHED = {
    "train": "control_train.csv",
    "test": "control_test.csv",
    "cifar10": "control_cifar10.csv",
}
"""Instance sets that ship with at2, and their files."""

DIGITS = (
    *("digits", "digits-few", "digits-low", "digits-high", "digits-noisy"),
    *("digits-rotated", "digits-inverted", "digits-shuffled"),
)
"""Tasks that instances are drawn from by default."""

SMALL_MODELS = ("patch-2x3", "patch-4x10", "patch-4x40", "patch-8x40", "small-plain", "small-residual")
"""Networks that instances are drawn from by default; all take images of 8 x 8 pixels."""

_LR_RANGE = {"AdamW": (1e-3, 1e-2), "SGD": (3e-3, 3e-2)}


def generate_instances(
    n: int,
    *,
    seed: int,
    datasets: Sequence[str] = DIGITS,
    models: Sequence[str] = SMALL_MODELS,
    fractions: tuple[float, float] = (0.25, 0.5),
    cutoff: int = 10,
    prefix: str = "instance",
) -> dict[str, SGDInstance]:
    """Draw instances: task, network, optimizer, its settings, batch size, share and split of the data, seed.

    Three of four use AdamW, the others SGD with momentum. The rate before the first action is drawn log-uniformly
    around 0.003 for AdamW and 0.01 for SGD, as a user's first guess would be.

    Args:
        n: How many.
        seed: Seed of all draws.
        datasets: Tasks to draw from.
        models: Networks to draw from.
        fractions: Range of the share of the data.
        cutoff: Epochs of every training.
        prefix: Their names are ``prefix-0``, ``prefix-1``, ...

    Raises:
        ControlSettingError: If `n` is below 1, or there is nothing to draw from.
        InstanceError: If what is drawn is not sound.

    Example:
        >>> instances = generate_instances(2, seed=0, prefix="mine")
        >>> list(instances), instances == generate_instances(2, seed=0, prefix="mine")
        (['mine-0', 'mine-1'], True)
    """
    if n < 1 or not datasets or not models:
        message = f"n of at least 1, a dataset and a model wanted, got n={n}, {len(datasets)} and {len(models)}"
        raise ControlSettingError(message)
    rng = np.random.default_rng(seed)
    return {f"{prefix}-{number}": _draw(rng, datasets, models, fractions, cutoff) for number in range(n)}


def _draw(
    rng: np.random.Generator,
    datasets: Sequence[str],
    models: Sequence[str],
    fractions: tuple[float, float],
    cutoff: int,
) -> SGDInstance:
    optimizer = "AdamW" if rng.random() < 0.75 else "SGD"
    low, high = np.log(_LR_RANGE[optimizer])
    settings: dict[str, Any] = {"lr": float(f"{np.exp(rng.uniform(low, high)):.2g}")}
    if optimizer == "SGD":
        settings["momentum"] = 0.9
    settings["weight_decay"] = float(f"{10 ** rng.uniform(-5, -2):.2g}")
    return SGDInstance(
        model=str(rng.choice(models)),
        dataset=str(rng.choice(datasets)),
        optimizer=optimizer,
        optimizer_params=settings,
        batch_size=int(rng.choice([32, 64])),
        fraction=round(float(rng.uniform(*fractions)), 2),
        train_validation_ratio=round(float(rng.uniform(0.6, 0.8)), 2),
        seed=int(rng.integers(10_000)),
        cutoff=cutoff,
    )


def read_instances(name_or_path: str | os.PathLike[str]) -> dict[str, SGDInstance]:
    """Read an instance set.

    Args:
        name_or_path: A name of `PUBLISHED`, or the path of a CSV with an ``id`` and the fields of `SGDInstance`.

    Returns:
        The instances by id, in the order of the file.

    Raises:
        FileError: If there is no such set or the file cannot be read.
        InstanceError: If a column is missing, an id comes twice, or an instance is not sound; it names the line.
    """
    path = data_path(PUBLISHED[str(name_or_path)]) if str(name_or_path) in PUBLISHED else Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(PUBLISHED)
        message = f"cannot read the instances {str(path)!r}: {error}; published sets are {names}"
        raise FileError(message, path=path) from error
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("id", *COLUMNS) if name not in (rows.fieldnames or ())]
    if missing:
        wanted = ", ".join(("id", *COLUMNS))
        raise InstanceError(f"{path}: columns {wanted} wanted, {', '.join(missing)} missing", parameter=missing[0])
    found: dict[str, SGDInstance] = {}
    for row in rows:
        _add(found, row, where=f"{path}, line {rows.line_num}")
    if not found:
        raise InstanceError(f"{path} holds no instance; write at least one row")
    return found


def _add(found: dict[str, SGDInstance], row: Mapping[Any, Any], *, where: str) -> None:
    if not row["id"] or None in row:
        what = "has no id" if not row["id"] else f"has more cells than the {len(row) - 1} columns"
        raise InstanceError(f"{where} {what}; mend the row", parameter="id")
    if row["id"] in found:
        raise InstanceError(f"{where}: the id {row['id']!r} comes twice; give each instance its own", parameter="id")
    try:
        found[row["id"]] = SGDInstance.from_row(row)
    except InstanceError as error:
        raise InstanceError(f"{where}: {error}", parameter=error.parameter) from error


def write_instances(instances: Mapping[str, SGDInstance], path: str | os.PathLike[str]) -> None:
    """Write instances as CSV, whole or not at all.

    Raises:
        FileError: If the file cannot be written.
    """
    with whole_file(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, fieldnames=["id", *COLUMNS], lineterminator="\n")
        rows.writeheader()
        rows.writerows({"id": name, **instance.to_row()} for name, instance in instances.items())
