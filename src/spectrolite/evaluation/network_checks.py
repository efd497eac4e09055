"""Is this network ready to be used? Checks on any `nn.Module` and a batch of its inputs.

Each function takes `(net, inputs)` and leaves both as they were: a network left in training mode
would move its running statistics with every pass, so passes are made through a copy, and torch's
global generator, which live dropout draws from, is put back.

Thresholds were measured, not felt; each says on what.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.evaluation.calibration import Calibration
from spectrolite.evaluation.depthwise_kernels import LayerKernels
from spectrolite.records import Number, Part

BATCHES = (1, 7, 128)
ROUNDING = 1e-5
"""Share of the largest logit by which two correct ways to compute it may differ. Batch 1 and batch
128 of a trained HybridSN differ by some 1e-7; with dropout or BatchNorm live by 0.6 and more."""

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

DRIFT = 0.7
"""Largest drift of a layer (`Drift`) that passes. Measured on HybridSN and the patches of its
training pixels. Healthy: 0.05 after 60 steps on patches, 0.26 and 0.30 after 60 steps on the whole
of a 72x72 scene (which sees it evenly, where patches overlap), 0.55 of a 28x30 scene, which is
mostly border. Broken: 0.8 with the last layer reset or the contrast of the inputs halved, 1.1
after 10 steps, 1.5 to 3.7 with every layer reset."""


class Check(Part):
    """One question to a trained model, and its answer.

    Attributes:
        name: what was looked at.
        verdict: `ok`, `wrong`, or `not checked`, where `meaning` says why not.
        measured: the number, not finite where the network gave none.
        threshold: the largest number that is `ok`.
        meaning: what it means and what to do, in plain words.
        details: the numbers behind the one that was measured, by name.
    """

    name: str
    verdict: Literal["ok", "wrong", "not checked"]
    measured: float | None = None
    threshold: float | None = None
    meaning: str
    details: dict[str, Number] = Field(default_factory=dict)


class Checkup(Part):
    """What the doctor found.

    Attributes:
        model: name and variant of the network.
        data: name of the scene.
        checks: each question with its answer.
        calibration: the reliability curve of the test pixels; nothing where they are unknown.
        kernels: the depthwise layers with their dead and weak kernels; none where the network has
            no such layer. A finding, not a check: a dead kernel does no harm beside its cost.
    """

    model: str
    data: str
    checks: tuple[Check, ...]
    calibration: Calibration | None
    kernels: tuple[LayerKernels, ...]

    @property
    def ok(self) -> bool:
        """No check is wrong; those that were not made do not count."""
        return all(check.verdict != "wrong" for check in self.checks)


class Drift(NamedTuple):
    """How far a layer's running statistics lie from what it meets.

    Attributes:
        mean: root mean square over channels of the means' distance, in standard deviations.
        spread: the same of the logarithm (base 2) of the standard deviations' ratio: 1 is twice or
            half.
    """

    mean: float
    spread: float


def check_network(net: nn.Module, inputs: Tensor) -> tuple[Check, ...]:
    """Ask any torch network the questions that its accuracy does not answer.

    Args:
        net: `(N, ...) -> (N, classes, ...)`, in the mode that it is used in; it is not changed.
        inputs: `(N, ...)` on the network's device, from the data that it was trained on, ready for
            the network; at least two, better 128 and more.

    Returns:
        Four checks: evaluation mode, batch size, same bits twice, normalisation.

    Raises:
        SettingsError: fewer than two inputs, or an output that is no batch of logits.

    Examples:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 3))
        >>> inputs = torch.randn(128, 4)
        >>> [check.verdict for check in check_network(net, inputs)]
        ['wrong', 'wrong', 'wrong', 'not checked']
        >>> [check.verdict for check in check_network(net.eval(), inputs)]
        ['ok', 'ok', 'ok', 'not checked']
    """
    live = live_modules(net)
    try:
        by_batch = batch_invariance(net, inputs)
        by_pass = determinism(net, inputs)
    except ValueError as error:
        if not live or isinstance(error, SettingsError):
            raise
        by_batch = by_pass = math.inf  # BatchNorm in training mode refuses a batch of one value
    sizes = ", ".join(map(str, BATCHES))
    return (
        judge(
            "evaluation mode",
            len(live),
            0,
            "Every module is in evaluation mode.",
            f"{len(live)} modules are in training mode ({_some(live)}): dropout draws at random "
            "and BatchNorm looks at the batch. Call net.eval() before the network is used.",
        ),
        judge(
            "batch size",
            by_batch,
            ROUNDING,
            f"An input gets the same logits in batches of {sizes}, up to rounding.",
            f"An input gets other logits in batches of {sizes}: what it is called depends on its "
            "neighbours. Call net.eval(); if that does not help, a layer mixes the inputs.",
        ),
        judge(
            "same bits twice",
            by_pass,
            0.0,
            "Two passes over the same inputs give the same bits.",
            "Two passes over the same inputs differ: something draws at random. Call net.eval(); "
            "if that does not help, look for a layer that draws by itself.",
        ),
        check_normalisation(net, inputs),
    )


def check_normalisation(net: nn.Module, inputs: Tensor) -> Check:
    """Whether the running statistics of every BatchNorm are those of its training data.

    Args:
        net: any module.
        inputs: `(N, ...)`, from the data that it was trained on.
    """
    drifts = normalisation_drift(net, inputs)
    if not drifts:
        return Check(
            name="normalisation",
            verdict="not checked",
            meaning="No layer keeps running statistics, so there are none to compare.",
        )
    worst = {name: max(drift) for name, drift in drifts.items()}
    off = [name for name, value in worst.items() if not value <= DRIFT]
    return judge(
        "normalisation",
        max(worst.values()),
        DRIFT,
        "The running statistics of every BatchNorm are those of the training data.",
        f"The running statistics of {_some(off)} are not those of the data: they were reset, come "
        "from other data, or trail behind a short training. The first is the one to look at. Give "
        "the data that it was trained on, scaled as then, or train longer.",
        {
            f"{name}, {kind}": value
            for name, drift in drifts.items()
            for kind, value in drift._asdict().items()
        },
    )


def judge(
    name: str,
    measured: float,
    threshold: float,
    fine: str,
    wrong: str,
    details: dict[str, float] | None = None,
) -> Check:
    """A check that is `ok` up to the threshold; a number that is not finite is wrong."""
    ok = measured <= threshold
    return Check(
        name=name,
        verdict="ok" if ok else "wrong",
        measured=measured,
        threshold=threshold,
        meaning=fine if ok else wrong,
        details=details or {},
    )


def live_modules(net: nn.Module) -> list[str]:
    """Names of the modules in training mode, the network itself under its class's name."""
    return [name or type(net).__name__ for name, module in net.named_modules() if module.training]


