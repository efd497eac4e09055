"""The validation part: drawn from the training pixels alone, by the split's own method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samples.label_maps import DRAWN, counts_of, scattered, sized
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples import split_scene
from spectrolite.samples.split_methods import DRAWS, VALIDATION_DRAWS
from spectrolite.samples.split_scene import split


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_validation_is_drawn_from_the_training_part_alone(
    method: str, parameters: dict[str, Any]
) -> None:
    labels = scattered()
    whole = split(labels, method, seed=5, allow_missing=True, **parameters)
    drawn = split(labels, method, seed=5, validation=0.4, allow_missing=True, **parameters)
    np.testing.assert_array_equal(drawn.seen, whole.train)
    np.testing.assert_array_equal(drawn.test, whole.test)
    assert len(whole.validation) == 0
    assert 0 < len(drawn.validation) < len(whole.train)
    assert len(np.intersect1d(drawn.train, drawn.validation)) == 0


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_labels_of_test_pixels_cannot_change_the_validation_part(
    method: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = split(scattered(), method, seed=5, validation=0.4, **parameters)
    given_pixels: list[NDArray[np.int64]] = []

    def other_labels_elsewhere(labels: Labels, pixels: NDArray[np.int64]) -> Labels:
        given_pixels.append(pixels)
        array = np.full(labels.shape, 3)
        array.flat[pixels] = labels.array.flat[pixels]
        polygons = np.full(labels.shape, 10**6)
        polygons.flat[pixels] = np.asarray(labels.polygons).flat[pixels]
        return Labels(array, polygons=polygons)

    def draw_among_others(
        labels: Labels, pixels: NDArray[np.int64], values: Any, seed: int, count_classes: Any
    ) -> tuple[NDArray[np.int64], set[int]]:
        assert count_classes(pixels) == 0  # of the pixels it may draw from, none is left to test
        draw = VALIDATION_DRAWS.get(method, DRAWS[method]) if given_pixels else DRAWS[method]
        return draw(other_labels_elsewhere(labels, pixels), pixels, values, seed, count_classes)

    draws = {method: draw_among_others}
    monkeypatch.setattr(split_scene, "DRAWS", draws)
    monkeypatch.setattr(
        split_scene, "VALIDATION_DRAWS", draws if method in VALIDATION_DRAWS else {}
    )
    drawn = split(scattered(), method, seed=5, validation=0.4, **parameters)
    assert drawn.sha256 == plain.sha256
    assert len(given_pixels) == 2
    np.testing.assert_array_equal(given_pixels[1], drawn.seen)


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_the_order_of_training_pixels_cannot_change_the_validation_part(
    method: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = split(scattered(), method, seed=5, validation=0.4, **parameters)
    draw, generator = DRAWS[method], np.random.default_rng(0)

    def draw_in_another_order(*arguments: Any) -> tuple[NDArray[np.int64], set[int]]:
        train, raised = draw(*arguments)
        return generator.permutation(train), raised

    monkeypatch.setitem(DRAWS, method, draw_in_another_order)
    again = split(scattered(), method, seed=5, validation=0.4, **parameters)
    assert again.sha256 == plain.sha256


@pytest.mark.parametrize("method", ["random", "blocks_by_class"])
@pytest.mark.parametrize("validation", [0.1, 0.25, 0.8])
def test_validation_takes_its_share_of_every_class(
    method: str, validation: float, indian_pines: Labels
) -> None:
    drawn = split(indian_pines, method, train=0.3, seed=2, validation=validation)
    seen, kept = counts_of(drawn, drawn.seen), counts_of(drawn, drawn.validation)
    assert all(abs(kept.get(i, 0) - validation * n) <= 1 for i, n in seen.items())


def test_an_empty_validation_part_is_refused() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "per_class", n=1, validation=0.5)
    assert str(caught.value) == (
        "per_class,n=1,seed=0,validation=0.5: no validation pixel is left; "
        "raise validation, or take smaller blocks"
    )
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "blocks_by_class", train=0.5, validation=0.01)
    assert str(caught.value) == (
        "blocks_by_class,train=0.5,side=10,seed=0,validation=0.01: no validation pixel is left; "
        "raise validation, or take smaller blocks"
    )
