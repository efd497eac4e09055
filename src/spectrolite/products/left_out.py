"""What a scene leaves out of a product: pixels that it marks, and bands without ground signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spectrolite.errors import SettingsError, listed, ranges, wanted_one_of
from spectrolite.readers.scenes.cube import Cube, QualityLayer

WATER_VAPOUR_NM = ((1340.0, 1450.0), (1800.0, 1960.0))
"""Where water vapour takes all light on its way down and up."""
WATER_VAPOUR, FLAGGED = "water-vapour", "flagged"
BANDS = (FLAGGED, WATER_VAPOUR)
NONE = "none"


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What is left out of a scene.

    Attributes:
        bands: numbers, from 0, ascending.
        layers: the layers whose marked pixels have no spectrum.
        notes: what is left out, and what could be, a sentence each.
    """

    bands: tuple[int, ...]
    layers: tuple[QualityLayer, ...]
    notes: tuple[str, ...]


def left_out(cube: Cube, words: Sequence[str] | None, *, bands: bool = True) -> LeftOut:
    """What is left out of a cube.

    Args:
        cube: of a product, or of another file with bad bands or wavelengths.
        words: what to leave out, pixels and bands; the default of a product holds for the kind that
            no word names. None for the whole default, which is nothing for another file; `none` for
            nothing.
        bands: whether bands are left out by default; not if a model says which ones it takes.

    Raises:
        SettingsError: a word for something that the product does not say.
    """
    numbers = {FLAGGED: cube.bad_bands, WATER_VAPOUR: _in_water_vapour(cube)}
    layers = {layer.name: layer for layer in cube.quality}
    known = [*layers, *(word for word in BANDS if numbers[word])]
    chosen = [] if words is None else list(words)
    if cube.product and NONE not in chosen:  # words replace the default of their own kind alone
        if not any(word in layers for word in chosen):
            chosen += [word for word, layer in layers.items() if layer.left_out]
        if bands and not any(word in BANDS for word in chosen):
            chosen += [word for word in BANDS if numbers[word]]
    if NONE in chosen and len(chosen) > 1:
        raise SettingsError(f"--leave-out: none leaves nothing out; give it alone, got {chosen}")
    for word in chosen:
        if word not in (*known, *BANDS, NONE):
            raise SettingsError(
                f"--leave-out: {wanted_one_of((*known, NONE), word)}"
                if known
                else f"--leave-out: {word}: this file marks no pixels and no bands"
            )
    kept = {b for word in chosen for b in numbers.get(word, ())}
    return LeftOut(
        tuple(sorted(kept)),
        tuple(layers[word] for word in chosen if word in layers),
        tuple(_notes(list(layers), numbers, chosen, known if bands else list(layers)))
        if cube.product or words
        else (),
    )


def _in_water_vapour(cube: Cube) -> tuple[int, ...]:
    nm = np.asarray(cube.wavelengths_nm or (), np.float64)
    inside = [(nm >= low) & (nm <= high) for low, high in WATER_VAPOUR_NM]
    return tuple(int(b) for b in np.flatnonzero(np.any(inside, axis=0)))


def _notes(
    layers: list[str],
    numbers: dict[str, tuple[int, ...]],
    chosen: list[str],
    known: list[str],
) -> list[str]:
    notes = []
    pixels = [word for word in chosen if word in layers]
    if pixels:
        notes.append(f"left out: pixels marked {listed(pixels)}")
    for word in BANDS:
        if word in chosen and numbers[word]:
            where = ranges(list(numbers[word]))
            what = "that it flags" if word == FLAGGED else "of water vapour"
            count = len(numbers[word])
            noun = "band" if count == 1 else "bands"
            notes.append(f"left out: {count} {noun} {what}: {where}, from 0")
    others = [word for word in known if word not in chosen]
    if others:
        notes.append(f"kept: {listed(others)}; --leave-out names what to leave out")
    elif notes:
        notes.append("--leave-out none keeps all of this")
    return notes
