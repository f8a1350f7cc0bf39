"""at2/surrogate/kronecker/surrogate.py: fitting, conditioning, and histories of all kinds."""

import pytest
import torch
from torch import Tensor

from at2.errors import ShapeError, TableError, UnknownNameError
from at2.surrogate import History, KroneckerGP, make_surrogate
from at2.surrogate.kernels import embed
from at2.surrogate.kronecker.exact import rotate_tasks
from at2.surrogate.kronecker.surrogate import Hyperparameters, fit_hyperparameters, log_posterior, standardize

S, N, T = 3, 8, 6


def make_history(*, n_source: int = S, seed: int = 0) -> History:
    """Curves that rise towards a level which depends on the configuration, a little on the task."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(N, 2, dtype=torch.float64, generator=generator)
    features[::3, 1] = torch.nan
    level = 1.0 - (features[:, 0] - 0.6).square()
    epochs = torch.arange(1, T + 1, dtype=torch.float64)
    noise = torch.randn(n_source, 2, N, T, dtype=torch.float64, generator=generator)
    curves = level[:, None] * (1.0 - 0.8 / epochs) - 3.0 + 0.01 * noise
    return History(curves, features)


def _all_finite(*tensors: Tensor) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def test_fitting_raises_the_posterior_and_repeats() -> None:
    history = make_history()
    z, _, _ = standardize(history.mean_over_seeds())
    points = embed(history.features)
    fitted = fit_hyperparameters(z, points).raw
    rotated = rotate_tasks(z)
    start = Hyperparameters.start(points.shape[1]).raw
    assert log_posterior(fitted, rotated, points) > log_posterior(start, rotated, points) + 10
    assert torch.equal(fitted, fit_hyperparameters(z, points).raw)


def test_gradient_of_the_log_posterior_is_true() -> None:
    history = make_history()
    z, _, _ = standardize(history.mean_over_seeds())
    points = embed(history.features)
    rotated = rotate_tasks(z)
    raw = Hyperparameters.start(points.shape[1]).raw.requires_grad_()
    (analytic,) = torch.autograd.grad(log_posterior(raw, rotated, points), raw)
    for i in range(raw.numel()):
        ahead, behind = raw.detach().clone(), raw.detach().clone()
        ahead[i] += 1e-5
        behind[i] -= 1e-5
        numeric = (log_posterior(ahead, rotated, points) - log_posterior(behind, rotated, points)) / 2e-5
        torch.testing.assert_close(analytic[i], numeric, rtol=1e-5, atol=1e-5)


def test_what_is_observed_is_believed_and_its_neighbours_follow() -> None:
    belief = KroneckerGP().fit(make_history())
    before = belief.predict()
    belief.observe(2, 3, -1.0)
    after = belief.predict()
    assert abs(after.mean[2, 3] + 1.0) < abs(before.mean[2, 3] + 1.0)
    assert after.std[2, 3] < before.std[2, 3]
    assert after.mean[2, 5] > before.mean[2, 5]
    assert belief.weights.tolist() == [1.0]


def test_a_target_like_the_sources_is_predicted_from_them_alone() -> None:
    target = make_history(n_source=1, seed=0).values[0, 0]
    belief = KroneckerGP().fit(make_history(seed=0))
    belief.observe(0, 0, float(target[0, 0]))
    belief.observe(1, T - 1, float(target[1, T - 1]))
    prediction = belief.predict()
    assert (prediction.mean - target).abs().mean() < 0.1
    assert ((prediction.mean - target).abs() < 4 * prediction.std).all()


def test_order_of_configurations_does_not_matter() -> None:
    history = make_history()
    order = torch.tensor([3, 1, 7, 0, 2, 6, 4, 5])
    plain = KroneckerGP().fit(history)
    mixed = KroneckerGP().fit(History(history.values[:, :, order], history.features[order]))
    torch.testing.assert_close(mixed.predict().mean, plain.predict().mean[order], rtol=0, atol=1e-3)


def test_configurations_without_curves_are_reached_by_projection() -> None:
    history = make_history()
    values = history.values.clone()
    values[:, :, 4] = torch.nan  # never run
    values[1, :, 6, 3:] = torch.nan  # broke off
    belief = KroneckerGP().fit(History(values, history.features))
    prediction = belief.predict()
    assert _all_finite(prediction.mean, prediction.std)
    relative = prediction.std / prediction.mean.abs()  # losses are modelled on the log scale
    assert relative[4].mean() > relative[5].mean()
    belief.observe(4, 0, -2.5)
    assert _all_finite(belief.predict().mean)


def test_one_seed_may_be_missing() -> None:
    history = make_history()
    values = history.values.clone()
    values[0, 1] = torch.nan
    assert _all_finite(KroneckerGP().fit(History(values, history.features)).predict().mean)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e6])
def test_without_sources_any_unit_will_do(unit: float) -> None:
    history = make_history(n_source=0)
    belief = KroneckerGP().fit(history)
    assert _all_finite(belief.predict().mean)
    for config, value in ((0, 3.0), (1, 5.0), (2, 4.0)):
        for epoch in range(3):
            belief.observe(config, epoch, unit * (value - 1.0 / (epoch + 1)))
    prediction = belief.predict()
    assert int(prediction.mean[:3, -1].argmax()) == 1
    assert 0.0 < float(prediction.std[1, 3]) < 3.0 * unit


@pytest.mark.parametrize("what", ["constant", "one task", "one epoch", "equal features", "equal curves", "huge"])
def test_odd_histories_give_finite_beliefs(what: str) -> None:
    history = make_history()
    values, features = history.values.clone(), history.features.clone()
    if what == "constant":
        values[0] = 0.3
    elif what == "one task":
        values = values[:1]
    elif what == "one epoch":
        values = values[..., :1]
    elif what == "equal features":
        features[:] = 0.5
    elif what == "equal curves":
        values[:] = values[:, :, :1]
    else:
        values[1, 0, 2, 2] = 1e30
    belief = KroneckerGP().fit(History(values, features))
    for config in range(3):
        belief.observe(config, 0, -2.7)
        belief.observe(config, 0, -2.7)
    prediction, worth = belief.predict(), belief.values()
    assert _all_finite(prediction.mean, prediction.std, worth.mean, worth.std)


def test_a_history_without_complete_curves_is_refused() -> None:
    history = make_history()
    values = history.values.clone()
    values[0, :, :, -1] = torch.nan
    with pytest.raises(TableError, match="0 of 8 configurations have a complete curve on every source"):
        KroneckerGP().fit(History(values, history.features))


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match="wanted values"):
        History(torch.zeros(2, 3, 4), torch.zeros(3, 1))
    with pytest.raises(ShapeError, match="values hold 3 configurations, features 2"):
        History(torch.zeros(2, 1, 3, 4), torch.zeros(2, 1))
    with pytest.raises(ShapeError, match="at least one configuration"):
        History(torch.zeros(2, 1, 0, 4), torch.zeros(0, 1))


def test_an_unknown_surrogate_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="no surrogate is named 'krige'; there are default"):
        make_surrogate("krige")
