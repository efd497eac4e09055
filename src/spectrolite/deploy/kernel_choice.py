"""Which depthwise kernels go: those without work, or those with the least importance."""

from __future__ import annotations

from collections.abc import Sequence

from spectrolite.errors import RunError, SettingsError
from spectrolite.kernels import DepthwiseLayer, LayerKernels


def flag_of(dead: bool, weak: float | None, share: float | None) -> str:
    """The one flag that was given, as it is typed.

    Raises:
        SettingsError: none or two of them, or a value out of range.
    """
    values = {"--weak": weak, "--share": share}
    given = [*(["--dead"] if dead else []), *(f for f, v in values.items() if v is not None)]
    if not given:
        raise SettingsError(
            "prune: nothing chosen to be removed; give --dead, --weak 0.01 or --share 0.3"
        )
    if len(given) > 1:
        why = "--weak and --share remove dead kernels too" if dead else "each says how many go"
        raise SettingsError(f"prune: {' and '.join(given)}: give one of them; {why}")
    if weak is not None and not 0 < weak <= 1:  # NaN is none
        raise SettingsError(
            "--weak: wanted a share of the mean variance of a layer's channels, above 0 and up to "
            f"1, got {weak:g}"
        )
    if share is not None and not 0 < share < 1:
        raise SettingsError(
            f"--share: wanted a share of each layer's kernels, above 0 and below 1, got {share:g}"
        )
    return "--dead" if dead else f"--weak {weak:g}" if weak is not None else f"--share {share:g}"


def chosen_kernels(
    layers: Sequence[DepthwiseLayer],
    found: Sequence[LayerKernels],
    weak: float | None,
    share: float | None,
) -> tuple[list[dict[int, float]], tuple[str, ...]]:
    """Of each layer the channels that go, and what had to stay.

    A channel comes with the number that stands for it: the constant of a dead one, else its mean.

    Args:
        layers: of the network.
        found: what the doctor finds in them.
        weak: as in `prune`.
        share: as in `prune`; with neither of them the dead ones go.

    Raises:
        RunError: nothing would be left of a layer.
    """
    gone: list[dict[int, float]] = []
    notes = []
    for layer, kernels in zip(layers, found, strict=True):
        chosen = kernels.dead if share is None else kernels.least(share)
        if weak is not None:
            chosen = tuple(sorted((*kernels.dead, *kernels.weaker_than(weak))))
        if layer.shared and chosen:
            notes.append(f"{layer.name} keeps {len(chosen)} of them: its input goes around it too")
            gone.append({})
            continue
        if len(chosen) == kernels.kernels:
            why = "the network looks at nothing there; train it again"
            if any(kernels.shares) and len(kernels.dead) < kernels.kernels:
                why = f"take less than {flag_of(False, weak, share)}"
            raise RunError(
                f"prune: all {kernels.kernels} kernels of {layer.name} would go, and a layer "
                f"cannot be empty: {why}"
            )
        constants = dict(zip(kernels.dead, kernels.constants, strict=True))
        gone.append({c: constants.get(c, kernels.means[c]) for c in chosen})
    return gone, tuple(notes)
