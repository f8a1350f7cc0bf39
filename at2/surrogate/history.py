"""What a surrogate is fitted to: the curves of the source tasks and the encoded configurations, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.errors import ShapeError

_LEAST_COMPARED = 5  # configurations with another one on the same source, where there are more of them


@dataclass(frozen=True)
class RunCurves:
    """Curves of single configurations on single sources: what a history holds beside its grid.

    Args:
        values: Metric, larger is better, in the user's units, shape ``(n_run, n_seed, n_epoch)``; NaN where nothing was
            run.
        source: Which source each one is of, whole numbers, shape ``(n_run,)``.
        config: Which configuration it is of, a row of the features, shape ``(n_run,)``. No source has one twice.
        features: Encoded configurations, shape ``(n_config, n_column)``, in [0, 1]; NaN where a column is inactive.

    Raises:
        ShapeError: If the shapes do not fit, or a configuration has no row.

    Example:
        >>> import torch
        >>> curves = torch.tensor([[[0.1, 0.2]], [[0.3, torch.nan]]]).double()
        >>> runs = RunCurves(curves, torch.tensor([4, 0]), torch.tensor([0, 0]), torch.zeros(1, 3).double())
        >>> runs.n_run, runs.mean_over_seeds().shape
        (2, torch.Size([2, 2]))
    """

    values: Tensor
    source: Tensor
    config: Tensor
    features: Tensor

    def __post_init__(self) -> None:
        """Check the shapes once, so that nobody below has to."""
        if self.values.ndim != 3 or self.features.ndim != 2:
            raise ShapeError(
                "wanted values (n_run, n_seed, n_epoch) and features (n_config, n_column); "
                f"got {tuple(self.values.shape)} and {tuple(self.features.shape)}"
            )
        if not self.source.shape == self.config.shape == self.values.shape[:1]:
            raise ShapeError(
                f"{self.n_run} curves come with sources {tuple(self.source.shape)} and configurations "
                f"{tuple(self.config.shape)} (shapes); give one of each for every curve"
            )
        if self.n_run and not 0 <= int(self.config.min()) <= int(self.config.max()) < self.features.shape[0]:
            raise ShapeError(f"configurations are rows 0 to {self.features.shape[0] - 1} of the features")

    @property
    def n_run(self) -> int:
        """Number of curves."""
        return self.values.shape[0]

    @property
    def n_config(self) -> int:
        """Number of configurations."""
        return self.features.shape[0]

    @classmethod
    def of(cls, history: History) -> RunCurves:
        """Those of a history's grid that have a reading."""
        source, config = torch.nonzero(history.was_run(), as_tuple=True)
        return cls(history.values[source, :, config], source, config, history.features)

    def mean_over_seeds(self) -> Tensor:
        """Return the mean of every curve over its seeds, ``(n_run, n_epoch)``, NaN if none ran."""
        return torch.nanmean(self.values, dim=1)

    def on_grid(self, n_source: int) -> Tensor:
        """Return the curves as a history's values, ``(n_source, n_seed, n_config, n_epoch)``, NaN where none ran."""
        _, n_seed, n_epoch = self.values.shape
        grid = self.values.new_full((n_source, n_seed, self.n_config, n_epoch), torch.nan)
        grid[self.source, :, self.config] = self.values
        return grid


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
    elsewhere: RunCurves | None = None

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
        if self.elsewhere is not None:
            self._check_elsewhere(self.elsewhere)

    def _check_elsewhere(self, runs: RunCurves) -> None:
        n_source, n_seed, _, n_epoch = self.values.shape
        if (runs.values.shape[1:], runs.features.shape[1]) != ((n_seed, n_epoch), self.features.shape[1]):
            raise ShapeError(
                f"curves elsewhere have shapes {tuple(runs.values.shape)} and {tuple(runs.features.shape)}; seeds, "
                f"epochs and columns must be those of {tuple(self.values.shape)} and {tuple(self.features.shape)}"
            )
        if runs.n_run and not 0 <= int(runs.source.min()) <= int(runs.source.max()) < n_source:
            raise ShapeError(f"curves elsewhere are of sources 0 to {n_source - 1}; one of another source came")

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

    def was_run(self) -> Tensor:
        """Return which configurations each source has a reading of, ``(n_source, n_config)``."""
        return torch.isfinite(self.values).any(3).any(1)

    @property
    def compares(self) -> bool:
        """Whether sources say anything of how configurations differ.

        A source that has run a single one does not: nobody knows what others would have reached there. It takes five
        that were run beside another one, or as many as there are.
        """
        n_run = self._n_run()
        n_compared = int((n_run - 1).clamp_min(0).sum())
        return self.n_source > 0 and n_compared >= min(_LEAST_COMPARED, self.n_config - 1)

    def run_alone(self) -> Tensor:
        """Return which configurations are the only one that some source has run, ``(n_config,)``."""
        return (self.was_run() & (self._n_run() == 1)[:, None]).any(0)

    def _n_run(self) -> Tensor:
        """How many configurations each source has run, on the grid and elsewhere, ``(n_source,)``."""
        n_run = self.was_run().sum(1)
        if self.elsewhere is not None:
            read = torch.isfinite(self.elsewhere.values).any(2).any(1)
            n_run = n_run + torch.bincount(self.elsewhere.source[read], minlength=self.n_source)
        return n_run

    def readings(self) -> list[Tensor]:
        """Return every reading of each source, on the grid and elsewhere, in no particular order."""
        return [
            torch.cat([part[torch.isfinite(part)] for part in (grid, self._elsewhere_of(source))])
            for source, grid in enumerate(self.values)
        ]

    def _elsewhere_of(self, source: int) -> Tensor:
        if self.elsewhere is None:
            return self.values.new_zeros(0)
        return self.elsewhere.values[self.elsewhere.source == source]

    def mean_over_seeds(self) -> Tensor:
        """Return the mean curve of every source over its seeds, ``(n_source, n_config, n_epoch)``, NaN if none ran."""
        return torch.nanmean(self.values, dim=1)
