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


class Checkup(Record):
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


def threshold_check(
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
