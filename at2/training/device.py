"""Where a network trains, checked before anything is trained."""

from __future__ import annotations

import torch

from at2.errors import DeviceError


def training_device(device: str | torch.device) -> torch.device:
    """Return the device of that name once a float32 tensor has been there and back.

    Args:
        device: Such as ``"cpu"`` or ``"cuda"``.

    Raises:
        DeviceError: If there is no such device here.

    Example:
        >>> training_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
        if found.type != "cpu":
            torch.zeros(1).to(found).cpu()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        said = str(error).partition("\n")[0][:80]
        there = "'cpu', 'cuda'" if torch.cuda.is_available() else "'cpu'"
        raise DeviceError(f"cannot train on device {device!r} here ({said}); there are {there}") from error
    return found
