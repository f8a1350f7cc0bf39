import math
import pickle

import pytest
import torch

from at2.errors import SpaceError
from at2.space import HyperRecConfig, build_optimizer, build_scheduler, hyperrec_space, lcbench_space

ADAM = {"optimizer": "adam", "beta_0": 0.9, "beta_1": 0.99}
MOMENTUM = {"optimizer": "momentum", "momentum": 0.5}
STEP = {"scheduler": "StepLR", "step_size": 2, "gamma": 0.1}
EXPONENTIAL = {"scheduler": "ExponentialLR", "gamma": 0.9}
CYCLIC = {"scheduler": "CyclicLR", "max_lr": 0.012, "step_size_up": 2, "gamma": 0.5}
COSINE = {"scheduler": "CosineAnnealingWarmRestarts", "t_0": 2, "t_mult": 2, "eta_min": 0.006}


def make(*parts):
    config = {"batch_size": 64, "model": "resnet34", "lr": 0.01, "weight_decay": 1e-4}
    for part in parts:
        config |= part
    return config


def run(config, n_epoch):
    """Step the real thing; return the optimizer and the learning rate that each epoch had."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    named = HyperRecConfig(config)
    optimizer = named.build_optimizer(model.parameters())
    scheduler = named.build_scheduler(optimizer)
    before, rates = [p.detach().clone() for p in model.parameters()], []
    for _ in range(n_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    return optimizer, scheduler, rates


@pytest.mark.parametrize("optimizer", [ADAM, MOMENTUM], ids=["adam", "momentum"])
@pytest.mark.parametrize(
    ("scheduler", "rates"),
    [
        (STEP, [0.01, 0.01, 0.001, 0.001, 1e-4, 1e-4]),
        (EXPONENTIAL, [0.01 * 0.9**epoch for epoch in range(6)]),
        # up from lr to max_lr in 2 epochs and down again, the swing halved at every epoch
        (CYCLIC, [0.01, 0.01 + 0.001 / 2, 0.01 + 0.002 / 4, 0.01 + 0.001 / 8, 0.01, 0.01 + 0.001 / 32]),
        # down to eta_min in 2 epochs, restart, then in 4
        (COSINE, [0.006 + 0.002 * (1 + math.cos(math.pi * at)) for at in (0, 0.5, 0, 0.25, 0.5, 0.75)]),
    ],
    ids=["StepLR", "ExponentialLR", "CyclicLR", "CosineAnnealingWarmRestarts"],
)
def test_learning_rates(optimizer, scheduler, rates):
    _, built, found = run(make(optimizer, scheduler), 6)
    assert type(built).__name__ == scheduler["scheduler"]
    assert found == pytest.approx(rates)


def test_adam():
    optimizer, _, _ = run(make(ADAM, STEP), 1)
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["betas"] == (0.9, 0.99)
    assert optimizer.defaults["weight_decay"] == 1e-4


def test_momentum():
    optimizer, _, _ = run(make(MOMENTUM, STEP), 1)
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.defaults["momentum"] == 0.5
    assert optimizer.defaults["weight_decay"] == 1e-4


def test_cyclic_leaves_the_betas_of_adam_alone():
    optimizer, scheduler, _ = run(make(ADAM, CYCLIC), 3)
    assert scheduler.mode == "exp_range"
    assert not scheduler.cycle_momentum
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.99)


def test_cyclic_swings_the_momentum_of_sgd_as_published():
    optimizer, scheduler, _ = run(make(MOMENTUM, CYCLIC), 1)
    assert scheduler.cycle_momentum
    assert 0.8 <= optimizer.param_groups[0]["momentum"] < 0.9


def test_functions_take_a_plain_config_and_parameter_groups():
    config = make(ADAM, EXPONENTIAL)
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = build_optimizer(config, [{"params": [weight], "weight_decay": 0.0}])
    assert optimizer.param_groups[0]["weight_decay"] == 0.0
    assert isinstance(build_scheduler(config, optimizer), torch.optim.lr_scheduler.ExponentialLR)


def test_the_optimizer_of_another_configuration():
    optimizer = build_optimizer(make(ADAM, STEP), [torch.nn.Parameter(torch.zeros(2))])
    with pytest.raises(SpaceError, match="the configuration names SGD, got Adam") as caught:
        build_scheduler(make(MOMENTUM, STEP), optimizer)
    assert caught.value.parameter == "optimizer"


def test_every_sample_builds():
    for config in hyperrec_space().sample(60, seed=0):
        run(config, 3)


def test_config_is_checked_and_read_only():
    with pytest.raises(SpaceError, match="'beta_0' is inactive"):
        HyperRecConfig(make(MOMENTUM, STEP) | {"beta_0": 0.9})
    given = make(MOMENTUM, STEP)
    config = HyperRecConfig(given)
    given["lr"] = 0.1
    assert config.config["lr"] == 0.01
    with pytest.raises(TypeError):
        config.config["lr"] = 0.1
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"batch_size": 31}, "batch_size"),
        ({"batch_size": 129}, "batch_size"),
        ({"model": "resnet18"}, "model"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"lr": 9e-5}, "lr"),
        ({"weight_decay": 1.1e-3}, "weight_decay"),
        ({"step_size": 1}, "step_size"),
        ({"gamma": 0.85}, "gamma"),
        (EXPONENTIAL | {"gamma": 0.5, "step_size": None}, "gamma"),
        (CYCLIC | {"step_size": None, "gamma": 0.6}, "gamma"),
        (CYCLIC | {"step_size": None, "max_lr": 0.0109}, "max_lr"),
        (CYCLIC | {"step_size": None, "max_lr": 0.0151}, "max_lr"),
        (CYCLIC | {"step_size": None, "step_size_up": 11}, "step_size_up"),
        (COSINE | {"step_size": None}, "gamma"),
        (COSINE | {"step_size": None, "gamma": None, "eta_min": 0.0091}, "eta_min"),
        (COSINE | {"step_size": None, "gamma": None, "t_mult": 5}, "t_mult"),
        (ADAM | {"momentum": None, "beta_1": 0.79}, "beta_1"),
        ({"momentum": 1.01}, "momentum"),
    ],
)
def test_outside_the_ranges(change, parameter):
    with pytest.raises(SpaceError) as caught:
        hyperrec_space().validate(make(MOMENTUM, STEP) | change)
    assert caught.value.parameter == parameter


def test_ranges_and_conditions():
    table = [tuple(row) for row in hyperrec_space().describe().itertuples(index=False)]
    cosine = "scheduler == 'CosineAnnealingWarmRestarts'"
    assert table == [
        ("batch_size", "integer 32 to 128", "always"),
        ("model", "resnet34, resnet50", "always"),
        ("optimizer", "adam, momentum", "always"),
        ("scheduler", "StepLR, ExponentialLR, CyclicLR, CosineAnnealingWarmRestarts", "always"),
        ("lr", "log 0.0001 to 0.1", "always"),
        ("weight_decay", "log 1e-05 to 0.001", "always"),
        ("beta_0", "log 0.5 to 0.999", "optimizer == 'adam'"),
        ("beta_1", "log 0.8 to 0.999", "optimizer == 'adam'"),
        ("momentum", "log 0.001 to 1", "optimizer == 'momentum'"),
        ("step_size", "integer 2 to 20", "scheduler == 'StepLR'"),
        ("gamma", "log 0.1 to 0.5", "scheduler in ['StepLR', 'CyclicLR']"),
        ("gamma", "log 0.85 to 0.999", "scheduler == 'ExponentialLR'"),
        ("max_lr", "lr * (1.1 to 1.5), at most 1", "scheduler == 'CyclicLR'"),
        ("step_size_up", "integer 1 to 10", "scheduler == 'CyclicLR'"),
        ("t_0", "integer 2 to 20", cosine),
        ("t_mult", "integer 1 to 4", cosine),
        ("eta_min", "lr * (0.5 to 0.9)", cosine),
    ]


def test_lcbench_ranges():
    table = [tuple(row) for row in lcbench_space().describe().itertuples(index=False)]
    assert table == [
        ("batch_size", "log integer 16 to 512", "always"),
        ("learning_rate", "log 0.0001 to 0.1", "always"),
        ("momentum", "0.1 to 0.99", "always"),
        ("weight_decay", "1e-05 to 0.1", "always"),
        ("num_layers", "integer 1 to 5", "always"),
        ("max_units", "log integer 64 to 1024", "always"),
        ("max_dropout", "0 to 1", "always"),
    ]


@pytest.mark.authors
def test_the_published_configurations_are_valid(hyperrec, lcbench):
    assert hyperrec_space().encode(hyperrec.configs).shape == (100, 22)
    assert lcbench_space().encode(lcbench.configs).shape == (100, 7)
