"""The training spectra that a map is compared with, and what their own distances are.

Independent references: loops over pairs of pixels, with NumPy's norm; scipy's distances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.samples.band_reduction import Reduced, reduced_array
from spectrolite.samples.reference_spectra import Reference, noted, reference_spectra
from spectrolite.samples.split_scene import Split

CUBE = np.random.default_rng(0).normal(size=(12, 14, 3)).astype(np.float32)


def trained_on(labels: sl.Labels) -> Split:
    """A split whose training part is every labelled pixel of the first 12 columns."""
    cols = np.arange(labels.array.size) % labels.shape[1]
    train = np.flatnonzero((labels.array.ravel() > 0) & (cols < 12))
    return Split(labels, train, train[:0], train[:0], "given")


def fields(*places: tuple[slice, slice, int]) -> sl.Labels:
    array = np.zeros(CUBE.shape[:2], np.uint8)
    for rows, cols, i in places:
        array[rows, cols] = i
    return sl.Labels(array)


def naive(labels: sl.Labels, split: Split, patch: int) -> list[float]:
    """The distance of each training pixel to the nearest that is apart, by the rules in words."""
    found = []
    pixels = [divmod(int(p), labels.shape[1]) for p in split.train]
    for one in pixels:
        own = labels.array[one]
        of_class = {labels.fields[p] for p in pixels if labels.array[p] == own}
        apart = [
            p
            for p in pixels
            if (
                labels.fields[p] != labels.fields[one]
                if len(of_class) > 1
                else max(abs(p[0] - one[0]), abs(p[1] - one[1])) >= patch
            )
        ]
        if any(labels.array[p] == own for p in apart):
            found.append(min(float(np.linalg.norm(CUBE[p] - CUBE[one])) for p in apart))
    return sorted(found)


def reference_of(scene: Reduced, split: Split, patch: int, seed: int = 0) -> Reference:
    """As training goes: in windows that overlap."""
    (scene,), spectra = noted([scene], split, seed)
    rows, cols = split.labels.shapes[0]
    for window in (Window(0, rows - 2, 0, cols), Window(rows - 5, rows, 0, cols)):
        scene.read(window)
    return reference_spectra(spectra, split, patch)


TWO = fields(
    (slice(0, 4), slice(0, 4), 1),  # two fields of class 1
    (slice(8, 11), slice(5, 9), 1),
    (slice(0, 9), slice(10, 12), 2),  # one field of class 2, longer than a patch of 5
    (slice(11, 12), slice(0, 3), 3),  # one field of class 3 inside a patch: not measured
    (slice(0, 2), slice(12, 14), 3),  # not of the training part
)


def test_a_training_spectrum_is_measured_against_other_fields_or_beyond_its_patch() -> None:
    split = trained_on(TWO)
    made = reference_of(reduced_array(CUBE), split, 5)
    assert made.apart == "fields"
    assert np.array_equal(made.spectra, CUBE.reshape(-1, 3)[split.train])
    expected = naive(TWO, split, 5)
    assert len(expected) == 16 + 12 + 16  # rows 0 to 3 and 5 to 8 of class 2
    np.testing.assert_allclose(made.distances, expected, atol=1e-6)


def test_polygons_are_fields_of_their_own() -> None:
    array = np.zeros(CUBE.shape[:2], np.uint8)
    array[2:6, 2:6] = 1
    array[9, 9] = 2
    polygons = array.astype(np.int32)
    polygons[4:6, 2:6], polygons[9, 9] = 2, 3  # the one field is two polygons
    labels = sl.Labels(array, polygons=polygons)
    made = reference_of(reduced_array(CUBE), trained_on(labels), 25)
    upper, lower = CUBE[2:4, 2:6].reshape(-1, 3), CUBE[4:6, 2:6].reshape(-1, 3)
    other = CUBE[9, 9][None]
    expected = [
        *cdist(upper, np.concatenate([lower, other])).min(1),
        *cdist(lower, np.concatenate([upper, other])).min(1),
    ]
    np.testing.assert_allclose(made.distances, sorted(expected), atol=1e-6)


def test_one_small_field_a_class_leaves_the_nearest_other_pixel_and_says_so() -> None:
    labels = fields((slice(0, 3), slice(0, 3), 1), (slice(6, 8), slice(6, 8), 2))
    split = trained_on(labels)
    made = reference_of(reduced_array(CUBE), split, 25)
    between = cdist(made.spectra, made.spectra) + np.diag([np.inf] * 13)
    assert made.apart == "pixels"
    np.testing.assert_allclose(made.distances, np.sort(between.min(1)), atol=1e-6)


def test_a_rare_class_is_drawn_whole_and_nothing_is_read_for_it() -> None:
    """1,500 pixels of class 1, 40 of class 2, of a scene that stays in its file."""
    array = np.ones((40, 40), np.uint8)
    array[:2], array[2:4, :20] = 0, 2
    cube = np.arange(40 * 40, dtype=np.float32).reshape(40, 40, 1)  # a spectrum is its pixel
    labels = sl.Labels(array)
    train = np.flatnonzero(array)
    split = Split(labels, train, train[:0], train[:0], "given")
    reads = []

    def read(window: Any) -> NDArray[np.float32]:
        reads.append(window)
        return np.asarray(cube[window.slices])

    draws = [
        reference_of(Reduced(read, False), split, 5, seed=s).spectra[:, 0].astype(int)
        for s in (3, 3, 4)
    ]
    assert len(reads) == 3 * 2  # those of the training
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    for pixels in draws:
        assert len(np.unique(pixels)) == 1000
        assert set(pixels) <= set(split.train)
        rare = split.train[array.ravel()[split.train] == 2]
        assert set(rare) <= set(pixels)


def test_a_similarity_is_the_share_of_distances_as_large() -> None:
    """Against scipy's distances and a count."""
    generator = np.random.default_rng(1)
    known = generator.normal(size=(30, 4)).astype(np.float32)
    own = np.sort(generator.uniform(0, 3, 20)).astype(np.float32)
    spectra = generator.normal(size=(5000, 4), scale=1.5).astype(np.float32)
    made = Reference(known, own, "fields").similarity(torch.from_numpy(spectra)).numpy()
    nearest = cdist(spectra, known).min(1)
    clear = np.abs(nearest[:, None] - own).min(1) > 1e-4  # rounding may decide the others
    expected = [(own >= d).mean() for d in nearest]
    assert clear.mean() > 0.99
    np.testing.assert_allclose(made[clear], np.array(expected)[clear], atol=1e-6)
    assert made.dtype == np.float32
    assert made.max() > 0.9
    assert made.min() == 0
    at_home = Reference(known, own, "fields").similarity(torch.from_numpy(known)).numpy()
    assert at_home == pytest.approx(1)
