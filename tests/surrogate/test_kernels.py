"""at2/surrogate/kernels: each keeps the contract, and does what it says."""

import pytest
import torch
from torch import Tensor

from at2.surrogate.kernels import (
    ConfigKernel,
    EpochKernel,
    embed,
    exchangeable,
    exchangeable_values,
    exchangeable_vectors,
    exponential,
    matern52,
)
from tests.contract.kernels import KernelContract

NAN = float("nan")


def _nested(size: int) -> Tensor:
    """Configurations with inactive columns, each repeated once, so that distances of zero occur."""
    rows = [[0.1, 0.7, NAN], [0.1, 0.7, NAN], [0.9, NAN, 0.3], [0.5, NAN, 0.3], [0.2, 0.0, NAN]]
    return torch.tensor((rows * 2)[:size], dtype=torch.float64)


class TestTaskKernel(KernelContract):
    def parameters(self) -> Tensor:
        return torch.tensor([0.4], dtype=torch.float64)

    def matrix(self, raw: Tensor, size: int) -> Tensor:
        return exchangeable(size, torch.sigmoid(raw[0]))

    def diagonal(self, raw: Tensor, size: int) -> Tensor:
        return torch.ones(size, dtype=torch.float64)

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_known_eigenvectors_rebuild_it(self, size: int) -> None:
        rho = torch.tensor(0.3, dtype=torch.float64)
        vectors, values = exchangeable_vectors(size), exchangeable_values(size, rho)
        torch.testing.assert_close(vectors @ torch.diag(values) @ vectors.T, exchangeable(size, rho))
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(size, dtype=torch.float64))


class TestConfigKernel(KernelContract):
    def parameters(self) -> Tensor:
        return torch.tensor([0.1, -0.5, 0.3, 0.0, 0.2, -1.0, 0.4, -0.7], dtype=torch.float64)

    def kernel(self, raw: Tensor) -> ConfigKernel:
        positive = raw.exp()
        return ConfigKernel(positive[:5], positive[5], positive[6], positive[7])

    def matrix(self, raw: Tensor, size: int) -> Tensor:
        return self.kernel(raw).matrix(embed(_nested(9))[:size])

    def diagonal(self, raw: Tensor, size: int) -> Tensor:
        return raw[5:].exp().sum().expand(size)

    def test_identity_is_not_shared_by_equal_configurations(self) -> None:
        raw = self.parameters()
        kernel = self.kernel(raw)
        points = embed(_nested(2))
        equal = ConfigKernel(kernel.length_scales[: points.shape[1]], kernel.constant, kernel.smooth, kernel.own)
        matrix = equal.matrix(points)
        torch.testing.assert_close(matrix[0, 0] - matrix[0, 1], kernel.own)

    def test_inactive_is_not_any_value(self) -> None:
        features = torch.tensor([[NAN], [0.5], [0.5]], dtype=torch.float64)
        points = embed(features)
        assert not torch.equal(points[0], points[1])
        assert torch.equal(points[1], points[2])

    def test_embedding_of_fully_active_features_adds_nothing(self) -> None:
        features = torch.rand(4, 3, dtype=torch.float64)
        assert torch.equal(embed(features), features)


class TestEpochKernel(KernelContract):
    def parameters(self) -> Tensor:
        return torch.tensor([0.1, -0.5, 0.3, 0.2, 1.0], dtype=torch.float64)

    def matrix(self, raw: Tensor, size: int) -> Tensor:
        return EpochKernel(torch.softmax(raw[:3], 0), raw[3].exp(), raw[4].exp()).matrix(size)

    def diagonal(self, raw: Tensor, size: int) -> Tensor:
        return torch.ones(size, dtype=torch.float64)


@pytest.mark.parametrize("kernel", [matern52, exponential])
def test_kernels_fall_with_distance(kernel) -> None:
    row = kernel(torch.zeros(1, 1, dtype=torch.float64), torch.linspace(0, 3, 7, dtype=torch.float64)[:, None])[0]
    assert (row.diff() < 0).all()
    assert row[0] == pytest.approx(1.0, abs=1e-12)
