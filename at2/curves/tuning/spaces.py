"""What of the networks can be tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from at2.errors import PredictorError

if TYPE_CHECKING:
    from at2.space import SearchSpace

__all__ = ["network_space"]


def network_space(network: str) -> SearchSpace:
    """Return what can be tuned: learning rate, optimizer, and convolutions with filters, or units and layers.

    Raises:
        PredictorError: If the network is neither ``"cnn"`` nor ``"lstm"``.

    Example:
        >>> network_space("lstm").names
        ('learning_rate', 'optimizer', 'n_unit', 'n_layer')
    """
    import ConfigSpace as cs

    from at2.space import SearchSpace

    rate = cs.Float("learning_rate", (1e-4, 3e-2), log=True)
    optimizer = cs.Categorical("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
    if network == "cnn":
        declared = cs.ConfigurationSpace(name="curves-cnn")
        n_conv = cs.Integer("n_conv", (1, 3))
        filters = [cs.Integer(f"filters_{i}", (8, 128), log=True) for i in (1, 2, 3)]
        conditions = [cs.GreaterThanCondition(filters[i], n_conv, i) for i in (1, 2)]
        declared.add(rate, optimizer, n_conv, *filters, *conditions)
        return SearchSpace(declared, names=["learning_rate", "optimizer", "n_conv", *(f.name for f in filters)])
    if network == "lstm":
        declared = cs.ConfigurationSpace(name="curves-lstm")
        declared.add(rate, optimizer, cs.Integer("n_unit", (16, 160), log=True), cs.Integer("n_layer", (1, 2)))
        return SearchSpace(declared, names=["learning_rate", "optimizer", "n_unit", "n_layer"])
    raise PredictorError(f"'cnn' and 'lstm' can be tuned, not {network!r}")
