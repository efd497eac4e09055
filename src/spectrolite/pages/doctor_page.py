"""The checks of a trained model as one self-contained HTML page, beside the report."""

from __future__ import annotations

from spectrolite.evaluation.calibration import Calibration
from spectrolite.evaluation.checkup import Checkup
from spectrolite.evaluation.depthwise_kernels import WEAK
from spectrolite.pages.charts import reliability_curve
from spectrolite.pages.html import data_address, number, percent, render, thousands

COLOURS = {"ok": "#1e7d4f", "wrong": "#b3261e", "not checked": "#5d6770"}


def checkup_page(checkup: Checkup, kernels: bytes | None) -> str:
    """The whole page as text.

    Args:
        checkup: the checks, with calibration and kernels where they were measured.
        kernels: PNG of the depthwise kernels; None where the network has none.
    """
    calibration = checkup.calibration
    return render(
        "doctor.html",
        title=f"Checkup of {checkup.model} on {checkup.data}",
        checkup=checkup,
        colours=COLOURS,
        wrong=[check.name for check in checkup.checks if check.verdict == "wrong"],
        kernel_sentence=kernel_sentence(checkup),
        kernel_picture=None if kernels is None else data_address("png", kernels),
        kernels=[
            (k.name, k.kernels, len(k.dead), len(k.weak), number(min(k.shares)))
            for k in checkup.kernels
        ],
        calibration=calibration,
        reliability=None if calibration is None else reliability_curve(calibration),
        bins=[] if calibration is None else _bins(calibration),
        details=[
            (check.name, name, number(value))
            for check in checkup.checks
            for name, value in check.details.items()
        ],
    )


def _bins(calibration: Calibration) -> list[tuple[str, ...]]:
    return [
        (
            f"{100 * b.low:.1f} to {100 * b.high:.1f} %",
            thousands(b.count),
            percent(b.confidence),
            percent(b.accuracy),
        )
        for b in calibration.bins
        if b.count
    ]


def kernel_sentence(checkup: Checkup) -> str:
    """How many depthwise kernels are dead and weak, in one sentence."""
    if not checkup.kernels:
        return (
            f"{checkup.model} has no depthwise layers, so there are no kernels that could be dead."
        )
    kernels, dead, weak = (
        sum(counts)
        for counts in zip(
            *((k.kernels, len(k.dead), len(k.weak)) for k in checkup.kernels), strict=True
        )
    )
    return (
        f"{kernels:,} depthwise kernels. Dead: {dead:,}, whose output after the activation is one "
        f"constant, whatever comes in. Weak: {weak:,} more, whose output on the training data has "
        f"a variance of at most {WEAK:.0%} of the mean over their layer's channels."
    )
