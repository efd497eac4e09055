"""Named public data sets: where they are, which bytes they have, what is in them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.datasets.downloads import load_scene
from spectrolite.datasets.scenes import DOWNLOADED, Dataset
from spectrolite.errors import MissingExtraError, ReadError, SettingsError, wanted_one_of
from spectrolite.readers.images.cifar import CIFAR10, CIFAR100, CifarFiles, read_cifar


@dataclass(frozen=True)
class ImageDataset:
    """What is known of a set of images without opening it."""

    name: str
    title: str
    shape: tuple[int, int, int]  # channels, height, width
    counts: dict[str, int]  # class name to images of both parts; the first class has id 0
    test: int  # images that test, of all of them
    source: str
    licence: str
    obtained: str
    notes: str

    @property
    def class_names(self) -> dict[int, str]:
        """Class id to name."""
        return dict(enumerate(self.counts))

    @property
    def labelled(self) -> int:
        """Images of both parts."""
        return sum(self.counts.values())

    @property
    def samples(self) -> str:
        """How much of it there is."""
        return f"{self.labelled:,} images"

    def facts(self) -> dict[str, str]:
        """What a reader wants to know, by title."""
        return {
            "shape": f"{' x '.join(map(str, self.shape))} (channels, height, width), 8 bits",
            "images": f"{self.labelled - self.test:,} to train, {self.test:,} to test, "
            f"{len(self.counts)} classes",
            "source": self.source,
            "licence": self.licence,
            "obtained from": self.obtained,
            "notes": self.notes,
        }


INDIAN_PINES = Dataset(
    name="indian_pines",
    title="Indian Pines, water absorption bands removed",
    sensor="AVIRIS, 12 June 1992, north-west Indiana; 400 to 2499 nm",
    shape=(145, 145, 200),
    pixel_m=20.0,
    counts={
        "Alfalfa": 46,
        "Corn-notill": 1428,
        "Corn-mintill": 830,
        "Corn": 237,
        "Grass-pasture": 483,
        "Grass-trees": 730,
        "Grass-pasture-mowed": 28,
        "Hay-windrowed": 478,
        "Oats": 20,
        "Soybean-notill": 972,
        "Soybean-mintill": 2455,
        "Soybean-clean": 593,
        "Wheat": 205,
        "Woods": 1265,
        "Buildings-Grass-Trees-Drives": 386,
        "Stone-Steel-Towers": 93,
    },
    source="Baumgardner, Biehl, Landgrebe 2015, Purdue University, doi:10.4231/R7RX991C",
    licence="CC BY 3.0",
    obtained="the files that tensorly 0.10.0 installs (extra: demo), equal to the UPV/EHU ones",
    notes=(
        "Seven of the 16 classes are one connected field: no split can keep such a field whole and "
        "have the class on both sides. A classifier that sees only (row, column) reaches 97.5 % "
        "under a random split of 10 %. Values are scaled radiance, 955 to 9604. Wavelengths are "
        "not monotonic."
    ),
)

DIGITS = ImageDataset(
    name="digits",
    title="Handwritten digits of scikit-learn",
    shape=(1, 8, 8),
    counts=dict(zip("0123456789", (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), strict=True)),
    test=355,
    source="Alpaydin, Kaynak 1998, UCI, Optical Recognition of Handwritten Digits, "
    "doi:10.24432/C50P49",
    licence="CC BY 4.0",
    obtained="the file that scikit-learn installs: the test part of the original, 13 writers",
    notes=(
        "Values 0 to 16 are stretched to 0 to 255. The last fifth of each class, in the file's "
        "order, is the test set: always the same images, not drawn at random, because a writer's "
        "digits follow one another in the file. Small enough to try things, too small to compare "
        "networks."
    ),
)

_TORONTO = "downloaded once from www.cs.toronto.edu/~kriz, with checksum; or root=DIR"
_KRIZHEVSKY = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"

CIFAR10_IMAGES = ImageDataset(
    name="cifar10",
    title="CIFAR-10, small colour images",
    shape=(3, 32, 32),
    counts=dict.fromkeys(CIFAR10.class_names, 6000),
    test=10_000,
    source=_KRIZHEVSKY,
    licence="none stated",
    obtained=f"{_TORONTO}; 170 MB",
    notes="3.3 % of the test images have a near duplicate among the training images (Barz, "
    "Denzler 2020, doi:10.3390/jimaging6060041).",
)

CIFAR100_IMAGES = ImageDataset(
    name="cifar100",
    title="CIFAR-100, small colour images, the fine classes",
    shape=(3, 32, 32),
    counts=dict.fromkeys(CIFAR100.class_names, 600),
    test=10_000,
    source=_KRIZHEVSKY,
    licence="none stated",
    obtained=f"{_TORONTO}; 169 MB",
    notes="10 % of the test images have a near duplicate among the training images (Barz, "
    "Denzler 2020, doi:10.3390/jimaging6060041).",
)

DATASETS: dict[str, Dataset | ImageDataset] = {
    INDIAN_PINES.name: INDIAN_PINES,
    **DOWNLOADED,
    **{d.name: d for d in (CIFAR10_IMAGES, CIFAR100_IMAGES, DIGITS)},
}

INDIAN_PINES_SHA256 = {  # of the files Indian_pines_*.npy
    "corrected": "8f038e4d81569e38ebfc72a15c9984c150de42580ab260be10a13442e912e451",
    "gt": "44610d21625b311b05b8e0c4ba9a6cc755c2fbb9df48e4d89419024aa6ad3f9d",
}

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR = {  # files, and checksum of the archive
    "cifar10": (
        CIFAR10,
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    "cifar100": (CIFAR100, "md5:03b5dce01913d631647c71ecec9e9cb8"),
}


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

    >>> scene, labels = load("indian_pines")
    >>> scene.shape, labels.shape, labels.class_names[9]
    ((145, 145, 200), (145, 145), 'Oats')
    >>> train, test = load("digits")
    >>> len(train), len(test), test.shape
    (1442, 355, (1, 8, 8))

    Args:
        name: one of those that `spectrolite data` lists.
        root: of CIFAR, the archive of the binary version, the folder that it unpacks to, or a
            folder that holds one of the two; of a scene, a folder that holds its two files under
            their published names. Without it they are downloaded, once, into the user's cache.
        mirror_url: of a scene, the address below which its two files lie instead.
        tell: called with what the user should know, as a checksum that was recorded because none
            is published.

    Raises:
        SettingsError: no such data set, a folder or a mirror for one that needs none, or a mirror
            that is no address.
        MissingExtraError: the package that holds its files is not installed.
        ReadError: a file is missing, or has other bytes than the published ones.
        DownloadError: a file of a scene cannot be downloaded.
    """
    known = dataset(name)
    if mirror_url is not None and (name not in DOWNLOADED or root is not None):
        raise SettingsError(
            "--mirror-url: goes with scenes that are downloaded, and without --root"
        )
    if isinstance(known, Dataset) and name in DOWNLOADED:
        return load_scene(known, root, mirror_url, tell)
    if name in CIFAR:
        return _cifar(name, root)
    if root is not None:
        raise SettingsError(f"--root: {name} comes with an installed package; leave it out")
    return _digits() if isinstance(known, ImageDataset) else _indian_pines(known)


