"""What a surrogate is fitted to: the curves of the source tasks and the encoded configurations, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.errors import ShapeError


@dataclass(frozen=True)
class History:
    """Curves of the source tasks over one list of configurations.

    Args:
        values: Metric of each source task, larger is better, in the user's units, shape
            ``(n_source, n_seed, n_config, n_epoch)``; NaN where nothing was run. ``n_source`` may be 0.
        features: Encoded configurations, shape ``(n_config, n_column)``, in [0, 1]; NaN where a column is inactive.
        elsewhere: Curves of the same sources on configurations that a belief need not cover: they are learnt from, but
            have no rows in it. None where there are none.

    Raises:
        ShapeError: If the shapes do not fit, or there is no configuration or no epoch.

    Example:
        >>> import torch
        >>> history = History(torch.zeros(2, 1, 3, 5, dtype=torch.float64), torch.zeros(3, 4, dtype=torch.float64))
        >>> history.n_source, history.n_config, history.n_epoch
        (2, 3, 5)
    """

    values: Tensor
    features: Tensor
    elsewhere: History | None = None

    def __post_init__(self) -> None:
        """Check the shapes once, so that nobody below has to."""
        if self.values.ndim != 4 or self.features.ndim != 2:
            raise ShapeError(
                "wanted values (n_source, n_seed, n_config, n_epoch) and features (n_config, n_column); "
                f"got {tuple(self.values.shape)} and {tuple(self.features.shape)}"
            )
        if self.values.shape[2] != self.features.shape[0]:
            raise ShapeError(
                f"values hold {self.values.shape[2]} configurations, features {self.features.shape[0]}; "
                "give one row of features for every configuration"
            )
        if self.n_config == 0 or self.n_epoch == 0:
            raise ShapeError("a history needs at least one configuration and one epoch")
        if self.elsewhere is not None and (
            self.elsewhere.values.shape[:2] != self.values.shape[:2]
            or self.elsewhere.n_epoch != self.n_epoch
            or self.elsewhere.features.shape[1] != self.features.shape[1]
        ):
            raise ShapeError(
                f"curves elsewhere have shapes {tuple(self.elsewhere.values.shape)} and "
                f"{tuple(self.elsewhere.features.shape)}; sources, seeds, epochs and columns must be those of "
                f"{tuple(self.values.shape)} and {tuple(self.features.shape)}"
            )

    @property
    def n_source(self) -> int:
        """Number of source tasks, 0 for a start without any history."""
        return self.values.shape[0]

    @property
    def n_config(self) -> int:
        """Number of configurations, with and without curves."""
        return self.values.shape[2]

    @property
    def n_epoch(self) -> int:
        """Longest curve, in completed epochs."""
        return self.values.shape[3]

    @property
    def is_complete(self) -> bool:
        """Whether every source has a full curve, in some seed, of every configuration."""
        return bool(torch.isfinite(self.mean_over_seeds()).all())

    def readings(self) -> list[Tensor]:
        """Return every reading of each source, on the grid and elsewhere, in no particular order."""
        parts = [self.values] if self.elsewhere is None else [self.values, self.elsewhere.values]
        flat = torch.cat([part.flatten(1) for part in parts], 1)
        return [source[torch.isfinite(source)] for source in flat]

    def mean_over_seeds(self) -> Tensor:
        """Return the mean curve of every source over its seeds, ``(n_source, n_config, n_epoch)``, NaN if none ran."""
        return torch.nanmean(self.values, dim=1)
