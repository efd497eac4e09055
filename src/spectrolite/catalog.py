"""Named public data sets: where they are, which bytes they have, what is in them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import MissingExtraError, ReadError, SettingsError
from spectrolite.scene import Labels, Scene


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set without opening it."""

    name: str
    title: str
    sensor: str
    shape: tuple[int, int, int]
    pixel_m: float
    counts: dict[str, int]  # class name to labelled pixels; the first class has id 1
    source: str
    licence: str
    obtained: str
    notes: str

    @property
    def class_names(self) -> dict[int, str]:
        """Class id to name."""
        return dict(enumerate(self.counts, start=1))

    @property
    def labelled(self) -> int:
        """Labelled pixels."""
        return sum(self.counts.values())


INDIAN_PINES = Dataset(
    name="indian_pines",
    title="Indian Pines, water absorption bands removed",
    sensor="AVIRIS, 12 June 1992, north-west Indiana; 400 to 2499 nm",
    shape=(145, 145, 200),
    pixel_m=20.0,
    counts={
        "Alfalfa": 46, "Corn-notill": 1428, "Corn-mintill": 830, "Corn": 237,
        "Grass-pasture": 483, "Grass-trees": 730, "Grass-pasture-mowed": 28,
        "Hay-windrowed": 478, "Oats": 20, "Soybean-notill": 972, "Soybean-mintill": 2455,
        "Soybean-clean": 593, "Wheat": 205, "Woods": 1265, "Buildings-Grass-Trees-Drives": 386,
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
)  # fmt: skip

DATASETS: dict[str, Dataset] = {d.name: d for d in (INDIAN_PINES,)}

INDIAN_PINES_SHA256 = {  # of the files Indian_pines_*.npy
    "corrected": "8f038e4d81569e38ebfc72a15c9984c150de42580ab260be10a13442e912e451",
    "gt": "44610d21625b311b05b8e0c4ba9a6cc755c2fbb9df48e4d89419024aa6ad3f9d",
}


def dataset(name: str) -> Dataset:
    """What is known of the data set `name`.

    Raises:
        SettingsError: no such data set.
    """
    if name not in DATASETS:
        raise SettingsError(f"data: wanted one of {', '.join(DATASETS)}, got {name!r}")
    return DATASETS[name]


def load(name: str) -> tuple[Scene, Labels]:
    """Load a data set by name.

    >>> scene, labels = load("indian_pines")
    >>> scene.shape, labels.shape, labels.class_names[9]
    ((145, 145, 200), (145, 145), 'Oats')

    Raises:
        SettingsError: no such data set.
        MissingExtraError: the package that holds its files is not installed.
        ReadError: a file is missing or has other bytes than the published ones.
    """
    known = dataset(name)
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
