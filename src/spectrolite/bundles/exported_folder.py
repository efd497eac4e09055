"""Exported folders and their `config.json`.

`config.json` stands beside `model.onnx`, or beside `model.xml` and `model.bin`. It holds what a
program needs that has only the file: halo and padding spectrum, classes, wavelengths, and from
which bundle it was made.
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

FORMAT = 1
FILES = {"onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin")}
BACKENDS = {"onnx": "onnxruntime", "openvino": "openvino"}
REMEDY = "export it again"


class ExportConfig(BaseModel):
    """`config.json` of an exported folder; of `scene` and `images` one is there."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: int = Field(ge=1)
    exported: Literal["onnx", "openvino"]
    precision: Literal["float32", "float16", "int8"] = "float32"
    bundle_sha256: str
    files_sha256: dict[str, str]
    scene: Config | None = None
    images: ImageConfig | None = None
    halo: int = Field(default=0, ge=0)
    """Pixels around a window that a scene network needs to see."""
    padding: tuple[float, ...] | None = None
    """The spectrum of a pixel outside the scene: the mean of those that the bands were fitted on,
    0 in dropped bands. Its length is the number of bands that the graph takes."""
    dropped_bands: tuple[int, ...] = ()
    """Those that the graph takes and does not look at."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ExportConfig:
        if (self.scene is None) == (self.images is None):
            raise ValueError("wanted one of scene and images")
        if (self.scene is None) != (self.padding is None):
            raise ValueError("padding: goes with scene")
        if self.scene is not None and self.halo != self.scene.patch // 2:
            raise ValueError(f"halo: {self.halo}, and the patch is {self.scene.patch}")
        inside = set(range(len(self.padding or ())))
        if not set(self.dropped_bands) <= inside or inside == set(self.dropped_bands) != set():
            raise ValueError("dropped_bands: not some of the bands of the padding spectrum")
        if set(self.files_sha256) != set(FILES[self.exported]):
            raise ValueError(f"files_sha256: wanted {', '.join(FILES[self.exported])}")
        return self


def write_config(
    bundle: Bundle | ImageBundle,
    format: str,
    folder: Path,
    dropped: tuple[int, ...] = (),
    precision: str = "float32",
) -> None:
    """Write `config.json` for the graph's files that stand in `folder`."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "exported": format,
        "precision": precision,
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
    (folder / "config.json").write_text(text, encoding="utf-8")


def _padding(bundle: Bundle, dropped: tuple[int, ...]) -> NDArray[np.float32]:
    padding = np.zeros(len(bundle.bands.mean) + len(dropped), np.float32)
    padding[kept_bands(len(padding), dropped)] = bundle.bands.mean
    return padding


def is_exported_folder(folder: Path) -> bool:
    """Whether a folder holds the files of an exported model, and no others."""
    known = {"config.json", "quantization.json", *(name for f in FILES.values() for name in f)}
    return {path.name for path in folder.iterdir()} <= known
