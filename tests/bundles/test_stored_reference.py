"""The training spectra beside a bundle's weights: stored, read, missing, damaged.

Independent reference: safetensors' own reading of the file, and the bytes of a bundle without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.errors import RunError
from spectrolite.samples.reference_spectra import Reference

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "scene_run" / "bundle"
COMPONENTS = 6


@pytest.fixture
def old() -> Bundle:
    bundle: Bundle = sl.load_bundle(OLD)
    return bundle


def spectra(components: int = COMPONENTS) -> Reference:
    generator = np.random.default_rng(0)
    own = np.sort(generator.random(5)).astype(np.float32)
    return Reference(generator.normal(size=(7, components)).astype(np.float32), own, "pixels")


def test_it_comes_back_and_changes_nothing_else(old: Bundle, tmp_path: Path) -> None:
    assert old.reference is None
    old.save(tmp_path / "without")
    replace(old, reference=spectra()).save(tmp_path / "with")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (OLD / name).read_bytes()
    assert not (tmp_path / "without" / "similarity.safetensors").exists()
    stored = load_file(tmp_path / "with" / "similarity.safetensors")
    assert np.array_equal(stored["spectra"], spectra().spectra)
    assert np.array_equal(stored["distances"], spectra().distances)
    again = sl.load_bundle(tmp_path / "with")
    assert again.sha256 == old.sha256
    assert again.reference.sha256 == spectra().sha256
    assert again.reference.apart == "pixels"


def changed(**arrays: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        known = {"spectra": spectra().spectra, "distances": spectra().distances}
        apart = {"apart": arrays.pop("apart", "fields")}
        save_file({**known, **arrays}, path, metadata=apart)

    return write


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (changed(spectra=np.ones((7, 5), np.float32)), "shapes (7, 5) and (5,)"),
        (changed(spectra=np.ones((7, 6))), "float64 and float32, wanted float32"),
        (changed(spectra=np.ones((0, 6), np.float32)), "0 spectra and 5 distances"),
        (changed(distances=np.ones(1001, np.float32)), "7 spectra and 1001 distances"),
        (changed(distances=np.full(3, np.nan, np.float32)), "NaN or infinite values"),
        (
            changed(distances=np.array([2, 1], np.float32)),
            "distances that do not ascend, or are of an unknown kind",
        ),
        (changed(apart="miles"), "distances that do not ascend, or are of an unknown kind"),
    ],
)
def test_a_damaged_one_is_refused(
    old: Bundle, tmp_path: Path, damage: Callable[[Path], None], why: str
) -> None:
    old.save(tmp_path)
    path = tmp_path / "similarity.safetensors"
    damage(path)
    with pytest.raises(RunError) as caught:
        sl.load_bundle(tmp_path)
    assert str(caught.value) == f"{path}: damaged ({why}); train again"


def test_a_file_cut_short_or_too_large_is_refused(old: Bundle, tmp_path: Path) -> None:
    replace(old, reference=spectra()).save(tmp_path)
    path = tmp_path / "similarity.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"similarity\.safetensors: damaged \(.*\); train again$"):
        sl.load_bundle(tmp_path)
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(RunError, match=r"damaged \(67,108,865 bytes\); train again$"):
        sl.load_bundle(tmp_path)
