"""A run's own streams of random numbers: nothing global decides what a network draws, and nothing global moves."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor


class OwnRandomness:
    """Streams that PyTorch draws from inside a ``with`` block; its global ones are as they were afterwards.

    Blocks must not be nested. It is no generator function, because one is entered for every mini-batch.

    Args:
        device: Where the network computes; CUDA has a stream of its own beside the CPU's.
        seed: Seed of the streams.

    Attributes:
        state: States of the streams, the CPU's first.

    Example:
        >>> import torch
        >>> randomness, before = OwnRandomness(torch.device("cpu"), seed=0), torch.get_rng_state()
        >>> with randomness:
        ...     drawn = torch.rand(1)
        >>> own = torch.Generator().manual_seed(0)
        >>> bool((torch.get_rng_state() == before).all()), bool(drawn == torch.rand(1, generator=own))
        (True, True)
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self._device = device
        self._outside: list[Tensor] = []
        self.state = [torch.Generator().manual_seed(seed).get_state()]
        if device.type == "cuda":
            self.state.append(torch.Generator(device).manual_seed(seed).get_state())

    def __enter__(self) -> None:
        """Put the own streams in the place of the global ones."""
        self._outside = self._current()
        self._set(self.state)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep how far the own streams got, and put the global ones back."""
        self.state = self._current()
        self._set(self._outside)

    def _current(self) -> list[Tensor]:
        streams = [torch.get_rng_state()]
        return [*streams, torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else streams

    def _set(self, streams: list[Tensor]) -> None:
        torch.set_rng_state(streams[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(streams[1], self._device)
