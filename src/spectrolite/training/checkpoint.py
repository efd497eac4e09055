"""A checkpoint of a training as one file: tensors as safetensors, all else as JSON in its header.

The states of optimiser and schedule are stored as torch gives them, so a new optimiser needs no
code here. A hash over the header and every tensor detects damage; nothing is unpickled.
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
from spectrolite.training.loop import Checkpoint, Epoch
from spectrolite.training.optimisers import optimiser_groups

FORMAT = 1
REMEDY = "start anew with --overwrite"


def save_checkpoint(path: Path, checkpoint: Checkpoint, run: str) -> None:
    """Write a checkpoint as one file, which replaces the last one only when it is complete.

    Args:
        path: the file.
        checkpoint: the state of the loop.
        run: names the run that it belongs to.
    """
    tensors: dict[str, Tensor] = {}
    content = {
        field.name: _packed(getattr(checkpoint, field.name), field.name, tensors)
        for field in dataclasses.fields(checkpoint)
        if field.name != "log"
    }
    log = [dataclasses.asdict(epoch) for epoch in checkpoint.log]
    text = json.dumps({"format": FORMAT, "run": run, "log": log, "progress": content})
    with whole_file(path) as part:
        part.write_bytes(save(tensors, {"content": text, "sha256": _sha256(text, tensors)}))


def load_checkpoint(path: Path, net: nn.Module, run: str) -> Checkpoint:
    """Read a file of `save_checkpoint`, and check it against the network that is to be trained.

    Args:
        path: the file.
        net: the network; only its names, shapes and types are compared.
        run: names the run that it must belong to.

    Raises:
        RunError: the file is damaged, or belongs to another run, network or a newer version.
    """
    content = _content(path)
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        if _sha256(header["content"], tensors) != header["sha256"]:
            raise ValueError("its content does not match its hash")
        if content["run"] != run:
            raise ValueError("it belongs to another run")
        log = tuple(Epoch(**epoch) for epoch in content["log"])
        state = {key: _unpacked(value, tensors) for key, value in content["progress"].items()}
        checkpoint = Checkpoint(log, **state)
        for key, value in tensors.items():
            if value.is_floating_point() and not value.isfinite().all():
                raise ValueError(f"NaN or infinite values in {key}")
        _check(checkpoint, net)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: cannot resume from it ({error}); {REMEDY}") from error
    return checkpoint


def epochs_kept(path: Path) -> int:
    """How many epochs the checkpoint has in its log.

    Raises:
        RunError: the file is damaged, or of a newer version.
    """
    return len(_content(path)["log"])


def _content(path: Path) -> dict[str, Any]:
    """The JSON of the header, its format checked."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
        if "content" not in header:
            raise ValueError("it is not a checkpoint")
        content: dict[str, Any] = json.loads(header["content"])
        newest, _ = int(content["format"]), len(content["log"])
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}); {REMEDY}") from error
    if newest > FORMAT:
        raise RunError(
            f"{path}: format {newest}, this version reads up to {FORMAT}; "
            f"install a newer spectrolite, or {REMEDY}"
        )
    return content


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors are put into `tensors`, each named by its path."""
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


def _check(checkpoint: Checkpoint, net: nn.Module) -> None:
    """Refuse a state from which the loop cannot continue.

    Raises:
        ValueError: what is wrong.
    """
    epochs = [epoch.epoch for epoch in checkpoint.log]
    if not epochs or epochs != list(range(1, len(epochs) + 1)):
        raise ValueError("its log does not number the epochs from 1")
    wanted = net.state_dict()
    for name in ("network", "best", "ema"):
        stored: Mapping[str, Tensor] = getattr(checkpoint, name)
        complete = name == "network" or (name == "best" and stored)
        lacking = set(wanted) - set(stored) if complete else set()
        strange = sorted(lacking | (set(stored) - set(wanted)))
        if strange:
            raise ValueError(f"{name}: {strange[0]} is not in both the file and the network")
        for key, value in stored.items():
            if (value.shape, value.dtype) != (wanted[key].shape, wanted[key].dtype):
                raise ValueError(
                    f"{name}.{key}: {value.dtype} of shape {tuple(value.shape)}, wanted "
                    f"{wanted[key].dtype} of {tuple(wanted[key].shape)}"
                )
    decay_on = "all" if len(checkpoint.optimiser["param_groups"]) == 1 else "kernels"
    groups = optimiser_groups(net, decay_on, 0)
    shapes = [parameter.shape for group in groups for parameter in group["params"]]
    for number, kept in checkpoint.optimiser["state"].items():
        if number not in range(len(shapes)):
            raise ValueError(f"optimiser: no parameter {number} in the network")
        for key, value in kept.items():
            # SGD, Adam and its variants and Muon keep a number, or one for each weight
            if isinstance(value, Tensor) and value.numel() > 1 and value.shape != shapes[number]:
                raise ValueError(f"optimiser.state.{number}.{key}: not of its parameter's shape")
    for name, state in checkpoint.generators.items():
        if state.dtype != torch.uint8 or state.dim() != 1:
            raise ValueError(f"generators.{name}: not a generator's state")
