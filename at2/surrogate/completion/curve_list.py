"""Curves of many sources one behind the other, so that configurations that a source never ran take no room."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from at2.errors import TableError
from at2.surrogate.numerics.outliers import draw_in_poor, limit, sound_median

_FENCE = 5.0  # in the distances of the 5 % and 95 % quantiles; readings beyond are drawn in
_LARGEST = 1e100  # larger numbers overflow when squared
_MANY = 1_000_000  # readings of a source, of which every so many tell the quantiles


@dataclass(frozen=True)
class CurveList:
    """Curves with at least one reading, by source and then by configuration.

    Args:
        values: The curves, shape ``(n_curve, n_epoch)``, NaN where nothing was run.
        source: Which source each is of, shape ``(n_curve,)``, rising.
        config: Which configuration each is of, shape ``(n_curve,)``, rising for each source.
        n_source: How many sources there are.
    """

    values: Tensor
    source: Tensor
    config: Tensor
    n_source: int

    @classmethod
    def of(cls, grid: Tensor) -> CurveList:
        """Those of a grid ``(n_source, n_config, n_epoch)``."""
        source, config = torch.nonzero(torch.isfinite(grid).any(2), as_tuple=True)
        return cls(grid[source, config], source, config, n_source=grid.shape[0])

    def joined(self, values: Tensor, source: Tensor, config: Tensor) -> CurveList:
        """Return a list with more curves, those without a reading left out; arguments as the fields."""
        read = torch.isfinite(values).any(1)
        values, source, config = (
            torch.cat([mine, more[read]])
            for mine, more in ((self.values, values), (self.source, source), (self.config, config))
        )
        if not len(values):
            return self
        order = torch.argsort(source * (int(config.max()) + 1) + config)
        return replace(self, values=values[order], source=source[order], config=config[order])

    def only(self, which: Tensor) -> CurveList:
        """Return a list of some of the curves, given by truth values ``(n_curve,)``."""
        return replace(self, values=self.values[which], source=self.source[which], config=self.config[which])

    def __len__(self) -> int:
        """Number of curves."""
        return len(self.values)

    def check(self) -> None:
        """Refuse what cannot be learnt from.

        Raises:
            TableError: If a source has no reading at all, or a reading lies beyond 1e100.
        """
        empty = torch.bincount(self.source, minlength=self.n_source) == 0
        if bool(empty.any()):
            number = int(torch.nonzero(empty)[0])
            raise TableError(f"source {number} of the history has no reading at all; leave it out")
        largest = float(torch.nan_to_num(self.values).abs().max())
        if largest > _LARGEST:
            raise TableError(
                f"the history holds a value of {largest:.0e}, at most {_LARGEST:.0e} can be used; leave it out"
            )

    @cached_property
    def length(self) -> Tensor:
        """Number of readings of each curve, ``(n_curve,)``."""
        return torch.isfinite(self.values).sum(1)

    @cached_property
    def n_unlogged(self) -> int:
        """How many first epochs no source has logged of most of its curves."""
        begun = torch.isfinite(self.values).to(torch.uint8).argmax(1)
        return min(int(begun[which].median()) for which in self.by_source)

    @cached_property
    def by_source(self) -> tuple[Tensor, ...]:
        """Which curves are of each source."""
        everyone = torch.arange(len(self), device=self.source.device)
        return torch.split(everyone, torch.bincount(self.source, minlength=self.n_source).tolist())

    def on_grid(self, numbers: Tensor, n_config: int, *, nothing: float = 0.0) -> Tensor:
        """Spread a number for each curve, ``(n_curve, ...)``, over sources and the first configurations.

        Returns:
            Shape ``(n_source, n_config, ...)``, `nothing` where there is no curve.
        """
        out = numbers.new_full((self.n_source, n_config, *numbers.shape[1:]), nothing)
        inside = self.config < n_config
        out[self.source[inside], self.config[inside]] = numbers[inside]
        return out

    def poor_drawn_in(self, grid: Tensor) -> tuple[CurveList, Tensor]:
        """Draw in what lies far below the median reading of its source; see `outliers.draw_in_poor`.

        Args:
            grid: Curves ``(n_source, n_config, n_epoch)`` that are drawn in likewise.

        Returns:
            The list and the grid.
        """
        seen = [_some(self.values[which]) for which in self.by_source]
        median, high = (torch.stack([torch.quantile(some, share) for some in seen]) for share in (0.5, 0.95))
        ordered = [some.sort().values[None] for some in seen]
        median = torch.cat([sound_median(row, middle[None]) for row, middle in zip(ordered, median, strict=True)])
        spread, mine = high - median, self.source
        values = draw_in_poor(self.values, median=median[mine, None], spread=spread[mine, None])
        return replace(self, values=values), draw_in_poor(
            grid, median=median[:, None, None], spread=spread[:, None, None]
        )

    def standardized(self) -> tuple[CurveList, Tensor, Tensor]:
        """Return curves without far outliers, those of each source on a common scale.

        Returns:
            The curves, and what those of each source were shifted and divided by, ``(n_source,)`` each.
        """
        parts = [_standardize(self.values[which]) for which in self.by_source]
        values, shifts, scales = ([part[k] for part in parts] for k in range(3))
        return replace(self, values=torch.cat(values)), torch.stack(shifts), torch.stack(scales)


def _some(curves: Tensor) -> Tensor:
    """Readings of one source that tell quantiles."""
    seen = curves[torch.isfinite(curves)]
    return seen if seen.numel() <= _MANY else seen[:: seen.numel() // _MANY]


def _standardize(curves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Curves of one source, their shift and their scale."""
    seen, some = curves[torch.isfinite(curves)], _some(curves)
    low, high = torch.quantile(some, torch.tensor([0.05, 0.95], dtype=seen.dtype, device=seen.device))
    reach = _FENCE * (high - low)
    if float(reach) > 0:
        curves = limit(curves, low=low - reach, high=high + reach, unit=high - low)
        seen = curves[torch.isfinite(curves)]
    shift, scale = seen.mean(), seen.std(correction=0)
    scale = torch.maximum(scale, 1e-9 * shift.abs().clamp_min(1e-3))
    return (curves - shift) / scale, shift, scale
