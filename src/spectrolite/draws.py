"""How each method draws its training pixels.

A draw takes some labelled pixels and returns those that train, with the ids of classes that were
too small for their share and got one pixel. `splits` uses it twice: on all labelled pixels, and on
the training pixels alone to set some of them aside for validation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.model_selection import train_test_split

from spectrolite.errors import SplitError
from spectrolite.leakage import Pixels
from spectrolite.scene import Labels

TRIES = 64  # draws of whole blocks, of which the best is taken

Values = dict[str, float]
Fits = Callable[[Pixels], int]


def draw_random(
    labels: Labels, pixels: Pixels, values: Values, seed: int, _: Fits
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
            f"random,train={values['train']}: {len(several)} labelled pixels of {len(ids)} classes "
            f"are too few for this share ({error})"
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
    labels: Labels, pixels: Pixels, values: Values, seed: int, _: Fits
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
    labels: Labels, pixels: Pixels, values: Values, seed: int, fits: Fits
) -> tuple[Pixels, set[int]]:
    """Whole blocks until every class has its share; the best of several draws."""
    block = _block_of(labels, pixels, int(values["side"]))
    ids, classes = np.unique(labels.array.ravel()[pixels], return_inverse=True)
    counts = np.zeros((block.max() + 1, len(ids)), np.int64)
    np.add.at(counts, (block, classes), 1)
    wanted = values["train"] * counts.sum(0)
    draws: list[tuple[int, int, Pixels]] = []
    for child in np.random.SeedSequence(seed).spawn(TRIES):
        order = np.random.default_rng(child).permutation(len(counts))
        taken = np.zeros(len(counts), bool)
        for c in np.argsort(counts.sum(0), kind="stable"):
            for b in order[counts[order, c] > 0]:
                if counts[taken, c].sum() >= wanted[c]:
                    break
                taken[b] = True
        train = pixels[taken[block]]
        draws.append((fits(train), -len(train), train))
    return max(draws, key=lambda draw: draw[:2])[2], set()


def draw_blocks_by_class(
    labels: Labels, pixels: Pixels, values: Values, seed: int, _: Fits
) -> tuple[Pixels, set[int]]:
    """Blocks for each class alone, the last one cut to the exact share."""
    generator = np.random.default_rng(seed)
    block = _block_of(labels, pixels, int(values["side"]))
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


DRAWS = {
    "random": draw_random,
    "per_class": draw_per_class,
    "blocks": draw_blocks,
    "blocks_by_class": draw_blocks_by_class,
}


def _block_of(labels: Labels, pixels: Pixels, side: int) -> NDArray[np.int64]:
    """Number of the block that each pixel lies in; blocks start at row 0, column 0."""
    rows, cols = np.unravel_index(pixels, labels.shape)
    across = -(-labels.shape[1] // side)
    return (rows // side) * across + cols // side


def classes_kept(labels: Labels, pixels: Pixels, guard: int) -> Fits:
    """How many classes a training part of `pixels` leaves on both sides of the guard."""

    def fits(train: Pixels) -> int:
        rest = np.setdiff1d(pixels, train)
        if guard:
            near = np.zeros(labels.shape, bool)
            near.flat[train] = True
            near = ndimage.maximum_filter(near, 2 * guard + 1, mode="constant")
            rest = rest[~near.ravel()[rest]]
        classes = labels.array.ravel()
        return len(np.intersect1d(classes[train], classes[rest]))

    return fits
