import pytest
import torch

from at2.errors import TableError
from at2.surrogate import History, RunCurves, make_surrogate
from at2.surrogate.at2_2021 import AutoTuning2021
from at2.surrogate.at2_2021.belief import UnitRange
from at2.surrogate.warp import unwarp_moments
from tests.surrogate.at2_2021.conftest import N_CONFIG, N_EPOCH, make_curves, make_features


def test_the_name_gives_the_published_settings():
    settings = make_surrogate("at2-2021")
    assert settings == AutoTuning2021(
        num_inducing_point=1000,
        batch_size=1000,
        num_training_epoch=200,
        lr=0.02,
        momentum=0.8,
        warmup_ratio=0.01,
        beta=0.25,
        num_tuning_budget=100,
        num_tuning_epoch=3,
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_inducing_point": 0}, "num_inducing_point must be a whole number from 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number from 1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"warmup_ratio": -0.1}, "warmup_ratio"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"beta": -1.0}, "beta must not be negative"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        AutoTuning2021(**wrong)


def test_beliefs_have_the_shapes_and_follow_the_seed(history, tiny):
    one, other = tiny.fit(history, seed=3), tiny.fit(history, seed=3)
    for belief in (one, other):
        belief.observe(2, 0, 0.4)
    prediction, values = one.predict(), one.values()
    assert prediction.mean.shape == prediction.std.shape == (N_CONFIG, N_EPOCH)
    assert values.mean.shape == (N_CONFIG,)
    assert prediction.mean.dtype == torch.float64
    assert torch.equal(prediction.mean, other.predict().mean)
    assert (prediction.std > one.curves().std).all()
    assert torch.equal(values.mean, prediction.mean.amax(1))
    assert torch.equal(one.predict(torch.tensor([1, 4])).mean, prediction.mean[[1, 4]])


def test_a_long_training_learns_the_sources_and_follows_the_target(history):
    settings = AutoTuning2021(
        num_inducing_point=30, batch_size=60, num_training_epoch=150, num_tuning_epoch=30, lr=0.05
    )
    belief = settings.fit(history)
    before = belief.predict().mean[0, 4]
    share = belief._trainer.model.kernel.task.share
    assert share[3, :3].tolist() == [0.0] * 3
    for epoch in range(4):
        belief.observe(0, epoch, 0.9)
    assert share[3, 0] == 4 / (N_CONFIG * N_EPOCH)
    assert belief.predict().mean[0, 4] > before + 0.03
    assert belief.log_evidence != 0.0


def test_the_best_by_some_cells_is_what_is_predicted_of_them(history, tiny):
    belief = tiny.fit(history)
    cells = torch.tensor([1, 0]), torch.tensor([0, 1])
    best, every = unwarp_moments(belief.warp, *belief.best_by(*cells)), belief.predict()
    torch.testing.assert_close(best.mean, every.mean[cells])
    torch.testing.assert_close(best.std, every.std[cells])


def test_a_fork_goes_its_own_way(history, tiny):
    belief = tiny.fit(history)
    before = belief.predict().mean.clone()
    twin = belief.fork()
    twin.observe(1, 0, 0.9)
    assert torch.equal(belief.predict().mean, before)
    belief.observe(1, 0, 0.9)
    assert torch.equal(belief.predict().mean, twin.predict().mean)


def test_work_still_out_moves_no_mean_and_takes_away_doubt(history, tiny):
    belief = tiny.fit(history)
    twin = belief.fork()
    twin.fantasize(2, 1)
    twin.fantasize(2, 2)
    assert torch.equal(twin.predict().mean, belief.predict().mean)
    assert (twin.curves().std[2] < belief.curves().std[2]).all()
    cells = torch.tensor([2 * N_EPOCH + 1, 2 * N_EPOCH + 2])
    joint = torch.stack([belief.covariance_row(int(c) // N_EPOCH, int(c) % N_EPOCH).flatten() for c in cells])
    noisy = joint[:, cells] + belief._trainer.noise * torch.eye(2, dtype=torch.float64)
    exact = belief.variance().flatten() - (joint * torch.linalg.solve(noisy, joint)).sum(0)
    torch.testing.assert_close(twin.variance().flatten(), exact, rtol=1e-6, atol=1e-6)


def test_covariances_agree_with_variances(history, tiny):
    belief = tiny.fit(history)
    row = belief.covariance_row(3, 2)
    assert row[3, 2].item() == pytest.approx(belief.variance()[3, 2].item(), rel=1e-3)
    rows, configs, epochs = torch.tensor([0, 3]), torch.tensor([3, 5]), torch.tensor([2, 1])
    best = belief.mean().argmax(1)
    cross = belief.value_covariance(rows, configs, epochs)
    assert cross[0, 0].item() == pytest.approx(row[0, best[0]].item(), rel=1e-6)
    outlook = belief.outlook(rows, configs, epochs)
    assert outlook.mean.shape == outlook.variance.shape == outlook.least.shape == (2,)
    assert outlook.slope[0, 0].item() == pytest.approx(
        cross[0, 0].item() / belief.reading_variance()[3, 2].item() ** 0.5
    )


def test_missing_readings_take_no_part(tiny):
    curves = make_curves()[:, None]
    curves[0, 0, 3, 1:] = torch.nan
    curves[1] = torch.nan
    belief = tiny.fit(History(curves, make_features()))
    assert belief._trainer.y.numel() == 2 * N_CONFIG * N_EPOCH - 4
    assert torch.isfinite(belief.predict().mean).all()


def test_curves_elsewhere_are_learnt_from_but_not_believed_about(tiny):
    curves, features = make_curves()[:, None], make_features()
    history = History(curves[:, :, :5], features[:5], elsewhere=RunCurves.of(History(curves[:, :, 5:], features[5:])))
    belief = tiny.fit(history)
    assert belief._trainer.y.numel() == 3 * N_CONFIG * N_EPOCH
    assert belief.predict().mean.shape == (5, N_EPOCH)
    belief.observe(4, 0, 0.3)
    assert belief.values().mean.shape == (5,)


def test_a_metric_in_other_units_is_believed_in_those_units(tiny):
    losses = -100.0 * make_curves()[:, None]
    mean = tiny.fit(History(losses, make_features())).predict().mean
    shares = UnitRange.of(losses)
    same = tiny.fit(History(shares.forward(losses), make_features())).predict().mean
    torch.testing.assert_close(mean, shares.inverse(same))


@pytest.mark.parametrize("settings", [AutoTuning2021(), AutoTuning2021(profile_id=1)])
def test_a_history_it_cannot_learn_from_is_named(settings):
    curves = make_curves()[:, None]
    history = History(curves[:0] if settings.profile_id == 0 else curves, make_features())
    with pytest.raises(TableError, match="add sources, lower profile_id, or take surrogate='default'"):
        settings.fit(history)


def test_sources_without_any_reading_are_named(tiny):
    with pytest.raises(TableError, match="the sources hold no reading"):
        tiny.fit(History(torch.full((1, 1, 2, 3), torch.nan, dtype=torch.float64), torch.rand(2, 2)))
