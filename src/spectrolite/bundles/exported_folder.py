"""Exported folders and their `config.json`.

A folder has `model.onnx`, or `model.xml` and `model.bin`. Its `config.json` has everything else
that a program needs: halo, padding spectrum, classes, wavelengths, and the hash of the bundle that
was exported.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spectrolite.bundles.graphs import kept_bands
from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.files import write_text

FORMAT = 1
FILES = {"onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin")}
BACKENDS = {"onnx": "onnxruntime", "openvino": "openvino"}
REMEDY = "export it again"


class ExportConfig(BaseModel):
    """`config.json` of an exported folder; it has either `scene` or `images`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: int = Field(ge=1)
    exported: Literal["onnx", "openvino"]
    precision: Literal["float32", "float16", "int8"] = "float32"
    bundle_sha256: str
    files_sha256: dict[str, str]
    scene: Config | None = None
    images: ImageConfig | None = None
    halo: int = Field(default=0, ge=0)
    """Pixels of context that a scene network needs on each side of a window."""
    padding: tuple[float, ...] | None = None
    """Spectrum of a pixel outside the scene: the mean of the spectra that band reduction was fitted
    on, and 0 in dropped bands. Its length is the number of bands that the graph takes."""
    dropped_bands: tuple[int, ...] = ()
    """Bands that the graph takes but does not use."""
    weight_bits: Literal[7] | None = Field(default=None, exclude_if=lambda value: value is None)
    """7 in an int8 model: weights of -64 to 64, exact on every processor. None in an int8 model of
    version 0.1.0: its 8 bits lose accuracy on processors without VNNI."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ExportConfig:
        if (self.scene is None) == (self.images is None):
            raise ValueError("wanted either scene or images")
        if (self.scene is None) != (self.padding is None):
            raise ValueError("padding: wanted with scene, and only with scene")
        if self.scene is not None and self.halo != self.scene.patch // 2:
            raise ValueError(
                f"halo: wanted half the patch of {self.scene.patch}, rounded down, got {self.halo}"
            )
        inside = set(range(len(self.padding or ())))
        if not set(self.dropped_bands) <= inside or inside == set(self.dropped_bands) != set():
            raise ValueError(
                "dropped_bands: wanted some of the bands of the padding spectrum, not all"
            )
        if set(self.files_sha256) != set(FILES[self.exported]):
            raise ValueError(f"files_sha256: wanted {', '.join(FILES[self.exported])}")
        return self

    @property
    def network(self) -> Config | ImageConfig:
        """The configuration of the bundle that was exported: `scene` or `images`."""
        if self.scene is not None:
            return self.scene
        assert self.images is not None  # the check above
        return self.images


def write_config(
    bundle: Bundle | ImageBundle,
    format: str,
    folder: Path,
    dropped: tuple[int, ...] = (),
    precision: str = "float32",
    weight_bits: int | None = None,
) -> None:
    """Write `config.json` beside the graph's files in `folder`."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "exported": format,
        "precision": precision,
        "weight_bits": weight_bits,
        "bundle_sha256": bundle.sha256,
        "files_sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES[format]
        },
    }
    if isinstance(bundle, ImageBundle):
        content["images"] = bundle.config
    else:
        content |= {
            "scene": bundle.config,
            "halo": bundle.config.patch // 2,
            "padding": _padding(bundle, dropped).tolist(),
            "dropped_bands": dropped,
        }
    config = ExportConfig(**content)
    text = config.model_dump_json(indent=2) + "\n"
    write_text(folder / "config.json", text)


def _padding(bundle: Bundle, dropped: tuple[int, ...]) -> NDArray[np.float32]:
    padding = np.zeros(len(bundle.bands.mean) + len(dropped), np.float32)
    padding[kept_bands(len(padding), dropped)] = bundle.bands.mean
    return padding


def is_exported_folder(folder: Path) -> bool:
    """Whether a folder holds the files of an exported model, and no others."""
    known = {"config.json", "quantization.json", *(name for f in FILES.values() for name in f)}
    return {path.name for path in folder.iterdir()} <= known
