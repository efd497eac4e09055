"""What is known of public data sets without opening their files: `datasets.toml` as checked values.

Ids of classes are those of the files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pydantic import ConfigDict, TypeAdapter


@dataclass(frozen=True)
class Dataset:
    """A scene and its labels.

    Attributes:
        name: what `load` and `--data` call it.
        title: what people call it.
        sensor: the instrument, date and place, and its range of wavelengths.
        shape: rows, columns, bands.
        pixel_m: side of a pixel, metres.
        counts: labelled pixels of each class, by its name, in the order of the ids.
        source: whom to cite.
        licence: of the data.
        obtained: where the files come from.
        notes: known conflicts between sources, and what to beware of.
        class_ids: ids of the classes where they are not 1, 2, 3 and so on.
    """

    name: str
    title: str
    sensor: str
    shape: tuple[int, int, int]
    pixel_m: float
    counts: dict[str, int]
    source: str
    licence: str
    obtained: str
    notes: str
    class_ids: tuple[int, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def class_names(self) -> dict[int, str]:
        """Class id to name."""
        return dict(zip(self.class_ids or range(1, len(self.counts) + 1), self.counts, strict=True))

    @property
    def labelled(self) -> int:
        """Labelled pixels."""
        return sum(self.counts.values())

    @property
    def samples(self) -> str:
        """The number of labelled pixels, in words."""
        return f"{self.labelled:,} pixels"

    def facts(self) -> dict[str, str]:
        """Title to text, as `spectrolite data NAME` prints them."""
        rows, cols, bands = self.shape
        return {
            "shape": f"{rows} rows, {cols} cols, {bands} bands, {self.pixel_m:g} m pixels",
            "sensor": self.sensor,
            "labelled": f"{self.labelled:,} of {rows * cols:,} pixels, {len(self.counts)} classes",
            "source": self.source,
            "licence": self.licence,
            "obtained from": self.obtained,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class ImageDataset:
    """Training and test images.

    Attributes:
        name: as of `Dataset`, and so are `title`, `source`, `licence`, `obtained`, `notes`.
        shape: channels, height, width.
        counts: images of each class in both parts, by its name; the first class has id 0.
        test: how many of all images are the test set.
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    counts: dict[str, int]
    test: int
    source: str
    licence: str
    obtained: str
    notes: str

    __pydantic_config__ = ConfigDict(extra="forbid")

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
        """The number of images, in words."""
        return f"{self.labelled:,} images"

    def facts(self) -> dict[str, str]:
        """Title to text, as `spectrolite data NAME` prints them."""
        return {
            "shape": f"{' x '.join(map(str, self.shape))} (channels, height, width), 8 bits",
            "images": f"{self.labelled - self.test:,} to train, {self.test:,} to test, "
            f"{len(self.counts)} classes",
            "source": self.source,
            "licence": self.licence,
            "obtained from": self.obtained,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class DatasetFile:
    """A published file.

    Attributes:
        name: its name, in the user's folder and on a mirror too.
        url: where it is published; None if it cannot be downloaded.
        key: name of the array in it; None if the format has no names.
        sha256: of the published file; None if no such checksum is published.
        md5: where only that checksum is published.
    """

    name: str
    url: str | None = None
    key: str | None = None
    sha256: str | None = None
    md5: str | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")


Files = dict[str, DatasetFile]  # `cube` and `labels` of a scene, `archive` of downloaded images


def _read() -> tuple[dict[str, Dataset], dict[str, ImageDataset], dict[str, Files]]:
    table = tomllib.loads(resources.files(__package__).joinpath("datasets.toml").read_text("utf-8"))
    files: dict[str, Any] = {
        name: entry.pop("files", {})
        for kind in ("scenes", "images")
        for name, entry in table[kind].items()
    }
    for entry in table["images"].values():
        if "class_names" in entry:
            entry["counts"] = dict.fromkeys(entry.pop("class_names"), entry.pop("images_per_class"))
    return (
        TypeAdapter(dict[str, Dataset]).validate_python(_named(table["scenes"])),
        TypeAdapter(dict[str, ImageDataset]).validate_python(_named(table["images"])),
        TypeAdapter(dict[str, Files]).validate_python(files),
    )


def _named(entries: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, **entry} for name, entry in entries.items()}


SCENES, IMAGES, FILES = _read()
DATASETS: dict[str, Dataset | ImageDataset] = {**SCENES, **IMAGES}
