"""What a report warns of: a network that learned nothing, and figures that rest on little."""

from __future__ import annotations

import numpy as np

from spectrolite.evaluation.metrics import Counts

FEW_STEPS = 50
"""Of the optimiser. BatchNorm's running statistics move by a tenth at each step: after 50 steps
their initial values count for half a per cent. Below that, training is too short for them."""
FEW_CLUSTERS = 10
"""Fields. The percentile bootstrap of fewer gives intervals that are far too short: of three
fields that are all right it gives 100 to 100 %."""


def learned_nothing(confusion: Counts, names: tuple[str, ...]) -> str | None:
    """The sentence about a network that is no better than one class for everything; None if it is.

    Args:
        confusion: `(classes, classes)`, truth along the rows, of the test part.
        names: of the classes, in its order.
    """
    tested = confusion.sum(1)
    if (tested > 0).sum() < 2:
        return None  # whatever it predicts, nothing can be compared
    most, right = int(tested.argmax()), int(np.trace(confusion))
    called = np.flatnonzero(confusion.sum(0))
    if len(called) == 1:
        return (
            f"the network learned nothing: it calls all {int(tested.sum()):,} of the test part "
            f"{names[called[0]]}"
        )
    if right <= tested[most]:
        accuracy, share = right / tested.sum(), tested[most] / tested.sum()
        return (
            f"the network learned nothing that the test part shows: it is right in {accuracy:.2%}, "
            f"and calling everything {names[most]} would be right in {share:.2%}"
        )
    return None


def warnings_of(nothing: str | None, steps: int, low: float, confusion: Counts) -> tuple[str, ...]:
    """Sentences that a reader must know before the figures.

    Args:
        nothing: what `learned_nothing` says.
        steps: of the optimiser, in the whole training.
        low: lower end of the 95 % interval of the overall accuracy, 0 to 1; may be NaN.
        confusion: `(classes, classes)`, truth along the rows.
    """
    warnings = []
    if nothing is not None:
        warnings.append(f"{sentence(nothing)} Its confidence means nothing.")
    share = confusion.sum(1).max() / confusion.sum()
    if nothing is None and low <= share < 1:
        warnings.append(
            f"The 95 % interval of the overall accuracy begins at {low:.2%}, and calling all the "
            f"commonest class of the test part is right in {share:.2%}: the network may be no "
            "better than that."
        )
    if steps < FEW_STEPS:
        counted = "1 step" if steps == 1 else f"{steps} steps"
        warnings.append(
            f"Trained for {counted} of the optimiser; the running statistics of BatchNorm want "
            f"{FEW_STEPS} or more. Raise --epochs, or lower --batch where training is in batches."
        )
    return tuple(warnings)


def interval_note(samples: int, what: str) -> str | None:
    """What to think of an interval that was drawn over few; None for enough.

    Args:
        samples: number of fields.
        what: their plural.
    """
    if samples >= FEW_CLUSTERS:
        return None
    if samples == 1:
        return f"All test pixels lie in one of the {what}: no interval can be drawn over {what}."
    return (
        f"The interval is drawn over {samples} {what} only and says little: with fewer than "
        f"{FEW_CLUSTERS} it is too short, and 100 to 100 % where all are right."
    )


def sentence(words: str) -> str:
    """The words with a capital letter and a full stop."""
    return f"{words[0].upper()}{words[1:]}."
