"""How each split method draws its training pixels.

A method takes some labelled pixels and returns those that train, with the ids of the classes that
were too small for their share and got one pixel. `split` uses it twice: on all labelled pixels, and
on the training pixels alone to set some of them aside for validation. Methods that keep blocks,
fields, polygons or scenes whole draw the validation pixels directly (`VALIDATION_DRAWS`); for the
others, the pixels that are not drawn validate.
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

TRIES = 64  # seeded draws of whole blocks, fields, polygons or scenes, of which the best is used

Values = dict[str, float]
CountClasses = Callable[[Pixels], int]
"""How many classes have both training and test pixels if these pixels train."""
Draw = Callable[[AnyLabels, Pixels, Values, int, CountClasses], tuple[Pixels, set[int]]]


def draw_random(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: CountClasses
) -> tuple[Pixels, set[int]]:
    """A share of each class, as scikit-learn stratifies it."""
    classes = labels.array.ravel()[pixels]
    ids, counts = np.unique(classes, return_counts=True)
    # scikit-learn does not stratify a class of one pixel, so that pixel trains
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
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: CountClasses
) -> tuple[Pixels, set[int]]:
    """`n` pixels of each class; one pixel of a class that has `n` or fewer."""
    generator = np.random.default_rng(seed)
    classes = labels.array.ravel()[pixels]
    train, raised = [], set()
    for i in np.unique(classes):
        here = generator.permutation(pixels[classes == i])
        n = int(values["n"])
        if len(here) <= n:
            n = 1
            raised.add(int(i))
        train.append(here[:n])
    return np.concatenate(train), raised


def draw_blocks(
    labels: AnyLabels,
    pixels: Pixels,
    values: Values,
    seed: int,
    count_classes: CountClasses,
    spare: bool = False,
) -> tuple[Pixels, set[int]]:
    """Whole blocks until every class has its share, the rarest class first.

    With `spare`, as for validation, no block is taken that holds all that is left of a class, so
    that training keeps every class; a class without enough other blocks stays below its share.
    """
    block = block_of(labels, pixels, int(values["side"]))
    ids, classes = np.unique(labels.array.ravel()[pixels], return_inverse=True)
    counts = np.zeros((block.max() + 1, len(ids)), np.int64)
    np.add.at(counts, (block, classes), 1)
    totals = counts.sum(0)
    wanted = values["train"] * totals

    def draw(generator: np.random.Generator) -> tuple[Pixels, float]:
        order = generator.permutation(len(counts))
        taken = np.zeros(len(counts), bool)
        for c in np.argsort(totals, kind="stable"):
            for b in order[counts[order, c] > 0]:
                so_far = counts[taken].sum(0)
                if so_far[c] >= wanted[c]:
                    break
                if spare and (counts[b] == totals - so_far)[counts[b] > 0].any():
                    continue
                taken[b] = True
        train = pixels[taken[block]]
        return train, -len(train)

    return _best(draw, seed, count_classes), set()


def draw_blocks_by_class(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, _: CountClasses
) -> tuple[Pixels, set[int]]:
    """Blocks for each class alone, the last block cut to the exact share."""
    generator = np.random.default_rng(seed)
    block = block_of(labels, pixels, int(values["side"]))
    classes = labels.array.ravel()[pixels]
    train, raised = [], set()
    for i in np.unique(classes):
        here, blocks = pixels[classes == i], block[classes == i]
        n = round(values["train"] * len(here))
        if n == 0:
            n = 1
            raised.add(int(i))
        place = np.empty(block.max() + 1, np.int64)
        place[generator.permutation(len(place))] = np.arange(len(place))
        train.append(here[np.argsort(place[blocks], kind="stable")[:n]])
    return np.concatenate(train), raised


def draw_fields(
    labels: AnyLabels,
    pixels: Pixels,
    values: Values,
    seed: int,
    count_classes: CountClasses,
    least: int = 1,
) -> tuple[Pixels, set[int]]:
    """Whole fields of each class, in random order, until it has its share of pixels.

    The last field of a class is never taken; of a class with a single field, `least` are.
    """

    def fields_taken(sizes: NDArray[np.int64]) -> int:
        before = np.cumsum(sizes) - sizes
        return min(int((before < values["train"] * sizes.sum()).sum()), len(sizes) - 1 or least)

    return _whole_groups(labels.fields, labels, pixels, values, seed, count_classes, fields_taken)


def draw_polygons(
    labels: AnyLabels,
    pixels: Pixels,
    values: Values,
    seed: int,
    count_classes: CountClasses,
    least: int = 1,
) -> tuple[Pixels, set[int]]:
    """Whole polygons: of a class's n, round(share * n), at least `least` and never all.

    Of a class with a single polygon, `least` are taken.
    """
    if labels.polygons is None:
        raise SplitError(
            f"polygons: {labels.name} has no polygons; take labels that were drawn as polygons "
            "(.gpkg, .geojson, .shp, or a .csv with a column polygon), or the split fields"
        )

    def polygons_taken(sizes: NDArray[np.int64]) -> int:
        return max(least, min(round(values["train"] * len(sizes)), len(sizes) - 1))

    groups = labels.polygons
    return _whole_groups(groups, labels, pixels, values, seed, count_classes, polygons_taken)


def _whole_groups(
    groups: NDArray[np.int32],
    labels: AnyLabels,
    pixels: Pixels,
    values: Values,
    seed: int,
    count_classes: CountClasses,
    number_taken: Callable[[NDArray[np.int64]], int],
) -> tuple[Pixels, set[int]]:
    """Whole fields or polygons of each class; the score is the distance to the share in pixels.

    Args:
        groups: number of each pixel's field or polygon.
        labels: the labels.
        pixels: to draw from.
        values: of the split.
        seed: of the draws.
        count_classes: to compare the draws.
        number_taken: from the sizes of a class's groups, in random order, how many are taken.
    """
    numbers, first, group, sizes = np.unique(
        groups.ravel()[pixels], return_index=True, return_inverse=True, return_counts=True
    )
    class_of = labels.array.ravel()[pixels[first]]

    def draw(generator: np.random.Generator) -> tuple[Pixels, float]:
        order = generator.permutation(len(numbers))
        taken, off = np.zeros(len(numbers), bool), 0.0
        for i in np.unique(class_of):
            of_class = order[class_of[order] == i]
            first_groups = of_class[: number_taken(sizes[of_class])]
            taken[first_groups] = True
            share = float(sizes[first_groups].sum() / sizes[of_class].sum())
            off += abs(share - values["train"])
        return pixels[taken[group]], -off

    return _best(draw, seed, count_classes), set()


def draw_scenes(
    labels: AnyLabels, pixels: Pixels, values: Values, seed: int, count_classes: CountClasses
) -> tuple[Pixels, set[int]]:
    """A share of the scenes, whole: at least one and never all."""
    scenes = [pixels[places] for _, places, _ in scene_by_scene(labels.shapes, pixels)]
    scenes = [scene for scene in scenes if len(scene)]
    count = min(max(1, round(values["train"] * len(scenes))), len(scenes) - 1)

    def draw(generator: np.random.Generator) -> tuple[Pixels, float]:
        order = generator.permutation(len(scenes))
        train = np.concatenate([pixels[:0], *(scenes[s] for s in order[:count])])
        return train, -abs(len(train) / len(pixels) - values["train"])

    return _best(draw, seed, count_classes), set()


DRAWS: dict[str, Draw] = {
    "random": draw_random,
    "per_class": draw_per_class,
    "blocks": draw_blocks,
    "blocks_by_class": draw_blocks_by_class,
    "fields": draw_fields,
    "polygons": draw_polygons,
    "scenes": draw_scenes,
}
VALIDATION_DRAWS: dict[str, Draw] = {
    "blocks": partial(draw_blocks, spare=True),
    "fields": partial(draw_fields, least=0),
    "polygons": partial(draw_polygons, least=0),
    "scenes": draw_scenes,
}


def _best(
    draw: Callable[[np.random.Generator], tuple[Pixels, float]],
    seed: int,
    count_classes: CountClasses,
) -> Pixels:
    """Of several draws, the one with most classes on both sides; among those, the best score."""
    draws = []
    for child in np.random.SeedSequence(seed).spawn(TRIES):
        train, score = draw(np.random.default_rng(child))
        draws.append((count_classes(train), score, train))
    return max(draws, key=lambda drawn: drawn[:2])[2]


def block_of(labels: AnyLabels, pixels: Pixels, side: int) -> NDArray[np.int64]:
    """Number of the block that each pixel lies in; blocks start at row 0, column 0 of a scene."""
    blocks, before = np.empty(len(pixels), np.int64), 0
    for shape, places, here in scene_by_scene(labels.shapes, pixels):
        rows, cols = np.unravel_index(here, shape)
        down, across = -(-shape[0] // side), -(-shape[1] // side)
        blocks[places] = before + (rows // side) * across + cols // side
        before += down * across
    return blocks


def classes_kept(labels: AnyLabels, pixels: Pixels, guard: int) -> CountClasses:
    """A function that counts the classes of `pixels` with both training and test pixels.

    It takes the training pixels; those of `pixels` that lie farther from them than the guard test.
    """

    def count_classes(train: Pixels) -> int:
        test = np.setdiff1d(pixels, train)
        if guard:
            guarded = np.zeros(labels.array.size, bool)
            scenes = scene_by_scene(labels.shapes, train)
            for first, (shape, _, here) in zip(starts(labels.shapes), scenes, strict=False):
                near = np.zeros(shape, bool)
                near.flat[here] = True
                side = 2 * min(guard, max(shape)) + 1
                near = ndimage.maximum_filter(near, side, mode="constant")
                guarded[first : first + near.size] = near.ravel()
            test = test[~guarded[test]]
        classes = labels.array.ravel()
        return len(np.intersect1d(classes[train], classes[test]))

    return count_classes
