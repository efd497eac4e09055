"""Scenes of other wavelengths than a model's.

References: NumPy's `interp`, a pixel at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.data.wavelengths import at_wavelengths
from spectrolite.errors import SceneError
from spectrolite.products.scenes import open_scene


def scene_of(nm: tuple[float, ...]) -> sl.Scene:
    cube = np.random.default_rng(0).integers(0, 5000, (3, 4, len(nm))).astype(np.uint16)
    return sl.Scene(cube, name="field", wavelengths_nm=nm)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(data=st.data())
def test_interpolation_equals_numpys(data: st.DataObject) -> None:
    there = data.draw(st.lists(st.integers(400, 2500), min_size=2, max_size=12, unique=True))
    share = st.floats(0, 1)
    low, high = min(there), max(there)
    wanted = [low + s * (high - low) for s in data.draw(st.lists(share, min_size=1, max_size=9))]
    scene = scene_of(tuple(map(float, there)))
    made = at_wavelengths(scene, tuple(wanted), match=True)
    order = np.argsort(there)
    same_bands = len(there) == len(wanted) and all(
        abs(own - other) <= 1 for own, other in zip(there, wanted, strict=True)
    )
    assert (made is scene) == same_bands
    if same_bands:
        return
    for r, c in np.ndindex(3, 4):
        spectrum = scene.cube[r, c, order].astype(float)
        theirs = np.interp(wanted, np.array(there)[order], spectrum)
        np.testing.assert_allclose(made.cube[r, c].astype(float), theirs, rtol=1e-6, atol=1e-3)
    assert made.wavelengths_nm == tuple(wanted)


def test_a_scene_in_a_file_stays_there(tmp_path: Path) -> None:
    (tmp_path / "s.img").write_bytes(np.arange(12, dtype="<u2").tobytes())
    (tmp_path / "s.hdr").write_text(
        "ENVI\nsamples = 2\nlines = 2\nbands = 3\ndata type = 12\ninterleave = bip\n"
        "byte order = 0\nwavelength units = nm\nwavelength = {400, 500, 600}\n"
    )
    made = at_wavelengths(open_scene(tmp_path / "s.hdr"), (450.0, 600.0), match=True)
    assert (made.shape, made.dtype.name) == ((2, 2, 2), "float32")
    values, valid = made.read(Window(1, 2, 0, 2))
    assert values.tolist() == [[[6.5, 8.0], [9.5, 11.0]]]
    assert valid.all()


def test_the_same_bands_are_taken_as_they_are() -> None:
    scene = scene_of((500.0, 600.0))
    for wanted in (None, (500.0, 600.0), (500.9, 599.2)):
        assert at_wavelengths(scene, wanted) is scene
    bare = sl.Scene(scene.cube)
    assert at_wavelengths(bare, (1.0, 2.0)) is bare


@pytest.mark.parametrize(
    ("there", "wanted", "match", "said"),
    [
        (
            (500.0, 600.0),
            (500.0, 650.0),
            False,
            "field: other wavelengths than the model's: 1 of 2 bands are more than 1 nm off, the "
            "first is band 1, from 0: wanted 650 nm, got 600 nm; drop bands with --drop-bands, "
            "or interpolate with --match-wavelengths",
        ),
        (
            (500.0, 600.0, 700.0),
            (500.0, 650.0),
            False,
            "field: other wavelengths than the model's: wanted 2 bands from 500 to 650 nm, got 3 "
            "from 500 to 700 nm; drop bands with --drop-bands, or interpolate with "
            "--match-wavelengths",
        ),
        (
            (500.0, 600.0),
            (450.0, 550.0, 700.0),
            True,
            "field: --match-wavelengths: 2 of the model's 3 wavelengths are outside its range of "
            "500 to 600 nm, one by 100 nm at 700 nm; more than 50 nm cannot be filled: train "
            "without these bands (--drop-bands)",
        ),
        (
            (500.0,),
            None,
            True,
            "--match-wavelengths: the model has no wavelengths; omit --match-wavelengths",
        ),
    ],
)
def test_other_wavelengths_are_refused(
    there: tuple[float, ...], wanted: Any, match: bool, said: str
) -> None:
    with pytest.raises(SceneError) as caught:
        at_wavelengths(scene_of(there), wanted, match)
    assert str(caught.value) == said


def test_a_scene_that_ends_a_little_earlier_is_filled_with_its_outermost_bands() -> None:
    """By hand: 480 and 620 nm are 20 nm outside, 550 lies between; the note says so."""
    scene = scene_of((500.0, 600.0))
    made = at_wavelengths(scene, (480.0, 550.0, 620.0), True)
    first, last = (scene.cube[..., b].astype(float) for b in (0, 1))
    expected = np.stack([first, (first + last) / 2, last], -1)
    np.testing.assert_allclose(made.cube.astype(float), expected)
    assert made.notes == (
        "2 of the model's 3 wavelengths are outside its range of 500 to 600 nm, by up to 20 nm: "
        "its outermost bands stand in",
    )


def test_wavelengths_in_a_gap_between_bands_are_told() -> None:
    """Three bands were left out from 530 to 570 nm; at 505 nm nothing is missing."""
    scene = scene_of((500.0, 510.0, 520.0, 580.0, 590.0, 600.0))
    made = at_wavelengths(scene, (505.0, 535.0, 550.0), True)
    assert made.notes == (
        "2 of the model's 3 wavelengths lie in gaps between its bands, up to 60 nm wide: "
        "interpolated across",
    )


def test_a_model_maps_another_sensor_by_option(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    nm = tuple(400.0 + 20 * b for b in range(16))
    scene = sl.Scene(tiny[0].cube, name="tiny", wavelengths_nm=nm)
    split = sl.split(tiny[1], "random", train=0.2, seed=1)
    run = sl.train(scene, tiny[1], split, out=tmp_path / "run", components=13, epochs=1)
    assert run.bundle.config.wavelengths_nm == nm
    order = np.array(
        [b for pair in zip(range(1, 16, 2), range(0, 16, 2), strict=True) for b in pair]
    )
    swapped = sl.Scene(
        scene.cube[:, :, order], name="other", wavelengths_nm=tuple(nm[b] for b in order)
    )
    with pytest.raises(SceneError, match=r"^other: other wavelengths than the model's: 16 of 16 "):
        sl.classify(run, swapped)
    matched = sl.classify(run, swapped, match_wavelengths=True)
    assert matched.sha256 == sl.classify(run, scene).sha256
