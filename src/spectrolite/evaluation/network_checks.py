"""Is this network ready for use? Checks on any `nn.Module` and a batch of its inputs.

Each function takes `(net, inputs)` and leaves both as they were: a network left in training mode
would move its running statistics with every pass, so passes are made through a copy, and torch's
global generator, which live dropout draws from, is put back.

Thresholds were measured; each comment says on what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.evaluation.checkup import Check, threshold_check
from spectrolite.evaluation.network_outputs import (
    check_inputs,
    difference,
    first_names,
    logits_of,
    modules_in_training_mode,
    undisturbed,
)
from spectrolite.evaluation.normalisation import check_normalisation

BATCHES = (1, 7, 128)
ROUNDING = 1e-5
"""Share of the largest logit by which two correct ways to compute it may differ. Batch 1 and batch
128 of a trained HybridSN differ by some 1e-7; with dropout or BatchNorm live by 0.6 and more."""


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
    live = modules_in_training_mode(net)
    try:
        by_batch = batch_invariance(net, inputs)
        by_pass = determinism(net, inputs)
    except ValueError as error:
        if not live or isinstance(error, SettingsError):
            raise
        by_batch = by_pass = math.inf  # BatchNorm in training mode refuses a batch of one value
    sizes = ", ".join(map(str, BATCHES))
    return (
        threshold_check(
            "evaluation mode",
            len(live),
            0,
            "Every module is in evaluation mode.",
            f"{len(live)} modules are in training mode ({first_names(live)}): dropout draws at "
            "random and BatchNorm looks at the batch. Call net.eval() before the network is used.",
        ),
        threshold_check(
            "batch size",
            by_batch,
            ROUNDING,
            f"An input gets the same logits in batches of {sizes}, up to rounding.",
            f"An input gets other logits in batches of {sizes}: what it is called depends on its "
            "neighbours. Call net.eval(); if that does not help, a layer mixes the inputs.",
        ),
        threshold_check(
            "same bits twice",
            by_pass,
            0.0,
            "Two passes over the same inputs give the same bits.",
            "Two passes over the same inputs differ: something draws at random. Call net.eval(); "
            "if that does not help, look for a layer that draws by itself.",
        ),
        check_normalisation(net, inputs),
    )


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
    check_inputs(inputs)
    with undisturbed(net) as network_copy:
        first, *others = (logits_of(network_copy, inputs, batch) for batch in batches)
    return max(difference(first, other) for other in others)


def determinism(net: nn.Module, inputs: Tensor) -> float:
    """How far two passes over the same inputs lie apart; 0 only where every bit is the same.

    Args:
        net: as in `batch_invariance`.
        inputs: likewise.
    """
    check_inputs(inputs)
    with undisturbed(net) as network_copy:
        one, two = (logits_of(network_copy, inputs, BATCHES[-1]) for _ in range(2))
    return 0.0 if torch.equal(one, two) else max(difference(one, two), math.ulp(0.0))
