import pytest
import torch

from at2.surrogate.at2_2021.inputs import make_points, one_hot_groups
from tests.surrogate.at2_2021.conftest import N_CONFIG, make_features

NAN = float("nan")


def test_inactive_numbers_are_zero_and_choices_are_counted():
    points = make_points(make_features(), n_epoch=5)
    assert points.n_choices == (2,)
    assert points.n_numeric == 2
    assert points.values[0].tolist() == [0.0, 0.0, 0.0]
    torch.testing.assert_close(points.values[-1], torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))


def test_rows_end_with_the_task_and_the_share_of_a_full_curve():
    rows = make_points(make_features(), n_epoch=5).rows(torch.tensor([0, 7]), torch.tensor([0, 4]), task=2)
    assert rows.shape == (2, 5)
    assert rows[:, -2].tolist() == [2.0, 2.0]
    assert rows[:, -1].tolist() == [0.2, 1.0]


def test_readings_leave_out_what_is_missing():
    curves = torch.rand(N_CONFIG, 5, dtype=torch.float64)
    curves[3, 2:] = NAN
    x, y = make_points(make_features(), n_epoch=5).readings(curves, task=0)
    assert x.shape[0] == y.numel() == N_CONFIG * 5 - 3
    assert torch.isfinite(y).all()


@pytest.mark.parametrize(
    ("features", "groups"),
    [
        ([[0.2, 0.4], [0.3, 0.1]], []),
        ([[1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 1.0]], [[0, 1], [2, 3, 4]]),
        ([[0.5, 1.0, 0.0], [0.2, NAN, NAN], [0.1, 0.0, 1.0]], [[1, 2]]),
        ([[NAN, NAN], [NAN, NAN]], []),
        ([[1.0, 1.0], [0.0, 0.0]], []),
        ([[0.0], [1.0]], []),
    ],
)
def test_finds_columns_that_are_one_choice(features, groups):
    found = one_hot_groups(torch.tensor(features, dtype=torch.float64))
    assert [list(group) for group in found] == groups


def test_a_choice_that_may_be_inactive_has_one_more_number():
    features = torch.tensor([[1.0, 0.0], [NAN, NAN], [0.0, 1.0]], dtype=torch.float64)
    points = make_points(features, n_epoch=1)
    assert points.n_choices == (3,)
    assert points.values[:, 0].tolist() == [0.0, 2.0, 1.0]
