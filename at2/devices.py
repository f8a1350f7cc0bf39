"""Where tensors live: a device is tried before anything is computed on it."""

from __future__ import annotations

import torch

from at2.errors import DeviceError


def usable_device(device: str | torch.device, *, dtype: torch.dtype = torch.float32) -> torch.device:
    """Return the device of that name once a tensor has been there and back.

    Args:
        device: Such as ``"cpu"`` or ``"cuda"``.
        dtype: What it must be able to hold.

    Raises:
        DeviceError: If there is no such device here, or it cannot hold that type.

    Example:
        >>> usable_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
        if found.type != "cpu":
            torch.zeros(1, dtype=dtype).to(found).cpu()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        said = str(error).partition("\n")[0][:80]
        there = "'cpu', 'cuda'" if torch.cuda.is_available() else "'cpu'"
        raise DeviceError(f"cannot compute on device {device!r} here ({said}); there are {there}") from error
    return found
