"""One question to a trained model and its answer; and all of them together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spectrolite.evaluation.calibration import Calibration
from spectrolite.evaluation.depthwise_kernels import LayerKernels
from spectrolite.records import Number, Record


class Check(Record):
    """One question to a trained model, and its answer.

    Attributes:
        name: what was checked.
        verdict: `ok`, `wrong`, or `not checked` (`meaning` gives the reason).
        measured: the number; not finite if the network gave none.
        threshold: the largest number that is `ok`.
        meaning: what it means and what to do.
        details: the numbers `measured` was computed from, by name.
    """

    name: str
    verdict: Literal["ok", "wrong", "not checked"]
    measured: float | None = None
    threshold: float | None = None
    meaning: str
    details: dict[str, Number] = Field(default_factory=dict)


class Checkup(Record):
    """All checks of a model.

    Attributes:
        model: name and variant of the network.
        data: name of the scene.
        checks: each question with its answer.
        calibration: the reliability curve of the test samples; None if they are unknown.
        kernels: the depthwise layers with their dead and weak kernels; empty if the network has
            none. Not a check: a dead kernel costs time but does no harm.
    """

    model: str
    data: str
    checks: tuple[Check, ...]
    calibration: Calibration | None
    kernels: tuple[LayerKernels, ...]

    @property
    def ok(self) -> bool:
        """No check is wrong; checks that were not made do not count."""
        return all(check.verdict != "wrong" for check in self.checks)


def threshold_check(
    name: str,
    measured: float,
    threshold: float,
    fine: str,
    wrong: str,
    details: dict[str, float] | None = None,
) -> Check:
    """A check that is `ok` up to the threshold; NaN and infinity are wrong."""
    ok = measured <= threshold
    return Check(
        name=name,
        verdict="ok" if ok else "wrong",
        measured=measured,
        threshold=threshold,
        meaning=fine if ok else wrong,
        details=details or {},
    )
