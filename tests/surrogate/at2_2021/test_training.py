import pytest
import torch

from at2.surrogate.at2_2021.inputs import make_points
from at2.surrogate.at2_2021.model import CurveModel, PositiveEpoch, make_model
from at2.surrogate.at2_2021.surrogate import AutoTuning2021
from at2.surrogate.at2_2021.training import Trainer, rate_share
from tests.surrogate.at2_2021.conftest import make_curves, make_features


def make_trainer(settings: AutoTuning2021, *, seed: int = 0) -> Trainer:
    points, curves = make_points(make_features(), n_epoch=5), make_curves()
    x, y = (torch.cat(part) for part in zip(*(points.readings(curves[t], t) for t in range(2)), strict=True))
    inducing = x[torch.arange(settings.num_inducing_point)]
    return Trainer(make_model(points, curves, inducing, seed=seed), x, y, settings, seed=seed)


def test_the_rate_rises_from_zero_and_falls_to_zero():
    shares = [rate_share(epoch, n_epoch=500, n_warmup=5.0) for epoch in range(501)]
    assert shares[0] == 0.0
    assert shares[1] == 0.2
    assert shares[5] == 1.0
    assert shares[500] == 0.0
    assert shares[5:] == sorted(shares[5:], reverse=True)


def test_training_raises_the_bound(tiny):
    trainer = make_trainer(AutoTuning2021(num_inducing_point=12, batch_size=80, num_training_epoch=60))

    def loss() -> float:
        trainer.model.train()
        return -trainer._bound(trainer.model(trainer.x), trainer.y).item()

    before = loss()
    trainer.run(40)
    assert loss() < before - 0.1


def test_equal_seeds_give_equal_models_and_leave_the_global_generator_alone(tiny):
    state = torch.get_rng_state()
    one, other, third = (make_trainer(tiny, seed=seed) for seed in (1, 1, 2))
    for trainer in (one, other, third):
        trainer.run(2)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    assert not torch.equal(one.model.task_means, third.model.task_means)


def test_inducing_points_keep_positive_epochs_their_tasks_and_their_choices(tiny):
    trainer = make_trainer(tiny)
    before = trainer.model.variational_strategy.inducing_points.detach().clone()
    trainer.run(4)
    after = trainer.model.variational_strategy.inducing_points.detach()
    assert torch.equal(before[:, 2:4], after[:, 2:4])  # the choice and the task
    assert not torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, -1], after[:, -1])
    assert (after[:, -1] > 0).all()


def test_positive_epochs_go_there_and_back():
    points = torch.rand(6, 4, dtype=torch.float64) + 1e-3
    both = PositiveEpoch()
    torch.testing.assert_close(both(both.right_inverse(points)), points)


def test_all_parameters_are_trained_in_double_precision(tiny):
    trainer = make_trainer(tiny)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    assert {value.dtype for value in before.values()} == {torch.float64}
    trainer.run(3)
    still = [name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])]
    assert still == ["kernel.task.raw_u"]  # which counts where tasks were not observed on the same cells


def test_a_trained_model_predicts_with_what_it_has_learnt_last(tiny):
    """Pins that GPyTorch forgets its caches when a model leaves training."""
    trainer = make_trainer(tiny)
    trainer.run(3)
    twin = make_trainer(tiny, seed=5)
    twin.model.load_state_dict(trainer.model.state_dict())
    twin.model.eval()
    assert isinstance(twin.model, CurveModel)
    torch.testing.assert_close(trainer.model(trainer.x).mean, twin.model(trainer.x).mean)
    torch.testing.assert_close(trainer.model(trainer.x).variance, twin.model(trainer.x).variance)


def test_a_rate_too_high_is_named():
    trainer = make_trainer(AutoTuning2021(num_inducing_point=5, batch_size=80, lr=1e6, warmup_ratio=0.0))
    with pytest.raises((ArithmeticError, RuntimeError, ValueError)) as caught:
        trainer.run(30)
    assert "lower lr" in str(caught.value)
