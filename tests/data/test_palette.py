"""The default colours of classes, told apart by any eye.

The reference is the model of Machado, Oliveira and Fernandes (2009) for eyes that lack one kind of
cone, and the definitions of sRGB and CIE Lab; the Lab values of the primaries are in any textbook.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from spectrolite.data.labels import PALETTE
from spectrolite.pages.charts import COLOURS, LOSS, TRAINING, VALIDATION

EYES: dict[str, list[list[float]]] = {
    "of three cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def seen(colours: object, eye: str) -> NDArray[np.float64]:
    """CIE Lab of 8-bit colours, as an eye sees them."""
    stored = np.asarray(colours, float) / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    xyz = (light @ np.array(EYES[eye]).T).clip(0, 1) @ TO_XYZ.T / TO_XYZ.sum(1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def nearest(colours: object, eye: str) -> float:
    """The distance of the two nearest colours."""
    lab = seen(colours, eye)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)
    return float(apart[np.triu_indices(len(lab), 1)].min())


def test_lab_is_that_of_the_textbooks() -> None:
    primaries = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    textbook = [(53.24, 80.09, 67.20), (87.73, -86.18, 83.18), (32.30, 79.19, -107.86), (100, 0, 0)]
    np.testing.assert_allclose(seen(primaries, "of three cones"), textbook, atol=0.02)


@pytest.mark.parametrize("eye", EYES)
def test_any_eye_tells_the_first_colours_apart(eye: str) -> None:
    for first, bound in ((2, 79), (4, 50), (6, 29), (8, 26), (12, 20), (16, 18), (20, 15)):
        assert nearest(PALETTE[:first], eye) >= bound, first


@pytest.mark.parametrize("eye", EYES)
def test_any_eye_tells_the_lines_of_charts_apart_on_white(eye: str) -> None:
    lines = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS]
    assert nearest(lines[:8], eye) >= 20
    assert nearest([(255, 255, 255), *lines], eye) >= 15
    assert nearest([tuple(bytes.fromhex(c[1:])) for c in (LOSS, TRAINING, VALIDATION)], eye) >= 39


@pytest.mark.parametrize("eye", EYES)
def test_no_colour_is_taken_for_black_or_white(eye: str) -> None:
    """Black is no data, white the paper."""
    assert nearest([(0, 0, 0), *PALETTE], eye) >= 15
    assert nearest([(255, 255, 255), *PALETTE], eye) >= 13


def test_red_and_green_of_one_brightness_would_fail() -> None:
    assert nearest([(170, 85, 51), (102, 119, 51)], "of three cones") > 40
    assert nearest([(170, 85, 51), (102, 119, 51)], "deuteranopia") < 10
