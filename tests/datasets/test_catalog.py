"""Named data sets.

References: the class counts as published with Indian Pines and with the digits (typed in again
here), the files that tensorly installs, opened without this package, tensorly's and scikit-learn's
own loaders, and records of CIFAR served from this machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorly
from scipy.io import savemat
from sklearn.datasets import load_digits
from tensorly.datasets import load_indian_pines

from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels, check_pair
from spectrolite.data.scene import Scene
from spectrolite.datasets import catalog
from spectrolite.datasets.catalog import DATASETS, dataset, load
from spectrolite.datasets.descriptions import FILES, IMAGES, SCENES
from spectrolite.errors import DownloadError, MissingExtraError, ReadError, SettingsError
from spectrolite.readers.images.cifar import CIFAR10

INSTALLED = Path(tensorly.__file__).parent / "datasets" / "data"
INDIAN_PINES, DIGITS = SCENES["indian_pines"], IMAGES["digits"]
PUBLISHED = {
    1: 46,
    2: 1428,
    3: 830,
    4: 237,
    5: 483,
    6: 730,
    7: 28,
    8: 478,
    9: 20,
    10: 972,
    11: 2455,
    12: 593,
    13: 205,
    14: 1265,
    15: 386,
    16: 93,
}


@pytest.fixture(scope="module")
def indian_pines() -> tuple[Scene, Labels]:
    return load("indian_pines")


def test_the_published_counts_are_those_of_the_labels(indian_pines: tuple[Scene, Labels]) -> None:
    _, labels = indian_pines
    assert labels.counts() == PUBLISHED
    assert tuple(INDIAN_PINES.counts.values()) == tuple(PUBLISHED.values())
    assert INDIAN_PINES.labelled == sum(PUBLISHED.values()) == 10_249


def test_class_names_have_the_published_ids(indian_pines: tuple[Scene, Labels]) -> None:
    names = indian_pines[1].class_names
    assert names == INDIAN_PINES.class_names
    assert (names[1], names[9], names[11], names[16]) == (
        "Alfalfa",
        "Oats",
        "Soybean-mintill",
        "Stone-Steel-Towers",
    )


def test_the_scene_is_the_published_one(indian_pines: tuple[Scene, Labels]) -> None:
    scene, labels = indian_pines
    check_pair(scene, labels)
    theirs = load_indian_pines()
    np.testing.assert_array_equal(scene.cube, np.load(INSTALLED / "Indian_pines_corrected.npy"))
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
    arrays = {"cube": indian_pines[0].cube, "labels": np.load(INSTALLED / "Indian_pines_gt.npy")}
    for role, array in arrays.items():
        file = FILES["indian_pines"][role]
        assert hashlib.sha256((INSTALLED / file.name).read_bytes()).hexdigest() == file.sha256
        np.save(tmp_path / "again.npy", array)
        assert hashlib.sha256((tmp_path / "again.npy").read_bytes()).hexdigest() == file.sha256


def test_a_data_set_is_known_by_its_name() -> None:
    assert dataset("indian_pines") is INDIAN_PINES
    assert all(name == known.name for name, known in DATASETS.items())
    assert all(k.licence and k.source and k.notes for k in DATASETS.values())
    assert list(DATASETS) == [
        "indian_pines",
        "pavia_university",
        "pavia_centre",
        "salinas",
        "salinas_a",
        "ksc",
        "botswana",
        "houston_2013",
        "cifar10",
        "cifar100",
        "digits",
    ]


@pytest.mark.parametrize("ask", [dataset, load])
def test_an_unknown_name_lists_the_known_ones(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(SettingsError) as caught:
        ask("indian_pine")
    assert str(caught.value) == (
        f"data: wanted one of {', '.join(DATASETS)}, got 'indian_pine'; did you mean indian_pines?"
    )


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
        f"{path}: differs from the published file (sha256 8f038e4d8156… wanted); "
        "reinstall: pip install --force-reinstall tensorly==0.10.0"
    )


# Scenes that are downloaded


def test_published_counts_of_the_downloaded_scenes() -> None:
    """Against the totals and counts of the sources, typed in again here."""
    labelled = {name: d.labelled for name, d in SCENES.items() if name != "indian_pines"}
    assert labelled == {
        "pavia_university": 42_776,
        "pavia_centre": 148_152,
        "salinas": 54_129,
        "salinas_a": 5_348,
        "ksc": 5_211,
        "botswana": 3_248,
        "houston_2013": 2_832 + 12_197,
    }
    assert list(SCENES["ksc"].counts.values()) == [
        761,
        243,
        256,
        252,
        161,
        229,
        105,
        431,
        520,
        404,
        419,
        503,
        927,
    ]
    assert SCENES["salinas_a"].class_names[14] == "Lettuce_romaine_7wk"
    assert all(list(FILES[name]) == ["cube", "labels"] for name in SCENES)


CUBE = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
IDS = np.array([[0, 10, 10], [1, 0, 1]], np.uint8)


@pytest.fixture
def tiny_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny Salinas-A, which the table then knows instead of the real one."""
    known = replace(
        SCENES["salinas_a"], shape=(2, 3, 4), counts={"one": 2, "ten": 2}, class_ids=(1, 10)
    )
    monkeypatch.setitem(DATASETS, "salinas_a", known)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "far").mkdir()
    savemat(tmp_path / "far" / "SalinasA_corrected.mat", {"salinasA_corrected": CUBE, "x": CUBE})
    savemat(tmp_path / "far" / "SalinasA_gt.mat", {"salinasA_gt": IDS})
    return tmp_path / "far"


