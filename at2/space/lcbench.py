"""LCBench's search space: seven hyperparameters of a funnel-shaped multilayer perceptron, all always active."""

from __future__ import annotations

from typing import Any

import ConfigSpace as cs
from ConfigSpace.hyperparameters import Hyperparameter

from at2.space.space import SearchSpace


def lcbench_space() -> SearchSpace:
    """Return the seven hyperparameters of LCBench.

    What LCBench keeps fixed (SGD, cosine annealing, ReLU, ...) is not part of the space.

    Example:
        >>> lcbench_space().describe()["range"].tolist()[:2]
        ['log integer 16 to 512', 'log 0.0001 to 0.1']

    References:
        Zimmer, Lindauer, Hutter, Auto-PyTorch Tabular: Multi-Fidelity MetaLearning for Efficient and Robust AutoDL,
        2021, arXiv:2006.13799.
    """
    parameters: list[Hyperparameter[Any, Any]] = [
        cs.Integer("batch_size", (16, 512), log=True),
        cs.Float("learning_rate", (1e-4, 1e-1), log=True),
        cs.Float("momentum", (0.1, 0.99)),
        cs.Float("weight_decay", (1e-5, 1e-1)),
        cs.Integer("num_layers", (1, 5)),
        cs.Integer("max_units", (64, 1024), log=True),
        cs.Float("max_dropout", (0.0, 1.0)),
    ]
    declared = cs.ConfigurationSpace(name="lcbench")
    declared.add(*parameters)
    return SearchSpace(declared, names=[parameter.name for parameter in parameters])
