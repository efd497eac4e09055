"""Weights from a file into a network: all of them, finite and of their type, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def network_weights(state: Mapping[str, Tensor], beside: str) -> dict[str, Tensor]:
    """What a bundle's file holds under `network.`, by the names that the network has for it.

    Args:
        state: all tensors of the file but those that go before the network.
        beside: what those are called, as `bands`.

    Raises:
        ValueError: a tensor that is neither.
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
        ValueError: a tensor of another type, not finite, or a negative variance; also as a
            RuntimeError of torch where names or shapes differ.
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
