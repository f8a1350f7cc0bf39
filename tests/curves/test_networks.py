import numpy as np
import pytest
import torch

from at2.curves import make_predictor
from at2.curves.networks.training import Plan, train_network
from at2.errors import FitError, PredictorError, ShapeError
from tests.curves.conftest import make_curves


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("cnn", {"body.0.weight": (64, 4, 2), "head.weight": (1, 64 * 8)}),
        ("cnn-tuned", {"body.0.weight": (40, 4, 2), "body.4.weight": (38, 40, 2), "head.weight": (1, 38 * 8)}),
        ("lstm", {"body.weight_ih_l0": (400, 4), "head.weight": (1, 100)}),
        ("lstm-tuned", {"body.weight_ih_l0": (376, 4), "head.weight": (1, 94)}),
        ("cnn-lstm", {"convolution.weight": (16, 1, 2), "body.weight_ih_l0": (512, 1), "head.weight": (1, 128)}),
    ],
)
def test_the_networks_have_the_published_sizes(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    network = make_predictor(name).build(3, 1, 10)
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert {key: found[key] for key in shapes} == shapes
    assert network(torch.zeros(2, 3), torch.zeros(2, 10, 1)).shape == (2,)


@pytest.mark.parametrize("name", ["cnn", "lstm", "cnn-lstm"])
@pytest.mark.parametrize("scaling", ["none", "min-max", "standard", "log"])
def test_training_learns_something(name: str, scaling: str) -> None:
    curves = make_curves(60, 8)
    predictor = make_predictor(name, prefix=4, scaling=scaling, n_epoch=25, learning_rate=1e-2, batch_size=30).fit(
        curves
    )
    assert predictor.score(curves.configs, curves.curves[:, :4], curves.curves[:, -1]) > 0.3


def test_scales_come_from_the_training_part_alone() -> None:
    curves = make_curves(30, 8)
    predictor = make_predictor("lstm", prefix=4, scaling="min-max", n_epoch=1).fit(curves.take(np.arange(20)))
    (model,) = predictor._models.values()
    used = curves.curves[:20][:, [0, 1, 2, 3, 7]]
    assert model.scaling.shift == used.min()
    assert model.scaling.unit == pytest.approx(np.ptp(used))


def test_weights_depend_on_the_seed_alone_and_the_global_one_is_left() -> None:
    curves = make_curves(20, 8)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = make_predictor("cnn", prefix=4, n_epoch=2).fit(curves).predict(curves.configs, curves.curves[:, :4]).mean
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    second = make_predictor("cnn", prefix=4, n_epoch=2).fit(curves).predict(curves.configs, curves.curves[:, :4]).mean
    assert np.array_equal(first, second)


def test_too_short_a_prefix_for_a_convolution_is_refused() -> None:
    with pytest.raises(ShapeError, match="'cnn' needs prefixes of at least 3 epochs, 2 given"):
        make_predictor("cnn", prefix=2, n_epoch=1).fit(make_curves(10, 8))


def test_unknown_options_are_refused() -> None:
    curves = make_curves(10, 8)
    with pytest.raises(PredictorError, match="no optimizer 'lion'"):
        make_predictor("cnn", prefix=4, optimizer="lion").fit(curves)
    with pytest.raises(PredictorError, match="no scaling 'cubic'"):
        make_predictor("cnn", prefix=4, scaling="cubic").fit(curves)
    with pytest.raises(PredictorError, match="must be positive"):
        make_predictor("cnn", prefix=4, n_epoch=0).fit(curves)


def test_a_training_that_leaves_the_finite_numbers_says_so() -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.weight * inputs[:, 0] * float("inf")

    with pytest.raises(FitError, match="lower learning_rate"):
        train_network(Broken(), (torch.ones(8, 1),), torch.zeros(8), Plan(n_epoch=2))
