"""The cost of each layer of a network, recorded while it runs on tensors without memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

MATRIX_PRODUCTS = ("mm", "addmm")


@dataclass(frozen=True)
class LayerCost:
    """One convolution or linear layer, with the BatchNorm that follows it.

    Attributes:
        name: of the module with its weights.
        kind: `convolution`, `depthwise` (a kernel a channel), `grouped` (between the two),
            `pointwise` (1x1), or `linear`: a matrix, or a convolution whose kernel is as large as
            its input, as are HybridSN's linear layers.
        input_shape: without the batch axis.
        output_shape: without the batch axis.
        weights: numbers in its kernel or matrix, without bias.
        parameters: all trained numbers: weights, bias, and the BatchNorm after it.
        macs: multiply-accumulates for one input.
        activation_bytes: bytes of its output for one input.
        weight_bytes: bytes of its parameters.
        ordinary_weights: for the second layer of a depthwise-separable pair, the weights of the
            ordinary convolution with the pair's input, output, kernel and stride; else None.
        ordinary_macs: its multiply-accumulates; else None.
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


class LayerTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is active, records each convolution and matrix product of a network on "meta".

    A layer is identified by the parameter that it uses, not by the module that is called: HybridSN
    computes convolutions outside of their modules, with views of the weights.

    Attributes:
        layers: in the order of computation.
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
            parameter = self._parameter(weight)
            if parameter is not None:
                groups = 1 if name in MATRIX_PRODUCTS else args[8]
                self._record(parameter, groups, x, out, self._new(args))
        elif "norm" in name and self.layers:
            self._add(self._new(args))
        return out

    def _record(
        self, weights: Tensor, groups: int, x: Tensor, out: Tensor, new: list[Tensor]
    ) -> None:
        before, after = _shapes(weights, x, out)
        previous = self.layers[-1] if self.layers else None
        kind = _kind(weights, groups, before, previous)
        macs = out.numel() * weights[0].numel()
        ordinary: tuple[int, int] | tuple[None, None] = (None, None)
        if (
            kind == "pointwise"
            and previous is not None
            and previous.kind == "depthwise"
            and previous.output_shape == before
        ):
            # an ordinary convolution has a kernel for each pair of input channel and output map
            kernel = previous.weights // previous.output_shape[0]
            replaced = kernel * previous.input_shape[0] * after[0]
            ordinary = (replaced, replaced * math.prod(after[1:]))
        self.layers.append(
            LayerCost(
                self._names[id(weights)].removesuffix(".weight"),
                kind,
                before,
                after,
                weights.numel(),
                0,
                macs,
                out.numel() * out.element_size(),
                0,
                *ordinary,
            )
        )
        self._add(new)

    def _add(self, new: list[Tensor]) -> None:
        """Add parameters to the last layer."""
        last = self.layers[-1]
        self.layers[-1] = replace(
            last,
            parameters=last.parameters + sum(p.numel() for p in new),
            weight_bytes=last.weight_bytes + sum(p.numel() * p.element_size() for p in new),
        )

    def _parameter(self, tensor: Tensor) -> Tensor | None:
        """The parameter that a tensor is, or is a view of."""
        base = tensor if id(tensor) in self._names else tensor._base
        return base if id(base) in self._names else None

    def _new(self, args: tuple[Any, ...]) -> list[Tensor]:
        """The parameters among the arguments that no layer has counted yet."""
        used = [self._parameter(a) for a in args if isinstance(a, Tensor)]
        new = [p for p in used if p is not None and id(p) not in self._counted]
        self._counted |= {id(p) for p in new}
        return new


def _shapes(weights: Tensor, x: Tensor, out: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of a layer's input and output without the batch axis, by the shape of its weights.

    HybridSN computes its 3-D convolution of one channel as 2-D ones, its 2-D one as a 3-D one.
    """
    if weights.dim() == x.dim():
        return tuple(x.shape[1:]), tuple(out.shape[1:])
    if weights.dim() < x.dim():  # the depth of the input, all of it under the kernel, is channels
        return (weights.shape[1], *x.shape[-2:]), (out.shape[1], *out.shape[-2:])
    bands = len(x)  # the bands of the output lie in the batch axis
    before = (weights.shape[1], bands + weights.shape[2] - 1, *x.shape[2:])
    return before, (out.shape[1], bands, *out.shape[2:])


def _kind(weights: Tensor, groups: int, before: tuple[int, ...], previous: LayerCost | None) -> str:
    kernel = tuple(weights.shape[2:])
    if groups > 1:
        return "depthwise" if groups == before[0] else "grouped"
    follows_linear = previous is not None and previous.kind == "linear"
    if kernel == before[1:] and (math.prod(kernel) > 1 or not kernel or follows_linear):
        return "linear"
    return "pointwise" if math.prod(kernel) == 1 else "convolution"