@pytest.fixture
def mirror(tiny_scene: Path) -> Iterator[tuple[str, list[str]]]:
    """That folder on a server of this machine: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tiny_scene)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()
    thread.join()


def check_tiny_scene(scene: Scene, labels: Labels, **source: str) -> None:
    np.testing.assert_array_equal(scene.cube, CUBE)
    np.testing.assert_array_equal(labels.array, IDS)
    assert labels.class_names == {1: "one", 10: "ten"}
    assert scene.source == labels.source == {"data": "salinas_a", **source}


def test_a_scene_from_a_folder(tiny_scene: Path) -> None:
    check_tiny_scene(*load("salinas_a", tiny_scene), root=str(tiny_scene.resolve()))
    (tiny_scene / "SalinasA_gt.mat").unlink()
    with pytest.raises(ReadError) as caught:
        load("salinas_a", tiny_scene)
    assert str(caught.value) == (
        f"{tiny_scene / 'SalinasA_gt.mat'}: no such file; --root wants a folder with "
        "SalinasA_corrected.mat and SalinasA_gt.mat"
    )


def test_later_downloads_are_compared_with_the_first(
    tiny_scene: Path, mirror: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = mirror
    told: list[str] = []
    check_tiny_scene(*load("salinas_a", mirror_url=url, tell=told.append), mirror_url=url)
    folder = tmp_path / "cache" / "spectrolite" / "salinas_a"
    record = folder / "SalinasA_gt.mat.sha256.json"
    sha256 = hashlib.sha256((tiny_scene / "SalinasA_gt.mat").read_bytes()).hexdigest()
    assert json.loads(record.read_text())["sha256"] == sha256
    assert told[2:] == [
        f"downloading {url}SalinasA_gt.mat",
        f"SalinasA_gt.mat: no checksum is published; recorded this one in {record}: {sha256}",
    ]
    load("salinas_a", mirror_url=url, tell=told.append)
    assert len(told) == 4
    assert asked == ["/SalinasA_corrected.mat", "/SalinasA_gt.mat"]
    (folder / "SalinasA_gt.mat").unlink()
    savemat(tiny_scene / "SalinasA_gt.mat", {"salinasA_gt": IDS, "more": IDS})
    with pytest.raises(DownloadError) as caught:
        load("salinas_a", mirror_url=url)
    assert str(caught.value) == (
        f"{url}SalinasA_gt.mat: differs from the first download, recorded in {record}; delete that "
        "record to accept the new file, or put SalinasA_corrected.mat and SalinasA_gt.mat into a "
        "folder and give it with --root DIR (root=DIR in Python)"
    )
    record.write_text("{}")
    with pytest.raises(DownloadError) as damaged:
        load("salinas_a", mirror_url=url)
    assert str(damaged.value) == (
        f"{record}: damaged, no sha256 in it; delete it to record the checksum anew"
    )


def test_no_network_for_a_scene(
    tiny_scene: Path, typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    said = (
        "http://127.0.0.1:1/SalinasA_corrected.mat: cannot be downloaded (ConnectionError); put "
        "SalinasA_corrected.mat and SalinasA_gt.mat into a folder and give it with --root DIR "
        "(root=DIR in Python), or give another --mirror-url"
    )
    with pytest.raises(DownloadError) as caught:
        load("salinas_a", mirror_url="http://127.0.0.1:1")
    assert str(caught.value) == said
    code, _, err = typed(
        "train",
        "--data",
        "salinas_a",
        "--mirror-url",
        "http://127.0.0.1:1",
        "--out",
        tmp_path / "run",
    )
    assert code == 1
    assert err.endswith(f"error: {said}")


def test_a_mirror_that_is_not_an_address(tiny_scene: Path) -> None:
    for mirror in (str(tiny_scene), f"file://{tiny_scene}"):
        with pytest.raises(SettingsError) as caught:
            load("salinas_a", mirror_url=mirror)
        assert str(caught.value) == (
            f"--mirror-url: wanted an address such as https://…, got {mirror}; for a folder "
            "use --root"
        )


def test_a_download_of_other_bytes_than_the_published_ones(
    mirror: tuple[str, list[str]], tiny_scene: Path
) -> None:
    """No record is spoken of, for there is none."""
    savemat(tiny_scene / "PaviaU.mat", {"paviaU": CUBE})
    savemat(tiny_scene / "PaviaU_gt.mat", {"paviaU_gt": IDS})
    with pytest.raises(DownloadError) as caught:
        load("pavia_university", mirror_url=mirror[0])
    assert str(caught.value) == (
        f"{mirror[0]}PaviaU_gt.mat: differs from the published file; put PaviaU.mat and "
        "PaviaU_gt.mat into a folder and give it with --root DIR (root=DIR in Python)"
    )


def test_other_scenes_and_labels_than_the_known_ones(tiny_scene: Path) -> None:
    savemat(tiny_scene / "SalinasA_gt.mat", {"salinasA_gt": IDS.clip(0, 2)})
    with pytest.raises(ReadError) as caught:
        load("salinas_a", tiny_scene)
    assert str(caught.value) == (
        f"{tiny_scene / 'SalinasA_gt.mat'}: not the published labels of salinas_a: 2 "
        "unknown: wanted 0 pixels, got 2, 10 ten: wanted 2 pixels, got 0"
    )
    savemat(tiny_scene / "SalinasA_corrected.mat", {"salinasA_corrected": CUBE[:, :2]})
    with pytest.raises(ReadError) as caught:
        load("salinas_a", tiny_scene)
    assert str(caught.value) == (
        f"{tiny_scene / 'SalinasA_corrected.mat'}: wanted salinas_a of shape (2, 3, 4), got "
        "(2, 2, 4)"
    )


def test_published_checksums_hold_for_a_folder_too(tmp_path: Path) -> None:
    savemat(tmp_path / "PaviaU.mat", {"paviaU": CUBE})
    savemat(tmp_path / "PaviaU_gt.mat", {"paviaU_gt": IDS})
    with pytest.raises(ReadError) as caught:
        load("pavia_university", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'PaviaU_gt.mat'}: differs from the published file (sha256 23f6a426928f… "
        "wanted)"
    )


def test_houston_is_not_downloaded() -> None:
    with pytest.raises(ReadError) as caught:
        load("houston_2013")
    assert str(caught.value) == (
        "houston_2013: cannot be downloaded; put 2013_IEEE_GRSS_DF_Contest_CASI.tif and "
        "Houston_2013_gt.npy into a folder and give it with --root DIR (root=DIR in Python)"
    )


def test_a_mirror_for_what_is_not_downloaded(tmp_path: Path) -> None:
    for name, root in (("digits", None), ("ksc", tmp_path)):
        with pytest.raises(SettingsError) as caught:
            load(name, root, mirror_url="http://127.0.0.1:1")
        assert str(caught.value) == (
            "--mirror-url: only for scenes that are downloaded, without --root"
        )


# Images


@pytest.fixture(scope="module")
def digits() -> tuple[ImageSet, ImageSet]:
    return load("digits")


def test_the_digits_are_those_of_scikit_learn(digits: tuple[ImageSet, ImageSet]) -> None:
    theirs = load_digits()
    parts: dict[str, list[Any]] = {"train": [], "test": []}
    for digit in range(10):
        here = [i for i in range(len(theirs.target)) if theirs.target[i] == digit]
        kept = len(here) - len(here) // 5
        parts["train"] += here[:kept]
        parts["test"] += here[kept:]
    for images, (part, indices) in zip(digits, parts.items(), strict=True):
        indices = sorted(indices)
        np.testing.assert_array_equal(images.targets, theirs.target[indices])
        grey = images.pixels[:, 0].astype(float) * 16 / 255
        np.testing.assert_array_equal(grey.round(), theirs.images[indices])
        assert images.pixels.max() == 255
        assert images.class_names == tuple("0123456789")
        assert images.name == f"digits/{part}"
        assert images.source == {"data": "digits", "part": part}


def test_facts_about_the_digits(digits: tuple[ImageSet, ImageSet]) -> None:
    train, test = digits
    both = np.concatenate([train.targets, test.targets])
    published = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of optdigits.tes
    assert np.bincount(both).tolist() == list(DIGITS.counts.values()) == published
    assert (len(test), train.shape) == (DIGITS.test, DIGITS.shape) == (355, (1, 8, 8))
    assert DIGITS.labelled == 1797
    assert load("digits")[0].sha256 == train.sha256


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_facts_about_cifar(name: str, classes: int) -> None:
    known = DATASETS[name]
    assert (known.labelled, len(known.counts), known.shape) == (60_000, classes, (3, 32, 32))
    assert known.facts()["images"] == f"50,000 to train, 10,000 to test, {classes} classes"
    assert known.samples == "60,000 images"
    assert list(known.class_names) == list(range(classes))


@pytest.fixture
def tiny_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny archive of CIFAR-10, which the table then knows instead of the real."""
    known = replace(CIFAR10, train={"data_batch_1.bin": 6}, test={"test_batch.bin": 4})
    (tmp_path / "far").mkdir()
    path = tmp_path / "far" / known.archive
    with tarfile.open(path, "w:gz") as tar:
        for n, (name, records) in enumerate({**known.train, **known.test}.items()):
            content = b"".join(bytes([i]) + bytes([n]) * 3072 for i in range(records))
            header = tarfile.TarInfo(f"{known.folder}/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    archive = replace(
        FILES["cifar10"]["archive"],
        url="http://127.0.0.1:1/cifar-10-binary.tar.gz",
        sha256=None,
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(catalog.CIFAR, "cifar10", known)
    monkeypatch.setitem(FILES, "cifar10", {"archive": archive})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path.parent


@pytest.fixture
def served(tiny_cifar: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """That folder on a server of this machine; the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tiny_cifar)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/{CIFAR10.archive}"
    archive = replace(FILES["cifar10"]["archive"], url=url)
    monkeypatch.setitem(FILES, "cifar10", {"archive": archive})
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


def check_tiny(sets: tuple[ImageSet, ImageSet], **source: str) -> None:
    for images, part, n in zip(sets, ("train", "test"), (6, 4), strict=True):
        assert images.targets.tolist() == list(range(n))
        assert images.name == f"cifar10/{part}"
        assert images.source == {"data": "cifar10", "part": part, **source}
        assert images.class_names == tuple(IMAGES["cifar10"].counts)
    assert [set(s.pixels.ravel().tolist()) for s in sets] == [{0}, {1}]


def test_cifar_from_a_folder(tiny_cifar: Path) -> None:
    check_tiny(load("cifar10", root=tiny_cifar), root=str(tiny_cifar.resolve()))
    check_tiny(load("cifar10", root=str(tiny_cifar)), root=str(tiny_cifar.resolve()))


def test_cifar_is_downloaded_once(served: list[str]) -> None:
    check_tiny(load("cifar10"))
    check_tiny(load("cifar10"))
    assert served == [f"/{CIFAR10.archive}"]


def test_a_download_of_other_bytes_is_refused(
    served: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = replace(FILES["cifar10"]["archive"], md5="0" * 32)
    monkeypatch.setitem(FILES, "cifar10", {"archive": archive})
    with pytest.raises(ReadError) as caught:
        load("cifar10")
    assert str(caught.value) == (
        f"{archive.url}: differs from the published archive "
        "(md5:00000000000000000000000000000000 wanted); download it elsewhere and give its folder: "
        "--root DIR, or load('cifar10', root=DIR)"
    )
    assert not list((tmp_path / "cache").rglob("*.tar.gz"))


def test_no_network(tiny_cifar: Path) -> None:
    with pytest.raises(ReadError) as caught:
        load("cifar10")
    assert str(caught.value) == (
        "http://127.0.0.1:1/cifar-10-binary.tar.gz: cannot be downloaded (ConnectionError); "
        "download it elsewhere and give its folder: --root DIR, or load('cifar10', root=DIR)"
    )


@pytest.mark.parametrize("name", ["digits", "indian_pines"])
def test_a_folder_for_a_data_set_that_needs_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(name, root=tmp_path)
    assert str(caught.value) == f"--root: {name} comes with an installed package; omit --root"
