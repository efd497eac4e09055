"""The results of a comparison: mean and spread per classifier and split, paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from spectrolite.evaluation.significance import corrected_t_test
from spectrolite.records import Number, Record, Spread, spread
from spectrolite.samples.split_grammar import parse_split

FORMAT = 1
FIGURES = ("overall_accuracy", "average_accuracy", "kappa")
FEW_SPLITS = 6
"""Fewer seeds than these are called few."""
OPTIMISTIC = ("random", "per_class")
"""Methods that draw single pixels, so that test pixels lie beside training pixels."""


class Cell(Record):
    """One classifier on one split with one seed.

    Attributes:
        identity: sha256 over everything that determines the result.
        model: as given by the user.
        split: as given by the user, without its seed.
        seed: of split and training.
        overall_accuracy: 0 to 1, on the test pixels.
        average_accuracy: 0 to 1, over the classes tested.
        kappa: -1 to 1.
        patch: odd side of the receptive field in pixels; None if the classifier sees no spectrum.
        overlap: share of the test pixels inside the receptive field of a training pixel, 0 to 1.
        train: training pixels.
        test: test pixels.
        classes_tested: of `classes`.
        classes: of the labels.
        parameters: of a network.
        macs_per_pixel: multiply-accumulates of a network per pixel of a scene.
        training_s: seconds of training; for a baseline, of tuning and fitting.
        map_s: seconds of the map of the whole scene.
        chosen: the parameters a baseline was tuned to.
        split_sha256: hash of the split.
        weights_sha256: hash of a network's weights.
        versions: of the libraries.
        threads: used.
    """

    identity: str
    model: str
    split: str
    seed: int
    overall_accuracy: float
    average_accuracy: float
    kappa: Number
    patch: int | None
    overlap: float | None
    train: int
    test: int
    classes_tested: int
    classes: int
    parameters: int | None
    macs_per_pixel: int | None
    training_s: float
    map_s: float
    chosen: str
    split_sha256: str
    weights_sha256: str | None
    versions: dict[str, str]
    threads: int


class Row(Record):
    """One classifier under one protocol; accuracies in points, 0 to 100."""

    model: str
    seeds: int
    overall_accuracy: Spread
    average_accuracy: Spread
    kappa: Spread
    patch: int | None
    overlap: Number | None
    parameters: int | None
    macs_per_pixel: int | None
    training_s: Spread
    map_s: Spread


class Difference(Record):
    """One classifier minus another on the splits that both have, in points.

    Attributes:
        figure: `overall_accuracy`, `average_accuracy` or `kappa`.
        one: the classifier.
        other: the classifier that is subtracted.
        test_over_train: mean over the splits.
        n: number of splits; the other attributes are those of `PairedTest`.
    """

    figure: str
    one: str
    other: str
    test_over_train: float
    n: int
    mean: float
    std: float
    statistic: Number
    p: float
    low: float
    high: float


class Protocol(Record):
    """All classifiers under one protocol.

    Attributes:
        split: in the grammar of `--split`, without a seed.
        optimistic: whether the split draws single pixels.
        says: what an accuracy under this split means, in a sentence.
        train: mean number of training pixels.
        test: mean number of test pixels.
        classes_tested: fewest and most over the seeds.
        classes: of the labels.
        rows: one per classifier.
        differences: every pair that shares two or more splits.
    """

    split: str
    optimistic: bool
    says: str
    train: float
    test: float
    classes_tested: tuple[int, int]
    classes: int
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]

    @property
    def title(self) -> str:
        """The split, marked if it is optimistic."""
        return f"{self.split} (optimistic)" if self.optimistic else self.split


class League(Record):
    """`league.json`: classifiers on the same splits.

    Attributes:
        format: of the file.
        data: name of the scene.
        hashes: sha256 of scene and labels.
        protocols: one per table.
        notes: what a reader must know.
        cells: every cell.
    """

    format: int = FORMAT
    data: str
    hashes: dict[str, str]
    protocols: tuple[Protocol, ...]
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]


def made_league(
    data: str,
    hashes: Mapping[str, str],
    splits: Sequence[str],
    models: Sequence[str],
    cells: Sequence[Cell],
) -> League:
    """Summarise cells by split and classifier.

    Args:
        data: name of the scene.
        hashes: sha256 of scene and labels.
        splits: the protocols, in the order of the tables.
        models: the classifiers, in the order of the rows.
        cells: one per classifier, split and seed.
    """
    return League(
        data=data,
        hashes=dict(hashes),
        protocols=tuple(
            _protocol(text, models, [cell for cell in cells if cell.split == text])
            for text in splits
        ),
        notes=tuple(_notes(cells)),
        cells=tuple(cells),
    )


def _protocol(text: str, models: Sequence[str], cells: Sequence[Cell]) -> Protocol:
    method = parse_split(text)[0]
    by_model = {name: {c.seed: c for c in cells if c.model == name} for name in models}
    rows = tuple(_row(name, list(of.values())) for name, of in by_model.items())
    pairs = [(one, other) for k, one in enumerate(models) for other in models[k + 1 :]]
    differences = tuple(
        difference
        for figure in FIGURES
        for one, other in pairs
        if (difference := _difference(figure, one, other, by_model[one], by_model[other]))
        is not None
    )
    splits = {cell.seed: cell for cell in cells}.values()
    tested = [cell.classes_tested for cell in splits]
    return Protocol(
        split=text,
        optimistic=method in OPTIMISTIC,
        says=_meaning(method),
        train=statistics.fmean(cell.train for cell in splits),
        test=statistics.fmean(cell.test for cell in splits),
        classes_tested=(min(tested), max(tested)),
        classes=cells[0].classes,
        rows=rows,
        differences=differences,
    )


def _row(name: str, cells: Sequence[Cell]) -> Row:
    first = cells[0]
    figures = {key: spread(100 * getattr(cell, key) for cell in cells) for key in FIGURES}
    overlaps = [cell.overlap for cell in cells if cell.overlap is not None]
    return Row(
        model=name,
        seeds=len(cells),
        **figures,
        patch=first.patch,
        overlap=statistics.fmean(overlaps) if overlaps else None,
        parameters=first.parameters,
        macs_per_pixel=first.macs_per_pixel,
        training_s=spread(cell.training_s for cell in cells),
        map_s=spread(cell.map_s for cell in cells),
    )


def _difference(
    figure: str, one: str, other: str, of_one: Mapping[int, Cell], of_other: Mapping[int, Cell]
) -> Difference | None:
    """The paired difference; None if fewer than two splits have both figures."""
    both = [
        (of_one[seed], 100 * (getattr(of_one[seed], figure) - getattr(of_other[seed], figure)))
        for seed in of_one
        if seed in of_other
    ]
    both = [(cell, value) for cell, value in both if not math.isnan(value)]
    if len(both) < 2:
        return None
    ratio = statistics.fmean(cell.test / cell.train for cell, _ in both)
    test = corrected_t_test([value for _, value in both], ratio)
    return Difference(figure=figure, one=one, other=other, test_over_train=ratio, **asdict(test))


def _meaning(method: str) -> str:
    """What an accuracy under this split method means."""
    if method in OPTIMISTIC:
        return (
            "Optimistic: single pixels are drawn, so test pixels lie beside training pixels, and "
            "knowing where a pixel lies is worth much."
        )
    if method == "blocks_by_class":
        return (
            "No spatial split of the scene: a block may train one class and test another, and test "
            "pixels may lie beside training pixels of their own class."
        )
    return (
        "Spatial: what is tested lies in other places than what trains. It is clean for a "
        "classifier where none of the test pixels lie in a training pixel's field."
    )


def _notes(cells: Sequence[Cell]) -> list[str]:
    notes = [
        "Accuracies are means ± standard deviations (n - 1) over the seeds, in %. Seed k draws the "
        "split and trains. All splits are of one scene: on other scenes the spread may differ.",
        "Differences are paired on the same splits and tested by the corrected resampled t-test "
        "(Nadeau and Bengio 2003), since splits drawn anew overlap. p is of one pair, not "
        "corrected for the number of pairs.",
        "Seen in training: the share of the test pixels inside the patch of a training pixel. "
        "Position sees no spectrum, so it has no patch.",
        "Seconds are of the same run: the training of a network, or tuning and fitting; and the "
        "map of the whole scene. Baselines have neither parameters nor MACs to compare.",
    ]
    seeds = len({cell.seed for cell in cells})
    if 1 < seeds < FEW_SPLITS:
        notes.append(
            f"{seeds} splits say little: their spread is hardly known, so intervals and p of "
            f"fewer than {FEW_SPLITS} prove nothing by themselves."
        )
    environments = {(tuple(cell.versions.items()), cell.threads) for cell in cells}
    if len(environments) > 1:
        notes.append(
            f"The cells were computed with {len(environments)} different sets of versions and "
            "threads, which league.json names; their times do not compare."
        )
    return notes
