"""HDF5 whose values are in another file, and Zarr that would run code, are refused.

The files are written by h5py and by hand.
"""

from __future__ import annotations

import contextlib
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spectrolite.errors import ReadError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels

SHAPE = (4, 5, 3)


def with_external_storage(path: Path, shape: tuple[int, ...]) -> None:
    secret = path.with_name("secret")
    secret.write_bytes(bytes(range(60)))
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", shape, "u1", external=[(str(secret), 0, 60)])


def with_virtual_sources(path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["secret"] = np.ones(shape, np.uint8)
    layout = h5py.VirtualLayout(shape, np.uint8)
    layout[...] = h5py.VirtualSource(str(path.with_name("other.h5")), "secret", shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("cube", layout)


def with_external_link(path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["secret"] = np.ones(shape, np.uint8)
    with h5py.File(path, "w") as file:
        file["cube"] = h5py.ExternalLink(str(path.with_name("other.h5")), "secret")


STORAGE = "external storage or a virtual data set"


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (with_external_storage, STORAGE),
        (with_virtual_sources, STORAGE),
        (with_external_link, "an external link"),
    ],
)
@pytest.mark.parametrize("ending", [".h5", ".nc", ".mat"])
@pytest.mark.parametrize("key", [None, "cube"])
def test_hdf5_in_another_file(
    tmp_path: Path, write: Any, why: str, ending: str, key: str | None
) -> None:
    path = tmp_path / f"a{ending}"
    write(path, SHAPE)
    with pytest.raises(ReadError) as caught:
        open_cube(path, key)
    assert str(caught.value) == (
        f"{path}: cube: kept in another file ({why}), which is not opened; copy the values into "
        "this file, or name another array with --scene-key"
    )


@pytest.mark.parametrize("write", [with_external_storage, with_virtual_sources])
def test_labels_in_another_file(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "a.mat", (4, 5))
    with pytest.raises(ReadError, match="kept in another file"):
        read_labels(tmp_path / "a.mat")


def test_hdf5_with_a_cube_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with_external_storage(path, SHAPE)
    own = np.arange(1, 61, dtype=np.int16).reshape(SHAPE)
    layout = h5py.VirtualLayout(own.shape, own.dtype)
    layout[...] = h5py.VirtualSource(".", "own", own.shape)
    with h5py.File(path, "a") as file:
        file["own"] = own
        file.create_virtual_dataset("view", layout)
    for key in ("own", "view"):
        np.testing.assert_array_equal(read_scene(path, key).cube, own)


class Code:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


ZARR_2 = {
    "zarr_format": 2, "shape": SHAPE, "chunks": SHAPE, "order": "C", "fill_value": 0,
    "compressor": None,
}  # fmt: skip
ZARR_3 = {
    "zarr_format": 3, "node_type": "array", "shape": SHAPE, "fill_value": 0, "attributes": {},
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": SHAPE}},
    "chunk_key_encoding": {"name": "default"},
}  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        {**ZARR_2, "dtype": "|O", "filters": [{"id": "pickle"}]},
        {**ZARR_2, "dtype": "|O", "filters": [{"id": "vlen-utf8"}, {"id": "pickle"}]},
        {**ZARR_2, "dtype": "|O", "filters": [{"id": "vlen-utf8"}], "compressor": {"id": "pickle"}},
        {**ZARR_2, "dtype": "<i2", "filters": [{"id": "pickle"}]},
        {**ZARR_2, "dtype": "<i2", "filters": None, "compressor": {"id": "pickle"}},
        {**ZARR_3, "data_type": "int16", "codecs": [{"name": "numcodecs.pickle"}]},
        {**ZARR_3, "data_type": "int16", "codecs": [{"name": "vlen-bytes"}]},
        {**ZARR_3, "data_type": "string", "codecs": [{"name": "vlen-utf8"}]},
    ],
)
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_zarr_that_runs_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, Any], beside: bool
) -> None:
    """The array is the cube, or it is the axis of a cube of numbers."""
    codecs = pytest.importorskip("numcodecs.pickles")
    monkeypatch.setattr(codecs, "ALLOW_UNSAFE_PICKLE_DECODE", True)  # as older versions do
    made = tmp_path / "made"
    store = array = tmp_path / "a.zarr"
    if beside:
        zarr = pytest.importorskip("zarr")
        group = zarr.open_group(store, mode="w", zarr_format=metadata["zarr_format"])
        group.create_array("cube", data=np.ones(SHAPE, np.int16)).attrs["_ARRAY_DIMENSIONS"] = [
            "y", "x", "wavelength"
        ]  # fmt: skip
        metadata = metadata | {"shape": [3], "chunks": [3]}
        if metadata["zarr_format"] == 3:
            del metadata["chunks"]
            grid = {"name": "regular", "configuration": {"chunk_shape": [3]}}
            metadata |= {"chunk_grid": grid, "dimension_names": ["wavelength"]}
        array = store / "wavelength"
    chunks = ("0", "0.0.0") if metadata["zarr_format"] == 2 else ("c/0" if beside else "c/0/0/0",)
    for name in chunks:
        (array / name).parent.mkdir(parents=True, exist_ok=True)
        (array / name).write_bytes(pickle.dumps(Code(made)))
    name = ".zarray" if metadata["zarr_format"] == 2 else "zarr.json"
    (array / name).write_text(json.dumps(metadata))
    if beside:
        with contextlib.suppress(ReadError):
            read_scene(store)
    else:
        with pytest.raises(ReadError):
            read_scene(store)
    assert not made.exists()


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_zarr_of_other_codecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    numcodecs = pytest.importorskip("numcodecs")
    decoded: list[bytes] = []

    class Other(numcodecs.abc.Codec):  # type: ignore[misc, name-defined]
        codec_id = "other"

        def encode(self, buf: bytes) -> bytes:
            return buf

        def decode(self, buf: bytes, out: None = None) -> bytes:
            decoded.append(buf)
            return buf

    monkeypatch.setitem(numcodecs.registry.codec_registry, "other", Other)
    codec = (
        {"filters": [{"id": "other"}]} if place == "filters" else {"compressor": {"id": "other"}}
    )
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / "0.0.0").write_bytes(np.ones(SHAPE, np.int16).tobytes())
    (store / ".zarray").write_text(json.dumps({**ZARR_2, "dtype": "<i2", "filters": None, **codec}))
    with pytest.raises(ReadError) as caught:
        open_cube(store)
    assert str(caught.value) == (
        f"{store}: array: not decoded, since other is no known codec of numbers; "
        "write the store again with zarr's own codecs"
    )
    assert decoded == []


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_of_known_codecs(tmp_path: Path, zarr_format: Any) -> None:
    zarr = pytest.importorskip("zarr")
    cube = np.arange(1, 61, dtype=np.int16).reshape(SHAPE)
    more = {"shards": (4, 5, 3), "chunks": (2, 5, 3)} if zarr_format == 3 else {"chunks": (2, 5, 3)}
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=SHAPE, dtype="i2", zarr_format=zarr_format, **more
    )
    array[...] = cube
    np.testing.assert_array_equal(read_scene(tmp_path / "a.zarr").cube, cube)
