"""Where a training stands, as one file: tensors as safetensors, all else as JSON in its header.

Whatever the optimiser and the schedule hold is kept as they give it, so another optimiser needs
nothing here. A hash over the header and every tensor tells a damaged file from a whole one; nothing
is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from spectrolite.errors import RunError
from spectrolite.files import whole_file
from spectrolite.hashing import array_sha256
from spectrolite.training.loop import Epoch, Progress
from spectrolite.training.optimisers import optimised

FORMAT = 1
REMEDY = "start anew with --overwrite"


def save_progress(path: Path, progress: Progress, run: str) -> None:
    """Write `progress` as one file, which replaces the one before when it is complete.

    Args:
        path: the file.
        progress: where the loop stands.
        run: names the run that it belongs to.
    """
    tensors: dict[str, Tensor] = {}
    content = {
        field.name: _packed(getattr(progress, field.name), field.name, tensors)
        for field in dataclasses.fields(progress)
        if field.name != "log"
    }
    log = [dataclasses.asdict(epoch) for epoch in progress.log]
    text = json.dumps({"format": FORMAT, "run": run, "log": log, "progress": content})
    with whole_file(path) as part:
        part.write_bytes(save(tensors, {"content": text, "sha256": _sha256(text, tensors)}))


def load_progress(path: Path, net: nn.Module, run: str) -> Progress:
    """Read what `save_progress` wrote, and check it against the network that is to go on.

    Args:
        path: the file.
        net: the network; only its names, shapes and types are looked at.
        run: names the run that it must belong to.

    Raises:
        RunError: damaged, of another run or network, or of a newer version.
    """
    content = _content(path)
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        if _sha256(header["content"], tensors) != header["sha256"]:
            raise ValueError("its hash is not that of what it holds")
        if content["run"] != run:
            raise ValueError("it belongs to another run")
        log = tuple(Epoch(**epoch) for epoch in content["log"])
        parts = {key: _unpacked(value, tensors) for key, value in content["progress"].items()}
        progress = Progress(log, **parts)
        for key, value in tensors.items():
            if value.is_floating_point() and not value.isfinite().all():
                raise ValueError(f"NaN or infinite values in {key}")
        _check(progress, net)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: cannot go on from it ({error}); {REMEDY}") from error
    return progress


def epochs_kept(path: Path) -> int:
    """How many epochs had ended when the file was written.

    Raises:
        RunError: damaged, or of a newer version.
    """
    return len(_content(path)["log"])


def _content(path: Path) -> dict[str, Any]:
    """The JSON of the header, its format checked."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
        if "content" not in header:
            raise ValueError("it holds no state of a training")
        content: dict[str, Any] = json.loads(header["content"])
        newest, _ = int(content["format"]), len(content["log"])
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: cannot be read ({error}); {REMEDY}") from error
    if newest > FORMAT:
        raise RunError(
            f"{path}: format {newest}, this version reads up to {FORMAT}; "
            f"install a newer spectrolite, or {REMEDY}"
        )
    return content


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors go to `tensors`, each under the name of its place."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"items": [[k, _packed(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        packed = [_packed(v, f"{name}.{n}", tensors) for n, v in enumerate(value)]
        return packed if isinstance(value, list) else {"tuple": packed}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: {type(value).__name__} is neither a tensor nor a plain value")


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "tuple":
        return tuple(_unpacked(v, tensors) for v in inside)
    return {k: _unpacked(v, tensors) for k, v in inside}


def _sha256(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Hash of the text, which names every tensor, and of the tensors."""
    as_bytes = np.array(bytearray(text.encode()))
    return array_sha256(as_bytes, *(tensors[key].numpy() for key in sorted(tensors)))


def _check(progress: Progress, net: nn.Module) -> None:
    """Refuse what the loop cannot go on from.

    Raises:
        ValueError: what is wrong.
    """
    if [e.epoch for e in progress.log] != list(range(1, len(progress.log) + 1)) or not progress.log:
        raise ValueError("its log does not count the epochs from 1")
    wanted = net.state_dict()
    for part in ("network", "best", "ema"):
        held: Mapping[str, Tensor] = getattr(progress, part)
        lacking = set(wanted) - set(held) if part == "network" or (held and part == "best") else ()
        strange = sorted({*lacking, *(set(held) - set(wanted))})
        if strange:
            raise ValueError(f"{part}: {strange[0]} is not in both the file and the network")
        for key, value in held.items():
            if (value.shape, value.dtype) != (wanted[key].shape, wanted[key].dtype):
                raise ValueError(
                    f"{part}.{key}: {value.dtype} of shape {tuple(value.shape)}, wanted "
                    f"{wanted[key].dtype} of {tuple(wanted[key].shape)}"
                )
    decay_on = "all" if len(progress.optimiser["param_groups"]) == 1 else "kernels"
    groups = optimised(net, decay_on, 0)
    shapes = [parameter.shape for group in groups for parameter in group["params"]]
    for number, kept in progress.optimiser["state"].items():
        if number not in range(len(shapes)):
            raise ValueError(f"optimiser: no parameter {number} in the network")
        for key, value in kept.items():
            # true of SGD, of Adam and its kin, and of Muon: a number, or one a weight
            if isinstance(value, Tensor) and value.numel() > 1 and value.shape != shapes[number]:
                raise ValueError(f"optimiser.state.{number}.{key}: not of its parameter's shape")
    for name, state in progress.generators.items():
        if state.dtype != torch.uint8 or state.dim() != 1:
            raise ValueError(f"generators.{name}: not a generator's state")
