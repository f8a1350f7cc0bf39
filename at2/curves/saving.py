"""Fitted predictors on disk: one file of tensors and JSON, read without running anything in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from at2.curves.batch import Question
from at2.curves.data import CurveSet
from at2.errors import CorruptFileError, FileError
from at2.tables.storage.files import whole_file

__all__ = ["Saved", "kind_of", "read", "write"]

FORMAT = "at2 curve predictor"
VERSION = 1


@dataclass(frozen=True)
class Saved:
    """What a file holds.

    Args:
        parameters: The constructor's arguments.
        curves: The training curves.
        models: The state of the model of each question.
    """

    parameters: dict[str, Any]
    curves: CurveSet
    models: list[tuple[Question, dict[str, Any]]]


def write(
    path: str | Path, name: str, parameters: dict[str, Any], curves: CurveSet, models: list[tuple[Question, Any]]
) -> None:
    """Write a predictor, whole or not at all.

    Raises:
        FileError: If the file cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "parameters": parameters,
        "curves": _split_tensors(_curve_state(curves), "curves", tensors),
        "models": [
            {
                "question": [question.length, question.at, list(question.gaps)],
                "state": _split_tensors(state, f"model{i}", tensors),
            }
            for i, (question, state) in enumerate(models)
        ],
    }
    with whole_file(path) as temporary:
        torch.save({"header": json.dumps(header), "tensors": tensors}, temporary)


def read(path: str | Path, name: str) -> Saved:
    """Read a predictor of that name.

    Raises:
        FileError: If the file cannot be read, or a newer at2 wrote it.
        CorruptFileError: If it is damaged or holds something else.
    """
    header, tensors = _open(Path(path))
    if header["name"] != name:
        raise CorruptFileError(
            f"{path}: holds the predictor {header['name']!r}, not {name!r}; load it as that", path=path
        )
    try:
        state = _join_tensors(header["curves"], tensors)
        models = []
        for entry in header["models"]:
            length, at, gaps = entry["question"]
            models.append((Question(length, at, tuple(gaps)), _join_tensors(entry["state"], tensors)))
        return Saved(header["parameters"], _curves_from(state), models)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{path}: parts of the predictor are missing ({error}); save it again", path=path
        ) from error


def kind_of(path: str | Path) -> str:
    """Return the name of the predictor that a file holds; errors as in `read`."""
    return str(_open(Path(path))[0]["name"])


def _open(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise FileError(f"{path}: no such file; check the path", path=path)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        header, tensors = json.loads(saved["header"]), saved["tensors"]
        if header["format"] != FORMAT:
            raise ValueError("another format")
    except Exception as error:  # a damaged file fails in zip, unpickling or JSON, each with errors of its own
        raise CorruptFileError(
            f"{path}: not a curve predictor that at2 saved, or damaged ({type(error).__name__}); save it again",
            path=path,
        ) from error
    if header["version"] > VERSION:
        raise FileError(f"{path}: written by a newer at2 (version {header['version']}); update at2", path=path)
    return header, tensors


def _curve_state(curves: CurveSet) -> dict[str, Any]:
    return {
        "configs": curves.configs,
        "curves": curves.curves,
        "tasks": list(curves.tasks),
        "extra": curves.extra,
        "maximize": curves.maximize,
        "space": None if curves.space is None else curves.space.to_json(),
        "extra_names": list(curves.extra_names),
    }


def _curves_from(state: dict[str, Any]) -> CurveSet:
    from at2.space import SearchSpace

    space = None if state["space"] is None else SearchSpace.from_json(state["space"])
    return CurveSet(
        state["configs"].numpy(),
        state["curves"].numpy(),
        tuple(state["tasks"]),
        None if state["extra"] is None else state["extra"].numpy(),
        state["maximize"],
        space,
        tuple(state["extra_names"]),
    )


def _split_tensors(state: dict[str, Any], prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Move arrays and tensors of a state into `tensors`; what stays is JSON."""
    left: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray | torch.Tensor):
            key = f"{prefix}/{name}"
            tensors[key] = torch.as_tensor(value).detach().clone().contiguous()
            left[name] = {"tensor": key}
        else:
            left[name] = value
    return left


def _join_tensors(state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Undo `_split_tensors`."""
    return {
        name: tensors[value["tensor"]] if isinstance(value, dict) and set(value) == {"tensor"} else value
        for name, value in state.items()
    }
