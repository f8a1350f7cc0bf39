"""Predicted changes against values worked out by hand, and against forward-mode differentiation."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from at2.control.errors import ControlSettingError
from at2.control.probe import ChangeProbe
from at2.training import build_network


def _pass(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()


def _updates(network: nn.Module, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [1e-2 * torch.randn(p.shape, generator=generator) for p in network.parameters()]


def test_a_linear_layer_by_hand() -> None:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -1.0]]))
        network.bias.fill_(0.5)
    probe = ChangeProbe(network)
    probe.watch()
    # f_i = z_i^2 with z = (1 - 2 + 0.5, 3 - 0 + 0.5) = (-0.5, 3.5); dz = x . dW + db
    network(torch.tensor([[1.0, 2.0], [3.0, 0.0]])).square().mean().backward()
    changes = probe.changes([torch.tensor([[0.1, 0.2]]), torch.tensor([-0.3])])
    dz = (0.1 * 1 + 0.2 * 2 - 0.3, 0.1 * 3 - 0.3)
    assert changes.tolist() == pytest.approx([2 * -0.5 * dz[0], 2 * 3.5 * dz[1]], abs=1e-6)


@pytest.mark.parametrize("name", ["patch-2x3", "patch-8x40", "small-plain"])
def test_changes_are_those_of_forward_mode_differentiation(name: str) -> None:
    network = build_network(name, channels=1, size=8, n_classes=10, seed=1)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(12, 1, 8, 8, generator=generator), torch.arange(12) % 10
    probe, updates = ChangeProbe(network), _updates(network, 2)
    probe.watch()
    _pass(network, images, labels)
    changes = probe.changes(updates)
    names = [name for name, _ in network.named_parameters()]

    def losses(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = torch.func.functional_call(network, parameters, (images,))
        return functional.cross_entropy(logits, labels, reduction="none")

    probe.ignore()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    _, dense = torch.func.jvp(losses, (parameters,), (dict(zip(names, updates, strict=True)),))
    torch.testing.assert_close(changes, dense, rtol=1e-4, atol=1e-5)


def test_with_batch_normalization_the_mean_change_is_that_of_the_mean_loss() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 3)
    )
    probe, updates = ChangeProbe(network), _updates(network, 3)
    running = network[1].running_mean.clone()
    probe.watch()
    _pass(network, torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(10) % 3)
    after = network[1].running_mean.clone()
    expected = sum(float((p.grad * dw).sum()) for p, dw in zip(network.parameters(), updates, strict=True))
    assert float(probe.changes(updates).mean()) == pytest.approx(expected, rel=1e-4)
    assert not torch.equal(running, after)
    assert torch.equal(network[1].running_mean, after)  # the probe does not move the statistics


def test_the_first_samples_are_enough() -> None:
    network = build_network("small-residual", channels=1, size=8, n_classes=10, seed=1)
    images, labels = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 10
    updates, found = _updates(network, 2), []
    for n_sample in (None, 5):
        probe = ChangeProbe(network, n_sample=n_sample)
        probe.watch()
        _pass(network, images, labels)
        probe.ignore()
        found.append(probe.changes(updates))
    torch.testing.assert_close(found[0][:5], found[1])


def test_a_layer_that_is_not_linear_in_its_parameters_is_refused() -> None:
    with pytest.raises(ControlSettingError, match="parameters in PReLU"):
        ChangeProbe(nn.Sequential(nn.Linear(2, 2), nn.PReLU()))
