"""at2/surrogate/transfer/fitted/together.py: covariances of some configurations are those of the matrix between all."""

from dataclasses import replace

import pytest
import torch

from at2.bench.speed.readings import peak_memory_mb
from at2.surrogate import History, WeightedSources
from at2.surrogate.kernels import ConfigKernel
from at2.surrogate.transfer.fitted.together import Together


@pytest.fixture
def together() -> Together:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    points[5] = points[2]  # alike, and two configurations all the same
    one = torch.ones((), dtype=torch.float64)
    kernels = ConfigKernel(0.3 * points[0], 0.1 * one, 0.5 * one, 0.2 * one), ConfigKernel(points[1], one, one, one)
    unsure = torch.rand(7, generator=generator, dtype=torch.float64)
    return replace(Together.plain(points, *kernels), unsure=unsure, size=points[:, 0])


def test_what_is_asked_for_is_part_of_the_matrix_between_all(together: Together) -> None:
    first, second = together.kernels
    whole = first.matrix(together.points) + second.matrix(together.points) + torch.diag(together.unsure)
    whole = whole * torch.outer(together.size, together.size)
    rows, columns = torch.tensor([5, 0, 5, 3]), torch.tensor([6, 5, 2, 0, 0])
    torch.testing.assert_close(together.between(rows, columns), whole[rows][:, columns])
    torch.testing.assert_close(together.with_all(rows), whole[rows])
    torch.testing.assert_close(together.variance(rows), whole.diagonal()[rows])
    assert float(torch.linalg.eigvalsh(whole).min()) > 0.0


def test_no_configuration_gives_no_covariance(together: Together) -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert together.between(none, torch.arange(3)).shape == (0, 3)


@pytest.mark.parametrize("n_source", [0, 2])
def test_tens_of_thousands_of_configurations_need_no_matrix_between_all(n_source: int) -> None:
    n_config, before = 30_000, peak_memory_mb()  # such a matrix takes 7,200 MB
    curves = torch.rand(n_source, 1, n_config, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features = torch.linspace(0, 1, n_config, dtype=torch.float64)[:, None]
    belief = WeightedSources().fit(History(curves, features))
    for config, epoch in ((7, 0), (n_config - 1, 0), (7, 1)):
        belief.observe(config, epoch, 0.9)
    rows = torch.tensor([7, 8, 20_000])
    outlook = belief.outlook(rows, rows[1:], torch.tensor([0, 1]))
    assert bool(outlook.mean.isfinite().all() and outlook.slope.isfinite().all())
    assert peak_memory_mb() < before + 1500.0
