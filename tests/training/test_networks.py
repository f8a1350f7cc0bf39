"""Networks: published sizes and names, patches, He initialization, seeds."""

import math

import pytest
import torch
from torch import nn

from at2.errors import ShapeError, UnknownNameError
from at2.training.networks import build_network, network_names, resnet34, resnet50


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("build", "n", "n_tensor"), [(resnet34, 21_797_672, 218), (resnet50, 25_557_032, 320)])
def test_the_residual_networks_have_torchvisions_sizes_and_names(build, n: int, n_tensor: int) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        network = build()
    names = list(network.state_dict())
    assert _count(network) == n
    assert len(names) == n_tensor
    assert {"conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked", "fc.weight", "fc.bias"} <= set(names)
    assert {"layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer4.2.bn2.bias"} <= set(names)
    assert ("layer1.0.downsample.1.weight" in names) == (build is resnet50)
    assert ("layer3.5.conv3.weight" in names) == (build is resnet50)
    assert not any("downsample" in name for name in names if not name.split(".")[1].startswith("0"))


def test_the_published_shapes_of_tensors() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in resnet50().state_dict().items()}
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.0.conv1.weight"] == (64, 64, 1, 1)
    assert shapes["layer2.0.conv2.weight"] == (128, 128, 3, 3)
    assert shapes["layer4.0.downsample.0.weight"] == (2048, 1024, 1, 1)
    assert shapes["fc.weight"] == (1000, 2048)


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_the_stem_for_small_images_keeps_their_size(name: str) -> None:
    network = build_network(name, channels=1, size=8, n_classes=10, seed=0).eval()
    seen: list[tuple[int, ...]] = []
    network.layer1.register_forward_hook(lambda *values: seen.append(tuple(values[2].shape[2:])))  # type: ignore[union-attr, operator]
    with torch.no_grad():
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert seen == [(8, 8)]


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("patch-2x3", 3 * 13 + 50 * (3 * 256 + 1) + 510),
        ("patch-4x10", 10 * 49 + 50 * (10 * 64 + 1) + 510),
        ("patch-8x40", 40 * 193 + 50 * (40 * 16 + 1) + 510),
        ("patch-16x160", 160 * 769 + 50 * (160 * 4 + 1) + 510),
        ("patch-4x40", 40 * 49 + 50 * (40 * 64 + 1) + 510),
    ],
)
def test_the_published_patch_networks_on_32_pixels_and_3_channels(name: str, n: int) -> None:
    network = build_network(name, channels=3, size=32, n_classes=10, seed=0)
    assert _count(network) == n
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_he_initialization() -> None:
    network = build_network("patch-4x40", channels=3, size=32, n_classes=10, seed=0)
    hidden = next(module for module in network.modules() if isinstance(module, nn.Linear))
    assert float(hidden.weight.detach().std()) == pytest.approx(math.sqrt(2 / 2560), rel=0.02)
    assert float(hidden.bias.detach().abs().max()) == 0


@pytest.mark.parametrize("name", ["small-plain", "small-residual", "patch-2x3"])
def test_the_seed_decides_and_the_global_state_stays(name: str) -> None:
    before = torch.get_rng_state()
    one, same, other = (build_network(name, channels=1, size=8, n_classes=5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    first, second, third = (next(iter(network.parameters())) for network in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_unknown_names_and_sizes_that_do_not_fit() -> None:
    with pytest.raises(UnknownNameError, match="no network 'resnet35'; did you mean resnet50 or resnet34"):
        build_network("resnet35", channels=3, size=32, n_classes=10, seed=0)
    for name in ("patch-16x160", "small-residual"):
        with pytest.raises(ShapeError, match="images of 10 x 10 pixels cannot be cut into patches"):
            build_network(name, channels=1, size=10, n_classes=10, seed=0)
    assert len(network_names()) == 9
