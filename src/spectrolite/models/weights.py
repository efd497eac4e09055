"""Weights from a file into a network: all of them, finite and of their type, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def load_weights(net: nn.Module, state: Mapping[str, Tensor], beside: Mapping[str, Tensor]) -> None:
    """Load what a bundle's file holds under `network.`.

    Args:
        net: the network.
        state: all tensors of the file but those `beside`.
        beside: the file's other tensors, which must be finite too.

    Raises:
        ValueError: a tensor that is not of the network, of another type, not finite, or a negative
            variance; also as a RuntimeError of torch where keys or shapes differ.
    """
    strange = [key for key in state if not key.startswith("network.")]
    if strange:
        other = next(iter(beside)).partition(".")[0]
        raise ValueError(f"{strange[0]!r} is neither of the network nor of the {other}")
    own = {k.removeprefix("network."): v for k, v in state.items()}
    for key, value in net.state_dict().items():
        if key in own and own[key].dtype.is_floating_point != value.is_floating_point():
            raise ValueError(f"{key} is {own[key].dtype}, wanted {value.dtype}")
    net.load_state_dict(own)
    for key, value in {**net.state_dict(), **beside}.items():
        if not value.float().isfinite().all():
            raise ValueError(f"NaN, infinite or too large values in {key}")
        if key.endswith("running_var") and bool((value < 0).any()):
            raise ValueError(f"negative variances in {key}")
