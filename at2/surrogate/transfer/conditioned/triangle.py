"""Lower triangular matrices that grow by a row at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_LEAST_ROOM = 64  # rows
_BLOCK = 48  # rows multiplied at a time, zeros beyond them left out


@dataclass(frozen=True)
class Triangle:
    """Lower triangular matrices, one for each hypothesis; a row more is another object over the same memory.

    Rows are written behind those that somebody sees, and copied where two want to go on from the same one, so that what
    an object shows never changes.

    Args:
        room: Where the rows are, shape ``(n_hypothesis, n_room, n_room)``.
        n: Number of rows that belong to this object.
        written: One number, shared by all over the same memory: how many rows are written.
    """

    room: Tensor
    n: int = 0
    written: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def of(cls, matrix: Tensor) -> Triangle:
        """Return lower triangular matrices ``(n_hypothesis, n, n)`` as such."""
        return cls(matrix, matrix.shape[1], [matrix.shape[1]])

    @property
    def matrix(self) -> Tensor:
        """The matrices, ``(n_hypothesis, n, n)``."""
        return self.room[:, : self.n, : self.n]

    def times(self, right: Tensor, which: Tensor) -> Tensor:
        """Return some of the matrices times as many others, ``(n_which, n, m)``."""
        product = torch.empty_like(right)
        for at, k in enumerate(which.tolist()):
            for start in range(0, self.n, _BLOCK):
                end = min(start + _BLOCK, self.n)
                torch.mm(self.room[k, start:end, :end], right[at, :end], out=product[at, start:end])
        return product

    def with_row(self, row: Tensor) -> Triangle:
        """Return the matrices with one row more, ``(n_hypothesis, n + 1)``.

        Example:
            >>> import torch
            >>> one = Triangle(torch.zeros(1, 0, 0)).with_row(torch.tensor([[2.0]]))
            >>> two = one.with_row(torch.tensor([[3.0, 4.0]]))
            >>> two.matrix.tolist(), one.with_row(torch.tensor([[5.0, 6.0]])).matrix.tolist(), one.matrix.tolist()
            ([[[2.0, 0.0], [3.0, 4.0]]], [[[2.0, 0.0], [5.0, 6.0]]], [[[2.0]]])
        """
        room, written = self.room, self.written
        if written[0] != self.n or self.n == room.shape[1]:
            n_room = max(_LEAST_ROOM, self.n + self.n // 2)
            room = self.room.new_zeros(len(room), n_room, n_room)
            room[:, : self.n, : self.n] = self.matrix
            written = [self.n]
        room[:, self.n, : self.n + 1] = row
        written[0] = self.n + 1
        return Triangle(room, self.n + 1, written)
