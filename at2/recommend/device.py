"""Where the surrogate computes."""

from __future__ import annotations

import inspect
from dataclasses import replace

import torch

from at2.surrogate import Belief, History, Surrogate


def fit_on(surrogate: Surrogate, history: History, *, seed: int, device: torch.device | None) -> Belief:
    """Fit a surrogate on a device: `fit` is told if it takes one, otherwise it finds its tensors there."""
    if device is None:
        return surrogate.fit(history, seed=seed)
    if "device" in inspect.signature(surrogate.fit).parameters:
        return surrogate.fit(history, seed=seed, device=device)  # type: ignore[call-arg]  # just looked
    return surrogate.fit(_moved(history, device), seed=seed)


def _moved(history: History, device: torch.device) -> History:
    elsewhere = getattr(history, "elsewhere", None)
    if elsewhere is not None:
        moved = {name: getattr(elsewhere, name).to(device) for name in ("values", "source", "config", "features")}
        elsewhere = replace(elsewhere, **moved)
    return replace(history, values=history.values.to(device), features=history.features.to(device), elsewhere=elsewhere)
