"""Kernels between tasks, between nested configurations, and between epochs, each in its own small file."""

from at2.surrogate.kernels.config import ConfigKernel, embed
from at2.surrogate.kernels.epoch import EpochKernel
from at2.surrogate.kernels.matern import exponential, matern52
from at2.surrogate.kernels.task import exchangeable, exchangeable_values, exchangeable_vectors

__all__ = [
    "ConfigKernel",
    "EpochKernel",
    "embed",
    "exchangeable",
    "exchangeable_values",
    "exchangeable_vectors",
    "exponential",
    "matern52",
]
