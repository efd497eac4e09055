"""The cost of a network: parameters, multiply-accumulates (MACs), bytes, in total and by layer.

MACs are those of convolutions and linear layers for one input, without BatchNorm and bias; one MAC
is two floating-point operations. Everything is counted on tensors without memory, so the time does
not depend on the input's size. The layers' totals are checked against torch's own counter.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spectrolite.errors import SettingsError
from spectrolite.models import SceneNetwork
from spectrolite.models.layer_costs import LayerCost, LayerTrace


@dataclass(frozen=True, repr=False)
class Cost:
    """The cost of one input, layer by layer in the order of computation.

    Attributes:
        network: the network's name and arguments.
        input_shape: without the batch axis.
        layers: one entry a layer.
    """

    network: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """All trained numbers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one input."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all parameters."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all layers: the least that training keeps, for one input."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def pairs(self) -> list[tuple[LayerCost, LayerCost]]:
        """Depthwise and pointwise layers that together replace an ordinary convolution."""
        neighbours = zip(self.layers, self.layers[1:], strict=False)
        return [(one, two) for one, two in neighbours if two.ordinary_macs is not None]

    @property
    def ordinary_parameters(self) -> int:
        """Parameters with an ordinary convolution, and one BatchNorm, in place of each pair."""
        return self.parameters + sum(
            (two.ordinary_weights or 0) - two.weights - one.parameters for one, two in self.pairs
        )

    @property
    def ordinary_macs(self) -> int:
        """Multiply-accumulates with an ordinary convolution in place of each pair."""
        return self.macs + sum(
            (two.ordinary_macs or 0) - two.macs - one.macs for one, two in self.pairs
        )

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Parameters and multiply-accumulates of each kind of layer."""
        return {
            kind: (
                sum(layer.parameters for layer in self.layers if layer.kind == kind),
                sum(layer.macs for layer in self.layers if layer.kind == kind),
            )
            for kind in dict.fromkeys(layer.kind for layer in self.layers)
        }

    def to_json(self) -> str:
        """One JSON object: totals, kinds and layers, each with its shares of the totals, 0 to 1."""
        totals = {
            name: getattr(self, name)
            for name in (
                "parameters",
                "macs",
                "weight_bytes",
                "activation_bytes",
                "ordinary_parameters",
                "ordinary_macs",
            )
        }
        kinds = {
            kind: {"parameters": parameters, "macs": macs, **self._shares(parameters, macs)}
            for kind, (parameters, macs) in self.kinds().items()
        }
        layers = [{**asdict(row), **self._shares(row.parameters, row.macs)} for row in self.layers]
        return json.dumps(
            {
                "network": self.network,
                "input_shape": self.input_shape,
                **totals,
                "kinds": kinds,
                "layers": layers,
            }
        )

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input_shape))
        rows = [*self.kinds().items(), ("total", (self.parameters, self.macs))]
        if self.pairs:
            ordinary = (self.ordinary_parameters, self.ordinary_macs)
            rows.append(("with ordinary convolutions", ordinary))
        return "\n".join(
            [
                f"{self.network}, input {size}, {len(self.layers)} layers",
                f"  {'':<28}{'parameters':>14}{'MACs':>18}",
                *(f"  {name:<28}{p:>14,}{m:>18,}" for name, (p, m) in rows),
                f"  {'bytes of weights':<28}{self.weight_bytes:>14,}",
                f"  {'bytes of activations':<28}{self.activation_bytes:>14,}",
            ]
        )

    def _shares(self, parameters: int, macs: int) -> dict[str, float]:
        return {
            "share_of_parameters": parameters / self.parameters,
            "share_of_macs": macs / self.macs,
        }


def cost(net: nn.Module, input_shape: Sequence[int]) -> Cost:
    """Count a network layer by layer.

    Args:
        net: a network of convolutions and linear layers, in any mode; it is not changed.
        input_shape: of one input, without the batch axis: `(channels, rows, cols)`.

    Returns:
        The cost; its totals are checked against torch's `FlopCounterMode`.

    Raises:
        SettingsError: a shape that the network does not accept, or a network with costs outside of
            convolutions and linear layers (attention, transposed convolutions).
    """
    shape = tuple(input_shape)
    ghost = copy.deepcopy(net).eval().to("meta")
    trace = LayerTrace(ghost)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter, trace:
            ghost(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        size = "x".join(map(str, shape))
        first_line = str(error).partition("\n")[0]
        raise SettingsError(
            f"input {size}: {type(net).__name__} does not take it ({first_line})"
        ) from error
    result = Cost(type(net).__name__, shape, tuple(trace.layers))
    all_macs, all_parameters = counter.get_total_flops() // 2, parameters(ghost)
    if not result.layers or (result.macs, result.parameters) != (all_macs, all_parameters):
        raise SettingsError(
            f"{type(net).__name__}: its convolutions and linear layers hold "
            f"{result.parameters:,} of {all_parameters:,} parameters and {result.macs:,} of "
            f"{all_macs:,} MACs; only networks of such layers and BatchNorm can be counted layer "
            "by layer"
        )
    return result


def parameters(net: nn.Module) -> int:
    """All trained numbers; running statistics are not included."""
    return sum(p.numel() for p in net.parameters())


def macs(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one input of `input_shape`, without the batch axis."""
    ghost = copy.deepcopy(net).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(torch.empty(1, *input_shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def macs_per_patch(net: SceneNetwork, bands: int) -> int:
    """Multiply-accumulates to label one pixel from its own patch, as published code does."""
    side = 2 * net.halo + 1
    return macs(net, (bands, side, side))


def macs_per_pixel(net: SceneNetwork, bands: int) -> int:
    """Multiply-accumulates a pixel of a large scene, where each layer computes each position once.

    A layer with a MACs a position, whose output is m pixels wider than the map, has
    a * (side + m) ** 2 for a map of `side` pixels. Half the second difference over three sides is
    exactly the sum of all a.
    """
    first = 2 * net.halo + 1
    one, two, three = (macs(net, (bands, side, side)) for side in range(first, first + 3))
    return (one - 2 * two + three) // 2
