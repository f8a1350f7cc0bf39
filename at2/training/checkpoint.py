"""Checkpoints: one file each, written whole or not at all, read without running anything in it."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from at2.errors import CheckpointError, CorruptFileError, FileError
from at2.tables.storage.files import whole_file

FORMAT, VERSION = "at2.checkpoint", 1


def write_checkpoint(path: str | os.PathLike[str], payload: Mapping[str, Any]) -> None:
    """Write tensors, numbers, texts, lists and dicts of them to a file; a former one stays until the new one is there.

    Raises:
        FileError: If the disk is full or the folder read-only; the former file is as it was.
    """
    buffer = io.BytesIO()  # a failing disk shall meet a plain write
    torch.save({"format": FORMAT, "version": VERSION, **payload}, buffer)
    with whole_file(Path(path)) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read what `write_checkpoint` wrote, by `torch.load` with ``weights_only=True``.

    Raises:
        FileError: If the file cannot be read.
        CorruptFileError: If it is truncated, damaged, or no checkpoint of at2.
    """
    place = Path(path)
    try:
        content = place.read_bytes()
    except OSError as error:
        raise FileError(f"{place}: cannot be read ({error.strerror or error}); check the path", path=place) from error
    try:
        payload = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (RuntimeError, ValueError, EOFError, LookupError, TypeError, pickle.UnpicklingError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise CorruptFileError(
            f"{place}: not a whole checkpoint ({lines[0][:200]}); delete it, and the training begins anew", path=place
        ) from error
    if not isinstance(payload, dict) or payload.get("format") != FORMAT or payload.get("version") != VERSION:
        raise CorruptFileError(f"{place}: not a checkpoint of at2 in version {VERSION}; delete it", path=place)
    return payload


def check_identity(found: Mapping[str, Any], wanted: Mapping[str, Any], *, path: object) -> None:
    """Refuse a checkpoint of another training.

    Args:
        found: Identity that stands in the checkpoint.
        wanted: Identity of the training that reads it.
        path: The checkpoint, for the message.

    Raises:
        CheckpointError: If they differ; the message names the first difference.
    """
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    if not names:
        return
    name, there, here = names[0], found.get(names[0]), wanted.get(names[0])
    if isinstance(there, dict) and isinstance(here, dict):
        inner = next(key for key in {**here, **there} if there.get(key) != here.get(key))
        name, there, here = f"{name}: {inner}", there.get(inner), here.get(inner)
    raise CheckpointError(
        f"{path}: is a checkpoint of another training: {name} is {there!r} there and {here!r} here; "
        "name another checkpoint, or delete it to begin anew",
        path=path,
    )
