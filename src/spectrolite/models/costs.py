"""What a network costs: parameters, multiply-accumulates, bytes, in all and layer by layer.

MACs are those of convolutions and linear layers at batch 1, without BatchNorm and bias; one MAC is
two floating-point operations. Everything is counted on tensors without memory, so a count takes no
longer at any size. Totals come from torch's own counter, and `cost` holds its layers against it.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from spectrolite.errors import SettingsError
from spectrolite.models import SceneNetwork

MATRIX_PRODUCTS = ("mm", "addmm")


@dataclass(frozen=True)
class LayerCost:
    """One convolution or linear layer, with the BatchNorm that follows it.

    Attributes:
        name: of the module that holds its weights.
        kind: `convolution`, `depthwise` (a kernel a channel), `grouped` (between the two),
            `pointwise` (1x1), or `linear`: a matrix, or a convolution whose kernel is as large as
            its input, as HybridSN holds its linear layers.
        input_shape: without the batch axis.
        output_shape: without the batch axis.
        weights: numbers in its kernel or matrix, without bias.
        parameters: all that is trained: weights, bias, and the BatchNorm after it.
        macs: multiply-accumulates.
        activation_bytes: of its output.
        weight_bytes: of its parameters.
        ordinary_weights: where it ends a depthwise-separable pair, the weights of the ordinary
            convolution with the pair's input, output, kernel and stride.
        ordinary_macs: the same for multiply-accumulates.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weights: int
    parameters: int
    macs: int
    activation_bytes: int
    weight_bytes: int
    ordinary_weights: int | None = None
    ordinary_macs: int | None = None


@dataclass(frozen=True)
class Cost:
    """What one input costs a network, layer by layer in the order of computation.

    Attributes:
        network: what was counted.
        input_shape: without the batch axis.
        layers: a row a layer.
    """

    network: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Of all parameters."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Outputs of all layers: what training holds at the least, for one input."""
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
        The cost; its totals equal those of torch's `FlopCounterMode`.

    Raises:
        SettingsError: a shape that the network does not take, or a network whose cost lies
            elsewhere than in convolutions and linear layers (attention, transposed convolutions).
    """
    shape = tuple(input_shape)
    ghost = copy.deepcopy(net).eval().to("meta")
    trace = _Trace(ghost)
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
    made = Cost(type(net).__name__, shape, tuple(trace.layers))
    counted, there = counter.get_total_flops() // 2, parameters(ghost)
    if not made.layers or (made.macs, made.parameters) != (counted, there):
        raise SettingsError(
            f"{type(net).__name__}: its convolutions and linear layers hold {made.parameters:,} of "
            f"{there:,} parameters and {made.macs:,} of {counted:,} MACs; only networks of such "
            "layers and BatchNorm can be counted layer by layer"
        )
    return made


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every convolution and matrix product of a network on the meta device.

    A layer is told by the parameter that it computes with, not by the module that was called:
    HybridSN computes convolutions outside of their modules, with views of the weights.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[LayerCost] = []
        self._names = {id(p): name for name, p in net.named_parameters()}
        self._counted: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0]
        if name == "convolution" or name in MATRIX_PRODUCTS:
            x, weight = args[-2:] if name in MATRIX_PRODUCTS else args[:2]
            held = self._held(weight)
            if held is not None:
                groups = 1 if name in MATRIX_PRODUCTS else args[8]
                self._note(held, groups, x, out, self._new(args))
        elif "norm" in name and self.layers:
            self._add(self._new(args))
        return out

    def _note(self, held: Tensor, groups: int, x: Tensor, out: Tensor, new: list[Tensor]) -> None:
        before, after = _shapes(held, x, out)
        previous = self.layers[-1] if self.layers else None
        kind = _kind(held, groups, before, previous)
        weights = held.numel()
        macs = out.numel() * held[0].numel()
        ordinary: tuple[int, int] | tuple[None, None] = (None, None)
        if (
            kind == "pointwise"
            and previous is not None
            and previous.kind == "depthwise"
            and previous.output_shape == before
        ):
            # each output map would have a kernel of its own for every channel of the pair's input
            kernel = previous.weights // previous.output_shape[0]
            replaced = kernel * previous.input_shape[0] * after[0]
            ordinary = (replaced, replaced * math.prod(after[1:]))
        self.layers.append(
            LayerCost(
                self._names[id(held)].removesuffix(".weight"),
                kind,
                before,
                after,
                weights,
                0,
                macs,
                out.numel() * out.element_size(),
                0,
                *ordinary,
            )
        )
        self._add(new)

    def _add(self, new: list[Tensor]) -> None:
        """Put parameters to the account of the last layer."""
        last = asdict(self.layers[-1])
        last["parameters"] += sum(p.numel() for p in new)
        last["weight_bytes"] += sum(p.numel() * p.element_size() for p in new)
        self.layers[-1] = LayerCost(**last)

    def _held(self, tensor: Tensor) -> Tensor | None:
        """The parameter that a tensor is, or is a view of."""
        base = tensor if id(tensor) in self._names else tensor._base
        return base if id(base) in self._names else None

    def _new(self, args: tuple[Any, ...]) -> list[Tensor]:
        """The parameters among the arguments that no layer has counted yet."""
        held = [self._held(a) for a in args if isinstance(a, Tensor)]
        new = [p for p in held if p is not None and id(p) not in self._counted]
        self._counted |= {id(p) for p in new}
        return new


def _shapes(held: Tensor, x: Tensor, out: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of a layer's input and output without the batch axis, as its parameter has them.

    HybridSN computes its 3-D convolution of one channel as 2-D ones, its 2-D one as a 3-D one.
    """
    if held.dim() == x.dim():
        return tuple(x.shape[1:]), tuple(out.shape[1:])
    if held.dim() < x.dim():  # the depth of the input, all of it under the kernel, is channels
        return (held.shape[1], *x.shape[-2:]), (out.shape[1], *out.shape[-2:])
    bands = len(x)  # the bands of the output lie in the batch axis
    before = (held.shape[1], bands + held.shape[2] - 1, *x.shape[2:])
    return before, (out.shape[1], bands, *out.shape[2:])


def _kind(held: Tensor, groups: int, before: tuple[int, ...], previous: LayerCost | None) -> str:
    kernel = tuple(held.shape[2:])
    if groups > 1:
        return "depthwise" if groups == before[0] else "grouped"
    follows_linear = previous is not None and previous.kind == "linear"
    if kernel == before[1:] and (math.prod(kernel) > 1 or not kernel or follows_linear):
        return "linear"
    return "pointwise" if math.prod(kernel) == 1 else "convolution"


def parameters(net: nn.Module) -> int:
    """Trained numbers; running statistics are not among them."""
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
    """Multiply-accumulates a pixel of a large scene, where each layer visits each position once.

    A layer of cost a, whose output is m pixels wider than the map, costs a * (side + m) ** 2 for a
    map of `side`. Half the second difference over three sides is the sum of all a, exactly.
    """
    first = 2 * net.halo + 1
    one, two, three = (macs(net, (bands, side, side)) for side in range(first, first + 3))
    return (one - 2 * two + three) // 2
