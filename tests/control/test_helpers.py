"""Training by hand, and the benchmark."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from at2.control import EnvConfig, SGDBenchmark, forward_backward, run_epoch
from at2.control import test as evaluate
from at2.control.benchmark import BenchmarkConfig
from at2.errors import ShapeError


def _losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(outputs, labels, reduction="none")


@pytest.fixture
def network() -> nn.Linear:
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [0.0]]))
    return model


def test_forward_backward_by_hand(network: nn.Linear) -> None:
    losses = forward_backward(network, _losses, torch.tensor([[0.0], [2.0]]), torch.tensor([0, 1]))
    # logits (0, 0) and (2, 0): log 2, and log(1 + e^2) for the class of the lower logit
    assert losses.tolist() == pytest.approx([math.log(2), math.log(1 + math.e**2)])
    p = 1 / (1 + math.e**-2)  # gradient of the mean loss: x p of the second sample, over 2
    assert network.weight.grad is not None
    assert network.weight.grad.reshape(-1).tolist() == pytest.approx([p, -p])


def test_a_loss_function_that_gives_the_mean_is_refused(network: nn.Linear) -> None:
    batch = torch.tensor([[0.0], [2.0]]), torch.tensor([0, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    said = r"one loss for each sample, shape \(2,\); it gave shape \(\); PyTorch's losses do so with reduction='none'"
    with pytest.raises(ShapeError, match=said):
        forward_backward(network, functional.cross_entropy, *batch)
    with pytest.raises(ShapeError, match=said):
        run_epoch(network, functional.cross_entropy, [batch], optimizer)
    with pytest.raises(ShapeError, match=said):
        evaluate(network, functional.cross_entropy, [batch])


def test_an_epoch_gives_the_last_and_the_mean_loss(network: nn.Linear) -> None:
    batches = [(torch.tensor([[0.0], [0.0]]), torch.tensor([0, 1])), (torch.tensor([[2.0]]), torch.tensor([0]))]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    last, mean = run_epoch(network, _losses, batches, optimizer)
    assert last == pytest.approx(math.log(1 + math.e**-2))
    assert mean == pytest.approx((2 * math.log(2) + last) / 3)
    with pytest.raises(ValueError, match="at least one mini-batch"):
        run_epoch(network, _losses, [], optimizer)


def test_evaluation_gives_a_loss_and_a_hit_for_each_sample(network: nn.Linear) -> None:
    batches = [(torch.tensor([[2.0], [2.0]]), torch.tensor([0, 1])), (torch.tensor([[-1.0]]), torch.tensor([1]))]
    network.train()
    losses, right = evaluate(network, _losses, batches)
    assert losses.shape == right.shape == (3,)
    assert right.tolist() == [True, False, True]
    assert network.training
    assert len(evaluate(network, _losses, batches, share=0.5)[0]) == 2
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\]"):
        evaluate(network, _losses, batches, share=0.0)
    with pytest.raises(ValueError, match="at least one mini-batch"):
        evaluate(network, _losses, [])


def test_the_benchmark_makes_environments_of_its_configuration() -> None:
    benchmark = SGDBenchmark(BenchmarkConfig(env=EnvConfig(mode="step"), seed=5))
    assert benchmark.get_environment().config.mode == "step"
    tested = benchmark.get_environment(test=True)
    assert tested.config.order == "cycle"
    assert [tested.reset()[1]["instance"] for _ in range(2)] == ["test-0", "test-1"]
    assert benchmark.read_instance_set().keys().isdisjoint(benchmark.read_instance_set(test=True))
    assert benchmark.get_benchmark(seed=1).config == EnvConfig()


def test_equal_seeds_of_a_benchmark_give_equal_episodes() -> None:
    one, two = (SGDBenchmark().get_benchmark(seed=8).reset() for _ in range(2))
    assert one[1] == two[1]
    assert one[0].tolist() == two[0].tolist()
