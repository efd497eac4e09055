"""How each method draws its training pixels.

A draw takes some labelled pixels and returns those that train, with the ids of classes that were
too small for their share and got one pixel. `splits` uses it twice: on all labelled pixels, and on
the training pixels alone to set some of them aside for validation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.model_selection import train_test_split

from spectrolite.data.scene_sets import AnyLabels, Pixels, scene_by_scene, starts
from spectrolite.errors import SplitError

TRIES = 64  # draws of whole blocks, of which the best is taken

Values = dict[str, float]
Fits = Callable[[Pixels], int]


def draw_random(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: Fits
) -> tuple[Pixels, set[int]]:
    """A share of each class, as scikit-learn stratifies it."""
    classes = labels.array.ravel()[pixels]
    ids, counts = np.unique(classes, return_counts=True)
    # scikit-learn refuses to stratify a class of one pixel: it trains.
    alone = np.isin(classes, ids[counts == 1])
    share = round(1 - values["train"], 12)
    several = pixels[~alone]
    try:
        train, test = train_test_split(
            several, test_size=share, random_state=seed, stratify=classes[~alone]
        )
    except ValueError as error:
        raise SplitError(
            f"random: {len(several)} pixels of {len(ids)} classes are too few to be divided "
            f"{values['train']:.6g} to {share:.6g} ({error}); change train or validation"
        ) from error
    train = np.concatenate([train, pixels[alone]])
    raised = {int(i) for i in ids[counts == 1]}
    generator = np.random.default_rng(seed)
    for i in np.setdiff1d(ids, labels.array.ravel()[train]):
        here = np.sort(test[labels.array.ravel()[test] == i])
        train = np.append(train, generator.choice(here))
        raised.add(int(i))
    return train, raised


def draw_per_class(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: Fits
) -> tuple[Pixels, set[int]]:
    """`n` pixels of each class; one of a class that has no more than `n`."""
    generator = np.random.default_rng(seed)
    classes = labels.array.ravel()[pixels]
    chosen, raised = [], set()
    for i in np.unique(classes):
        here = generator.permutation(pixels[classes == i])
        n = int(values["n"])
        if len(here) <= n:
            n = 1
            raised.add(int(i))
        chosen.append(here[:n])
    return np.concatenate(chosen), raised


def draw_blocks(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> tuple[Pixels, set[int]]:
    """Whole blocks until every class has its share; the best of several draws."""
    return _whole_blocks(labels, pixels, values, seed, fits, spare=False), set()


def draw_validation_blocks(labels: AnyLabels, train: Pixels, values: Values, seed: int) -> Pixels:
    """Whole blocks out of the training ones until every class has its share of them.

    No block is taken that holds all that is left of a class, so that training keeps every class; a
    class that cannot spare enough blocks stays below its share.
    """
    fits = classes_kept(labels, train, 0)
    return _whole_blocks(labels, train, values, seed, fits, spare=True)


def _whole_blocks(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits, spare: bool
) -> Pixels:
    """Of several draws the one with most classes on both sides, then with fewest pixels."""
    block = block_of(labels, pixels, int(values["side"]))
    ids, classes = np.unique(labels.array.ravel()[pixels], return_inverse=True)
    counts = np.zeros((block.max() + 1, len(ids)), np.int64)
    np.add.at(counts, (block, classes), 1)
    totals = counts.sum(0)
    wanted = values["train"] * totals
    draws: list[tuple[int, int, Pixels]] = []
    for child in np.random.SeedSequence(seed).spawn(TRIES):
        order = np.random.default_rng(child).permutation(len(counts))
        taken = np.zeros(len(counts), bool)
        for c in np.argsort(totals, kind="stable"):
            for b in order[counts[order, c] > 0]:
                got = counts[taken].sum(0)
                if got[c] >= wanted[c]:
                    break
                if spare and (counts[b] == totals - got)[counts[b] > 0].any():
                    continue
                taken[b] = True
        drawn = pixels[taken[block]]
        draws.append((fits(drawn), -len(drawn), drawn))
    return max(draws, key=lambda draw: draw[:2])[2]


def draw_blocks_by_class(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: Fits
) -> tuple[Pixels, set[int]]:
    """Blocks for each class alone, the last one cut to the exact share."""
    generator = np.random.default_rng(seed)
    block = block_of(labels, pixels, int(values["side"]))
    classes = labels.array.ravel()[pixels]
    chosen, raised = [], set()
    for i in np.unique(classes):
        here, blocks = pixels[classes == i], block[classes == i]
        n = round(values["train"] * len(here))
        if n == 0:
            n = 1
            raised.add(int(i))
        place = np.empty(block.max() + 1, np.int64)
        place[generator.permutation(len(place))] = np.arange(len(place))
        chosen.append(here[np.argsort(place[blocks], kind="stable")[:n]])
    return np.concatenate(chosen), raised


def draw_fields(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> tuple[Pixels, set[int]]:
    """Whole fields of each class until it has its share; a class of one field trains."""
    taken = partial(_fields_taken, values["train"], 1)
    return _whole(labels.fields, labels, pixels, values, seed, fits, taken), set()


def draw_validation_fields(labels: AnyLabels, train: Pixels, values: Values, seed: int) -> Pixels:
    """Whole fields out of the training ones; a class with one of them keeps it for training."""
    taken = partial(_fields_taken, values["train"], 0)
    fits = classes_kept(labels, train, 0)
    return _whole(labels.fields, labels, train, values, seed, fits, taken)


def draw_scenes(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> tuple[Pixels, set[int]]:
    """A share of the scenes, whole: at least one and never all."""
    return _whole_scenes(labels, pixels, values, seed, fits), set()


def draw_validation_scenes(labels: AnyLabels, train: Pixels, values: Values, seed: int) -> Pixels:
    """Whole scenes out of the training ones; one at least is left to train."""
    return _whole_scenes(labels, train, values, seed, classes_kept(labels, train, 0))


def _whole_scenes(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> Pixels:
    """Of several draws the one with most classes on both sides, then nearest to the share."""
    scenes = [pixels[there] for _, there, _ in scene_by_scene(labels.shapes, pixels)]
    scenes = [scene for scene in scenes if len(scene)]
    count = min(max(1, round(values["train"] * len(scenes))), len(scenes) - 1)
    draws: list[tuple[int, float, Pixels]] = []
    for child in np.random.SeedSequence(seed).spawn(TRIES):
        order = np.random.default_rng(child).permutation(len(scenes))
        drawn = np.concatenate([pixels[:0], *(scenes[s] for s in order[:count])])
        draws.append((fits(drawn), -abs(len(drawn) / len(pixels) - values["train"]), drawn))
    return max(draws, key=lambda draw: draw[:2])[2]


def draw_polygons(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> tuple[Pixels, set[int]]:
    """A share of the polygons of each class, whole; a class of one polygon trains."""
    taken = partial(_polygons_taken, values["train"], 1)
    return _whole(_polygons(labels), labels, pixels, values, seed, fits, taken), set()


def draw_validation_polygons(labels: AnyLabels, train: Pixels, values: Values, seed: int) -> Pixels:
    """Whole polygons out of the training ones; one of each class at least is left to train."""
    taken = partial(_polygons_taken, values["train"], 0)
    fits = classes_kept(labels, train, 0)
    return _whole(_polygons(labels), labels, train, values, seed, fits, taken)


def _fields_taken(share: float, lone: int, sizes: NDArray[np.int64]) -> int:
    """Of a class's fields, in the order drawn, those until it has its share of pixels.

    The last is never taken; where there is but one, `lone` are.
    """
    before = np.cumsum(sizes) - sizes
    return min(int((before < share * sizes.sum()).sum()), len(sizes) - 1 or lone)


def _polygons_taken(share: float, least: int, sizes: NDArray[np.int64]) -> int:
    """Of a class's n polygons round(share * n), `least` or more.

    Never all, but where `least` is all there are.
    """
    return max(least, min(round(share * len(sizes)), len(sizes) - 1))


def _polygons(labels: AnyLabels) -> NDArray[np.int32]:
    if labels.polygons is None:
        raise SplitError(
            f"polygons: {labels.name} knows no polygons; take labels that were drawn as polygons "
            "(.gpkg, .geojson, .shp, or a .csv with a column polygon), or the split fields"
        )
    return labels.polygons


def _whole(
    groups: NDArray[np.int32],
    labels: AnyLabels,
    pixels: Pixels,
    values: Values,
    seed: int,
    fits: Fits,
    taken_of: Callable[[NDArray[np.int64]], int],
) -> Pixels:
    """Of several draws of whole groups the one with most classes on both sides.

    Among those with as many, the one nearest to the share in pixels.

    Args:
        groups: `(rows, cols)` number of each pixel's field or polygon.
        labels: the labels.
        pixels: to draw from.
        values: of the split.
        seed: of the draws.
        fits: how many classes a draw leaves on both sides.
        taken_of: pixels of each group of a class, in random order, to how many of them are taken.
    """
    numbers, first, group, sizes = np.unique(
        groups.ravel()[pixels], return_index=True, return_inverse=True, return_counts=True
    )
    class_of = labels.array.ravel()[pixels[first]]
    draws: list[tuple[int, float, Pixels]] = []
    for child in np.random.SeedSequence(seed).spawn(TRIES):
        order = np.random.default_rng(child).permutation(len(numbers))
        taken, off = np.zeros(len(numbers), bool), 0.0
        for i in np.unique(class_of):
            mine = order[class_of[order] == i]
            chosen = mine[: taken_of(sizes[mine])]
            taken[chosen] = True
            off += abs(float(sizes[chosen].sum() / sizes[mine].sum()) - values["train"])
        drawn = pixels[taken[group]]
        draws.append((fits(drawn), -off, drawn))
    return max(draws, key=lambda draw: draw[:2])[2]


DRAWS = {
    "random": draw_random,
    "per_class": draw_per_class,
    "blocks": draw_blocks,
    "blocks_by_class": draw_blocks_by_class,
    "fields": draw_fields,
    "polygons": draw_polygons,
    "scenes": draw_scenes,
}


def block_of(labels: AnyLabels, pixels: Pixels, side: int) -> NDArray[np.int64]:
    """Number of the block that each pixel lies in; blocks start at row 0, column 0 of a scene."""
    blocks, before = np.empty(len(pixels), np.int64), 0
    for shape, there, here in scene_by_scene(labels.shapes, pixels):
        rows, cols = np.unravel_index(here, shape)
        down, across = -(-shape[0] // side), -(-shape[1] // side)
        blocks[there] = before + (rows // side) * across + cols // side
        before += down * across
    return blocks


def classes_kept(labels: AnyLabels, pixels: Pixels, guard: int) -> Fits:
    """How many classes a training part of `pixels` leaves on both sides of the guard."""

    def fits(train: Pixels) -> int:
        rest = np.setdiff1d(pixels, train)
        if guard:
            guarded = np.zeros(labels.array.size, bool)
            parts = scene_by_scene(labels.shapes, train)
            for first, (shape, _, here) in zip(starts(labels.shapes), parts, strict=False):
                near = np.zeros(shape, bool)
                near.flat[here] = True
                side = 2 * min(guard, max(shape)) + 1
                near = ndimage.maximum_filter(near, side, mode="constant")
                guarded[first : first + near.size] = near.ravel()
            rest = rest[~guarded[rest]]
        classes = labels.array.ravel()
        return len(np.intersect1d(classes[train], classes[rest]))

    return fits
