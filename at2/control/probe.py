"""Predicted changes of each sample's loss, read from the very pass that trains.

For a layer whose output is linear in its own parameters, ``z_i = layer(a_i; w)``, the predicted change of a loss under
an update ``dw`` needs no gradient of a single sample::

    df_i = sum_layers < n * dF/dz_i, layer(a_i; dw) >        F: mean loss of the n samples of the mini-batch

so one evaluation of each layer on its kept input, with ``dw`` in place of its parameters, gives all samples at once.
The mean over all i is the gradient of F times ``dw``, exactly. Where samples do not act on each other in the forward
pass each ``df_i`` is the gradient of ``f_i`` times ``dw``; batch normalization couples them, and then ``df_i`` is what
passes through sample i.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from at2.control.errors import ControlSettingError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.hooks import RemovableHandle

_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


class ChangeProbe:
    """Watches the layers of a network during a mini-batch, and predicts what an update changes.

    Args:
        network: The network; every module with parameters of its own must be a linear, convolution or normalization
            layer, used once in a pass.
        n_sample: How many samples of a mini-batch are looked at, the first ones of its random order; None for all.

    Raises:
        ControlSettingError: If a module with parameters is of another kind.

    Example:
        >>> network = nn.Linear(1, 1, bias=False)
        >>> probe = ChangeProbe(network)
        >>> probe.watch()
        >>> network(torch.tensor([[1.0], [3.0]])).square().mean().backward()
        >>> w = network.weight.item()
        >>> changes = probe.changes([torch.full((1, 1), 0.5)])  # of (w x)^2 under dw = 0.5: 2 w x^2 * 0.5
        >>> bool(torch.allclose(changes, torch.tensor([w, 9 * w])))
        True
    """

    def __init__(self, network: nn.Module, *, n_sample: int | None = None) -> None:
        own = {module: dict(module.named_parameters(recurse=False)) for module in network.modules()}
        self._layers = [module for module, parameters in own.items() if parameters]
        unknown = sorted({type(layer).__name__ for layer in self._layers if not isinstance(layer, _LINEAR)})
        if unknown:
            raise ControlSettingError(
                f"predicted changes need linear, convolution or normalization layers; the network has parameters in "
                f"{', '.join(unknown)}; use another model, or an observation without these features"
            )
        places = {parameter: place for place, parameter in enumerate(network.parameters())}
        self._places = [{name: places[p] for name, p in own[layer].items()} for layer in self._layers]
        self._n_sample = n_sample
        self._seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._inputs: dict[nn.Module, Tensor] = {}
        self._handles: list[RemovableHandle] = []

    def watch(self) -> None:
        """Watch every mini-batch from now on."""
        if not self._handles:
            self._handles = [layer.register_forward_hook(self._keep) for layer in self._layers]

    def ignore(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad:
            self._inputs[layer] = inputs[0].detach()
            output.register_hook(lambda gradient: self._note(layer, gradient))  # type: ignore[no-untyped-call]

    def _note(self, layer: nn.Module, gradient: Tensor) -> None:
        self._seen[layer] = (self._inputs.pop(layer), gradient)

    def changes(self, update: list[Tensor]) -> Tensor:
        """Predict the change of each sample's loss.

        Args:
            update: Change of every parameter, in the order of ``network.parameters()``.

        Returns:
            One number for each sample of the mini-batch watched last, shape ``(n_sample,)``.
        """
        parts = []
        with torch.no_grad():
            for layer, places in zip(self._layers, self._places, strict=True):
                given, gradient = self._seen[layer]
                moved = _apply(layer, given, {name: update[place] for name, place in places.items()}, self._n_sample)
                parts.append((moved * gradient[: self._n_sample]).sum(tuple(range(1, moved.ndim))))
        n_batch = len(given)
        self._seen.clear()
        return torch.stack(parts).sum(0) * n_batch


def _apply(layer: nn.Module, given: Tensor, own: dict[str, Tensor], n: int | None) -> Tensor:
    """Evaluate a layer with other parameters on n samples; batch statistics are the mini-batch's, and not kept."""
    functional = nn.functional
    weight: Any = own.get("weight")
    bias = own.get("bias")
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return functional.batch_norm(given, None, None, weight, bias, training=True, eps=layer.eps)[:n]
    given = given[:n]
    match layer:
        case nn.Linear():
            return functional.linear(given, weight, bias)
        case nn.Conv1d() | nn.Conv2d():
            convolved: Tensor = layer._conv_forward(given, weight, bias)
            return convolved
        case nn.LayerNorm():
            return functional.layer_norm(given, layer.normalized_shape, weight, bias, layer.eps)
        case _:
            assert isinstance(layer, nn.GroupNorm)
            return functional.group_norm(given, layer.num_groups, weight, bias, layer.eps)