def _indian_pines(known: Dataset) -> tuple[Scene, Labels]:
    name = known.name
    package = util.find_spec("tensorly")
    if package is None or package.origin is None:
        raise MissingExtraError(
            f"the data set {name} needs the package tensorly, which is not installed; "
            "install it with: pip install 'spectrolite[demo]'"
        )
    folder = Path(package.origin).parent / "datasets" / "data"
    cube, ids = (
        _checked_npy(folder / f"Indian_pines_{part}.npy", sha256)
        for part, sha256 in INDIAN_PINES_SHA256.items()
    )
    from tensorly.datasets import load_indian_pines  # here: it takes a second to import

    wavelengths_nm = tuple(float(w) for w in load_indian_pines().ticks[1])
    source = {"data": name}
    return (
        Scene(cube, name=name, wavelengths_nm=wavelengths_nm, source=source),
        Labels(ids, class_names=known.class_names, name=name, source=source),
    )


def _checked_npy(path: Path, sha256: str) -> NDArray[np.generic]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be read ({error.strerror}); reinstall: pip install tensorly==0.10.0"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReadError(
            f"{path}: other bytes than the published file (sha256 {sha256[:12]}… wanted); "
            "reinstall: pip install --force-reinstall tensorly==0.10.0"
        )
    array: NDArray[np.generic] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _digits() -> tuple[ImageSet, ImageSet]:
    from sklearn.datasets import load_digits  # here: it takes a second to import

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    targets = bunch.target.astype(np.int64)
    tests = np.zeros(len(targets), bool)
    for c in range(len(DIGITS.counts)):
        here = np.flatnonzero(targets == c)
        tests[here[-(len(here) // 5) :]] = True
    return _parts(DIGITS.name, (pixels[~tests], targets[~tests]), (pixels[tests], targets[tests]))


def _cifar(name: str, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
    files, checksum = CIFAR[name]
    if root is None:
        return _parts(name, *read_cifar(files, _downloaded(name, files, checksum)))
    return _parts(name, *read_cifar(files, Path(root)), root=str(Path(root).resolve()))


def _parts(
    name: str,
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]],
    **source: str,
) -> tuple[ImageSet, ImageSet]:
    names = tuple(DATASETS[name].counts)
    one, other = (
        ImageSet(*arrays, names, f"{name}/{part}", {"data": name, "part": part, **source})
        for part, arrays in (("train", train), ("test", test))
    )
    return one, other


def _downloaded(name: str, files: CifarFiles, checksum: str) -> Path:
    """The archive in the user's cache, downloaded where it is not there or has other bytes."""
    import pooch

    url = CIFAR_URL + files.archive
    by_hand = f"download it elsewhere and give its folder: --root DIR, or load({name!r}, root=DIR)"
    try:
        cache = pooch.os_cache("spectrolite")
        return Path(pooch.retrieve(url, checksum, fname=files.archive, path=cache))
    except OSError as error:  # those of requests are of this kind too
        raise ReadError(f"{url}: no download ({type(error).__name__}); {by_hand}") from error
    except ValueError as error:
        raise ReadError(
            f"{url}: other bytes than the published archive ({checksum} wanted); {by_hand}"
        ) from error
