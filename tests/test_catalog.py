"""Named data sets.

References: the class counts as published with Indian Pines (typed in again here), the files that
tensorly installs, opened without this package, and tensorly's own loader.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorly
from tensorly.datasets import load_indian_pines

from spectrolite import catalog
from spectrolite.catalog import DATASETS, INDIAN_PINES, INDIAN_PINES_SHA256, dataset, load
from spectrolite.errors import MissingExtraError, ReadError, SettingsError
from spectrolite.scene import Labels, Scene, check_pair

FILES = Path(tensorly.__file__).parent / "datasets" / "data"
PUBLISHED = {
    1: 46, 2: 1428, 3: 830, 4: 237, 5: 483, 6: 730, 7: 28, 8: 478, 9: 20, 10: 972, 11: 2455,
    12: 593, 13: 205, 14: 1265, 15: 386, 16: 93,
}  # fmt: skip


@pytest.fixture(scope="module")
def indian_pines() -> tuple[Scene, Labels]:
    return load("indian_pines")


def test_the_published_counts_are_those_of_the_labels(indian_pines: tuple[Scene, Labels]) -> None:
    _, labels = indian_pines
    assert labels.counts() == PUBLISHED
    assert tuple(INDIAN_PINES.counts.values()) == tuple(PUBLISHED.values())
    assert INDIAN_PINES.labelled == sum(PUBLISHED.values()) == 10_249


def test_class_names_stand_at_the_published_ids(indian_pines: tuple[Scene, Labels]) -> None:
    names = indian_pines[1].class_names
    assert names == INDIAN_PINES.class_names
    assert (names[1], names[9], names[11], names[16]) == (
        "Alfalfa", "Oats", "Soybean-mintill", "Stone-Steel-Towers",
    )  # fmt: skip


def test_the_scene_is_the_published_one(indian_pines: tuple[Scene, Labels]) -> None:
    scene, labels = indian_pines
    check_pair(scene, labels)
    theirs = load_indian_pines()
    np.testing.assert_array_equal(scene.cube, np.load(FILES / "Indian_pines_corrected.npy"))
    np.testing.assert_array_equal(scene.cube, theirs.tensor)
    np.testing.assert_array_equal(labels.array, theirs.ticks[0])
    assert scene.shape == INDIAN_PINES.shape == (145, 145, 200)
    assert (int(scene.cube.min()), int(scene.cube.max())) == (955, 9604)
    assert scene.name == labels.name == "indian_pines"
    assert scene.source == labels.source == {"data": "indian_pines"}


def test_wavelengths_are_nanometres_in_the_order_of_the_bands(
    indian_pines: tuple[Scene, Labels],
) -> None:
    wavelengths = indian_pines[0].wavelengths_nm
    assert wavelengths is not None
    assert len(wavelengths) == 200
    assert 399 < min(wavelengths) < max(wavelengths) < 2501
    assert list(wavelengths) != sorted(wavelengths)
    np.testing.assert_array_equal(wavelengths, load_indian_pines().ticks[1])


def test_the_notes_say_what_the_map_shows(indian_pines: tuple[Scene, Labels]) -> None:
    labels = indian_pines[1]
    fields = {i: len(np.unique(labels.fields[labels.array == i])) for i in labels.class_ids}
    assert sum(n == 1 for n in fields.values()) == 7
    assert INDIAN_PINES.notes.startswith("Seven of the 16 classes are one connected field")


def test_the_checksums_are_those_of_the_files_read_back(
    indian_pines: tuple[Scene, Labels], tmp_path: Path
) -> None:
    for part, sha256 in INDIAN_PINES_SHA256.items():
        content = (FILES / f"Indian_pines_{part}.npy").read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
    for part, array in zip(
        ("corrected", "gt"), (indian_pines[0].cube, np.load(FILES / "Indian_pines_gt.npy")),
        strict=True,
    ):  # fmt: skip
        np.save(tmp_path / "again.npy", array)
        content = (tmp_path / "again.npy").read_bytes()
        assert hashlib.sha256(content).hexdigest() == INDIAN_PINES_SHA256[part]


def test_a_data_set_is_known_by_its_name() -> None:
    assert dataset("indian_pines") is INDIAN_PINES
    assert all(name == known.name for name, known in DATASETS.items())
    assert all(k.licence and k.source and k.notes and k.pixel_m > 0 for k in DATASETS.values())


@pytest.mark.parametrize("ask", [dataset, load])
def test_an_unknown_name_lists_the_known_ones(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(SettingsError) as caught:
        ask("indian_pine")
    assert str(caught.value) == "data: wanted one of indian_pines, got 'indian_pine'"


@pytest.mark.parametrize("spec", [None, SimpleNamespace(origin=None)])
def test_without_the_package_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, spec: SimpleNamespace | None
) -> None:
    monkeypatch.setattr(catalog, "util", SimpleNamespace(find_spec=lambda name: spec))
    with pytest.raises(MissingExtraError) as caught:
        load("indian_pines")
    assert str(caught.value) == (
        "the data set indian_pines needs the package tensorly, which is not installed; "
        "install it with: pip install 'spectrolite[demo]'"
    )
    back = pickle.loads(pickle.dumps(caught.value))
    assert (type(back), str(back)) == (MissingExtraError, str(caught.value))


@pytest.fixture
def installed_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the data of an installed tensorly."""
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(catalog, "util", SimpleNamespace(find_spec=lambda name: spec))
    folder = tmp_path / "datasets" / "data"
    folder.mkdir(parents=True)
    return folder


def test_a_missing_file_says_how_to_get_it(installed_elsewhere: Path) -> None:
    with pytest.raises(ReadError) as caught:
        load("indian_pines")
    assert str(caught.value) == (
        f"{installed_elsewhere / 'Indian_pines_corrected.npy'}: cannot be read "
        "(No such file or directory); reinstall: pip install tensorly==0.10.0"
    )


def test_other_bytes_than_the_published_ones_are_refused(installed_elsewhere: Path) -> None:
    path = installed_elsewhere / "Indian_pines_corrected.npy"
    np.save(path, np.zeros((145, 145, 200), np.uint8))
    with pytest.raises(ReadError) as caught:
        load("indian_pines")
    assert str(caught.value) == (
        f"{path}: other bytes than the published file (sha256 8f038e4d8156… wanted); "
        "reinstall: pip install --force-reinstall tensorly==0.10.0"
    )