def logits_of(net: nn.Module, inputs: Tensor, batch: int) -> Tensor:
    """Logits of all inputs, `batch` at a time, in whatever mode the network is.

    Raises:
        SettingsError: the network gives something other than one tensor with a row an input.
    """
    parts = []
    for part in torch.split(inputs, batch):
        out = net(part)
        if not isinstance(out, Tensor) or out.shape[:1] != part.shape[:1]:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise SettingsError(
                f"net: wanted logits with one row for each of {len(part)} inputs, got {got}"
            )
        parts.append(out)
    return torch.cat(parts)


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference of two tensors over the largest magnitude of the first.

    Infinite where either holds a number that is not finite.
    """
    if not bool(one.isfinite().all() and other.isfinite().all()):
        return math.inf
    apart = float((one.double() - other.double()).abs().max())
    return 0.0 if apart == 0 else apart / max(float(one.abs().max()), 1e-300)


def batch_invariance(net: nn.Module, inputs: Tensor, batches: Sequence[int] = BATCHES) -> float:
    """How much the logits depend on the size of the batch that they are computed in.

    Args:
        net: any module `(N, ...) -> (N, classes, ...)`, in the mode that it is used in.
        inputs: `(N, ...)`, on the network's device; those of real data, at least two.
        batches: sizes; where one exceeds N, all inputs are one batch.

    Returns:
        The largest difference from the logits of the first size, over the largest logit.

    Raises:
        SettingsError: fewer than two inputs, or an output that is no batch of logits.
    """
    _check_inputs(inputs)
    with _undisturbed(net) as copied:
        first, *others = (logits_of(copied, inputs, batch) for batch in batches)
    return max(difference(first, other) for other in others)


def determinism(net: nn.Module, inputs: Tensor) -> float:
    """How far two passes over the same inputs lie apart; 0 only where every bit is the same.

    Args:
        net: as in `batch_invariance`.
        inputs: likewise.
    """
    _check_inputs(inputs)
    with _undisturbed(net) as copied:
        one, two = (logits_of(copied, inputs, BATCHES[-1]) for _ in range(2))
    return 0.0 if torch.equal(one, two) else max(difference(one, two), math.ulp(0.0))


def normalisation_drift(net: nn.Module, inputs: Tensor, batch: int = 64) -> dict[str, Drift]:
    """How far the running statistics of each BatchNorm lie from what the layer meets.

    The layers are met in evaluation mode, as in use: where one is off, those behind it meet other
    numbers than in training and are off too, so the first is the one to look at.

    Args:
        net: any module; one without running statistics gives an empty dict.
        inputs: `(N, ...)`, from the data that it was trained on.
        batch: inputs at a time, for memory.

    Returns:
        Name of each layer that was reached, in the order of the passes, to its drift.
    """
    _check_inputs(inputs)
    met: dict[str, Tensor] = {}
    with _undisturbed(net) as copied:
        layers = {
            name: layer
            for name, layer in copied.eval().named_modules()
            if isinstance(layer, NORMS) and layer.running_mean is not None
        }

        def listen(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
            def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
                x = arguments[0].transpose(0, 1).flatten(1).double()  # (C, all positions)
                count = torch.full_like(x[:, 0], x.shape[1])
                sums = torch.stack([count, x.sum(1), x.square().sum(1)])  # (3, C)
                met[name] = met[name] + sums if name in met else sums

            return add

        for name, layer in layers.items():
            layer.register_forward_pre_hook(listen(name))
        logits_of(copied, inputs, batch)
        return {name: _drift(layers[name], sums) for name, sums in met.items()}


def _drift(layer: nn.Module, sums: Tensor) -> Drift:
    """Of a layer that met `(3, channels)` counts, sums and sums of squares."""
    state, eps = dict(layer.named_buffers()), cast(float, layer.eps)
    count, total, squares = sums
    mean = total / count
    deviation = ((squares / count - mean.square()).clamp(min=0) + eps).sqrt()
    apart = (state["running_mean"].double() - mean) / deviation
    ratio = (state["running_var"].double() + eps).sqrt() / deviation
    rms = [float(values.square().mean().sqrt()) for values in (apart, ratio.log2())]
    return Drift(*(value if math.isfinite(value) else math.inf for value in rms))


def _some(names: list[str]) -> str:
    """The first few names of many."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


@contextmanager
def _undisturbed(net: nn.Module) -> Iterator[nn.Module]:
    """A copy of `net` in its own mode, without gradients; generators are put back afterwards."""
    copied = copy.deepcopy(net)
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        yield copied


def _check_inputs(inputs: Tensor) -> None:
    if inputs.dim() < 2 or len(inputs) < 2:
        raise SettingsError(
            f"inputs: wanted a batch of two or more, got a tensor of shape {tuple(inputs.shape)}"
        )
