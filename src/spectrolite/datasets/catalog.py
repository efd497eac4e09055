"""Load public data sets by name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.datasets.descriptions import (
    DATASETS,
    FILES,
    Dataset,
    DatasetFile,
    ImageDataset,
)
from spectrolite.datasets.downloads import download_archive, load_scene
from spectrolite.errors import MissingExtraError, ReadError, SettingsError, wanted_one_of
from spectrolite.files import check_regular
from spectrolite.readers.images.cifar import CIFAR10, CIFAR100, read_cifar

__all__ = ["DATASETS", "dataset", "load"]

CIFAR = {"cifar10": CIFAR10, "cifar100": CIFAR100}
INSTALLED = ("indian_pines", "digits")  # with a package: tensorly, scikit-learn


def dataset(name: str) -> Dataset | ImageDataset:
    """What is known of the data set `name`.

    Raises:
        SettingsError: no such data set.
    """
    if name not in DATASETS:
        raise SettingsError(f"data: {wanted_one_of(DATASETS, name)}")
    return DATASETS[name]


@overload
def load(
    name: Literal["cifar10", "cifar100", "digits"], root: str | Path | None = None
) -> tuple[ImageSet, ImageSet]: ...
@overload
def load(name: Literal["indian_pines"]) -> tuple[Scene, Labels]: ...
@overload
def load(
    name: str,
    root: str | Path | None = None,
    mirror_url: str | None = None,
    tell: Callable[[str], None] = ...,
) -> tuple[Scene | Any, Labels | Any]: ...
def load(
    name: str,
    root: str | Path | None = None,
    mirror_url: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Scene, Labels] | tuple[ImageSet, ImageSet]:
    """Load a data set by name: a scene and its labels, or training and test images.

    Examples:
        >>> scene, labels = load("indian_pines")
        >>> scene.shape, labels.shape, labels.class_names[9]
        ((145, 145, 200), (145, 145), 'Oats')
        >>> train, test = load("digits")
        >>> len(train), len(test), test.shape
        (1442, 355, (1, 8, 8))

    Args:
        name: one of the names that `spectrolite data` lists.
        root: for CIFAR, the archive of the binary version, the folder that it unpacks to, or a
            folder that holds one of the two; for a scene, a folder that holds its two files under
            their published names. Default: download them, once, into the user's cache.
        mirror_url: for a scene, the address of a folder to download its two files from instead.
        tell: called with messages for the user, such as a checksum that was recorded because none
            is published.

    Raises:
        SettingsError: no such data set, a folder or a mirror for a data set that needs none, or a
            mirror that is not an address.
        MissingExtraError: the package that holds its files is not installed.
        ReadError: a file is missing, or differs from the published one.
        DownloadError: a file of a scene cannot be downloaded.
    """
    description = dataset(name)
    downloaded = isinstance(description, Dataset) and name not in INSTALLED
    if mirror_url is not None and (not downloaded or root is not None):
        raise SettingsError("--mirror-url: only for scenes that are downloaded, without --root")
    if isinstance(description, Dataset) and downloaded:
        return load_scene(description, root, mirror_url, tell)
    if name in CIFAR:
        return _cifar(name, root)
    if root is not None:
        raise SettingsError(f"--root: {name} comes with an installed package; omit --root")
    return _digits() if isinstance(description, ImageDataset) else _indian_pines(description)


def _indian_pines(description: Dataset) -> tuple[Scene, Labels]:
    name = description.name
    package = util.find_spec("tensorly")
    if package is None or package.origin is None:
        raise MissingExtraError(
            f"the data set {name} needs the package tensorly, which is not installed; "
            "install it with: pip install 'spectrolite[demo]'"
        )
    folder = Path(package.origin).parent / "datasets" / "data"
    cube, ids = (_checked_npy(folder, FILES[name][role]) for role in ("cube", "labels"))
    from tensorly.datasets import load_indian_pines  # here: it takes a second to import

    wavelengths_nm = tuple(float(w) for w in load_indian_pines().ticks[1])
    source = {"data": name}
    return (
        Scene(cube, name=name, wavelengths_nm=wavelengths_nm, source=source),
        Labels(ids, class_names=description.class_names, name=name, source=source),
    )


def _checked_npy(folder: Path, file: DatasetFile) -> NDArray[np.generic]:
    path, sha256 = folder / file.name, str(file.sha256)
    check_regular(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be read ({error.strerror}); reinstall: pip install tensorly==0.10.0"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReadError(
            f"{path}: differs from the published file (sha256 {sha256[:12]}… wanted); "
            "reinstall: pip install --force-reinstall tensorly==0.10.0"
        )
    array: NDArray[np.generic] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _digits() -> tuple[ImageSet, ImageSet]:
    from sklearn.datasets import load_digits  # here: it takes a second to import

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    targets = bunch.target.astype(np.int64)
    is_test = np.zeros(len(targets), bool)
    for c in range(len(DATASETS["digits"].counts)):
        of_class = np.flatnonzero(targets == c)
        is_test[of_class[-(len(of_class) // 5) :]] = True
    return _image_sets(
        "digits", (pixels[~is_test], targets[~is_test]), (pixels[is_test], targets[is_test])
    )


def _cifar(name: str, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
    if root is None:
        archive = download_archive(name, FILES[name]["archive"])
        return _image_sets(name, *read_cifar(CIFAR[name], archive))
    parts = read_cifar(CIFAR[name], Path(root))
    return _image_sets(name, *parts, root=str(Path(root).resolve()))


def _image_sets(
    name: str,
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]],
    **source: str,
) -> tuple[ImageSet, ImageSet]:
    class_names = tuple(DATASETS[name].counts)
    train_set, test_set = (
        ImageSet(*arrays, class_names, f"{name}/{part}", {"data": name, "part": part, **source})
        for part, arrays in (("train", train), ("test", test))
    )
    return train_set, test_set
