"""Weights from a file into a network: complete, finite and of the right type, or an error."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def network_weights(state: Mapping[str, Tensor], beside: str) -> dict[str, Tensor]:
    """The network's tensors of a bundle's file, without their prefix `network.`.

    Args:
        state: the file's tensors, without those of the inputs (`bands.` or `images.`).
        beside: prefix of the inputs' tensors, for the message.

    Raises:
        ValueError: a tensor without the prefix.
    """
    strange = [key for key in state if not key.startswith("network.")]
    if strange:
        raise ValueError(f"{strange[0]!r} is neither of the network nor of the {beside}")
    return {k.removeprefix("network."): v for k, v in state.items()}


def load_weights(net: nn.Module, state: Mapping[str, Tensor], beside: Mapping[str, Tensor]) -> None:
    """Load weights and running statistics, all of them.

    Args:
        net: the network.
        state: from `network_weights`.
        beside: the file's other tensors, which must be finite too.

    Raises:
        ValueError: a tensor of another type, one that is not finite, or a negative variance.
        RuntimeError: from torch, if names or shapes differ.
    """
    for key, value in net.state_dict().items():
        if key in state and state[key].dtype.is_floating_point != value.is_floating_point():
            raise ValueError(f"{key} is {state[key].dtype}, wanted {value.dtype}")
    net.load_state_dict(dict(state))
    for key, value in {**net.state_dict(), **beside}.items():
        if not value.float().isfinite().all():
            raise ValueError(f"NaN, infinite or too large values in {key}")
        if key.endswith("running_var") and bool((value < 0).any()):
            raise ValueError(f"negative variances in {key}")
