"""at2/surrogate/kronecker/grid_prior.py: every structured answer is an entry of the dense covariance."""

import pytest
import torch

from at2.errors import ShapeError
from at2.surrogate import GridPrior
from tests.surrogate.dense import random_psd

N, T = 4, 5


@pytest.fixture
def prior() -> GridPrior:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    plain = GridPrior(draw(N, T), draw(N, 3), draw(T, 2), draw(3, 2).square(), draw(0, N, T), 0.1)
    return plain.with_features(draw(2, N, T), random_psd(2, generator))


def test_row_variance_and_column_are_those_of_the_dense_covariance(prior: GridPrior) -> None:
    dense = prior.dense().reshape(N, T, N, T)
    torch.testing.assert_close(prior.row(2, 3), dense[2, 3])
    torch.testing.assert_close(prior.variance().reshape(-1), prior.dense().diagonal())
    rows = torch.tensor([2, 0, 1])
    configs, columns = torch.tensor([0, 3, 3]), torch.tensor([4, 0, 2])
    torch.testing.assert_close(
        prior.column_covariance(rows, 1, configs, columns), dense[:, 1][rows][:, configs, columns]
    )


def test_features_add_the_covariance_of_their_weights() -> None:
    generator = torch.Generator().manual_seed(2)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    empty = GridPrior(
        torch.zeros(N, T, dtype=torch.float64), zero.expand(N, 1), zero.expand(T, 1), zero, torch.zeros(0, N, T), 0.1
    )
    features = torch.randn(3, N, T, dtype=torch.float64, generator=generator)
    weights = random_psd(3, generator)
    flat = features.reshape(3, -1)
    torch.testing.assert_close(empty.with_features(features, weights).dense(), flat.T @ weights @ flat)


def test_select_reorders_configurations(prior: GridPrior) -> None:
    rows = torch.tensor([3, 1])
    dense = prior.dense().reshape(N, T, N, T)
    torch.testing.assert_close(prior.select(rows).dense().reshape(2, T, 2, T), dense[rows][:, :, rows])
    torch.testing.assert_close(prior.select(rows).mean, prior.mean[rows])


def test_shapes_that_do_not_fit_are_refused(prior: GridPrior) -> None:
    with pytest.raises(ShapeError, match="factors have ranks"):
        GridPrior(prior.mean, prior.config_factor, prior.epoch_factor, prior.spectrum.T, prior.features, 0.1)
    with pytest.raises(ShapeError, match="factors span"):
        GridPrior(prior.mean.T, prior.config_factor, prior.epoch_factor, prior.spectrum, prior.features, 0.1)
