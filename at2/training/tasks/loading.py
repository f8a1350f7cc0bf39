"""A task by its name or from its files."""

from __future__ import annotations

import os
from pathlib import Path

from at2.errors import UnknownNameError
from at2.tables.storage.frames import close_matches
from at2.training.tasks.digits import VARIANTS, digits_task
from at2.training.tasks.files import cifar_task, folder_task, is_cifar_folder, npz_task
from at2.training.tasks.image_task import ImageTask


def task_names() -> tuple[str, ...]:
    """Return the names of the tasks that need no files: the digits family."""
    return tuple(VARIANTS)


def load_task(name_or_path: str | os.PathLike[str], *, seed: int = 0) -> ImageTask:
    """Load a task.

    Args:
        name_or_path: A name of `task_names`; an ``.npz`` file with the arrays ``images`` and ``labels``; a folder with
            a folder of images for each class; or the folder of CIFAR-10's python batches.
        seed: Seed of the split, and of what is drawn for a variant of the digits.

    Raises:
        UnknownNameError: If there is neither such a name nor such a file.
        TaskError: If the data make no task; the message says why.
        FileError: If a file cannot be read; the message names it.

    Example:
        >>> task = load_task("digits-low")
        >>> task.n_classes, len(task.train), task.channels, task.size
        (5, 541, 1, 8)
    """
    text, path = os.fspath(name_or_path), Path(name_or_path).expanduser()
    if text in VARIANTS:
        return digits_task(text, seed=seed)
    if path.is_dir():
        return cifar_task(path, seed=seed) if is_cifar_folder(path) else folder_task(path, seed=seed)
    if path.suffix == ".npz" and path.is_file():
        return npz_task(path, seed=seed)
    raise UnknownNameError(
        f"no task {text!r}; {close_matches(text, list(VARIANTS))}. Files of your own: an .npz with 'images' and "
        "'labels', a folder with a folder of images for each class, or the folder of CIFAR-10's python batches"
    )
