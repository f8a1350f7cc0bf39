"""Networks that a task is trained with, built by name with a seed."""

from at2.training.networks.registry import NETWORKS, build_network, network_names
from at2.training.networks.resnet import ResNet, resnet34, resnet50

__all__ = ["NETWORKS", "ResNet", "build_network", "network_names", "resnet34", "resnet50"]
