"""A trained model as a folder: what comes back, and what is refused.

Independent references:
- the files themselves: JSON by `json`, weights by `safetensors.numpy` and by the layout of the
  format (eight bytes of length, a JSON header, bytes);
- for hostile files: a pickle that would leave a trace if anything loaded it, and random bytes.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import Tensor

from spectrolite.bundles.loading import load_bundle, scene_model
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.errors import InputError, RunError
from spectrolite.files import read_json
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.band_reduction import Bands

BANDS, COMPONENTS, IDS = 15, 13, (1, 3, 7)


def _bundle(variant: str = "course") -> Bundle:
    generator = np.random.default_rng(0)
    net = HybridSN(COMPONENTS, len(IDS), variant, torch.Generator().manual_seed(0))
    with torch.no_grad():  # running statistics that are not 0 and 1
        net(3 * torch.randn(2, COMPONENTS, 25, 25, generator=torch.Generator().manual_seed(1)))
    config = Config(
        format=1,
        model="hybridsn",
        variant=variant,
        patch=25,
        class_ids=IDS,
        class_names={1: "Grünland", 3: "<&>", 7: "class 7"},
        class_colours={1: (0, 128, 255), 3: (1, 2, 3), 7: (9, 9, 9)},
        fitted_on="train",
        pixels=321,
        explained=0.875,
        wavelengths_nm=tuple(400.0 + 10 * i for i in range(BANDS)),
    )
    mean, matrix = generator.normal(size=BANDS), generator.normal(size=(COMPONENTS, BANDS))
    return Bundle(config, Bands(mean, matrix, "train", 321, 0.875), net.eval())


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return _bundle()


@pytest.fixture(scope="module")
def saved(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's folder; tests do not change it."""
    folder = tmp_path_factory.mktemp("saved") / "some" / "bundle"
    bundle.save(folder)
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to be damaged, taken away afterwards: it holds 19 MB."""
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    yield folder
    shutil.rmtree(folder)


def _refused(folder: Path) -> str:
    """The message with which the folder is refused, without its path."""
    with pytest.raises(RunError) as caught:
        load_bundle(folder)
    assert isinstance(caught.value, InputError)
    message = str(caught.value)
    assert message.startswith(str(folder))
    return message.removeprefix(str(folder)).removeprefix("/")


def _change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}))


def _no_model(why: str) -> str:
    return f": not a model of this package ({why}); train again"


# Round trip


@pytest.mark.parametrize("variant", ["course", "paper"])
def test_a_loaded_model_is_the_saved_one(variant: str, tmp_path: Path) -> None:
    made = _bundle(variant)
    made.save(tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle")
    assert loaded.config == made.config
    assert loaded.sha256 == made.sha256
    assert (loaded.bands.fitted_on, loaded.bands.pixels, loaded.bands.explained) == (
        "train",
        321,
        0.875,
    )
    assert loaded.bands.mean.dtype == loaded.bands.matrix.dtype == np.float64
    spectra = np.random.default_rng(2).integers(0, 9000, (25, 26, BANDS))
    reduced = made.bands.reduce(spectra)
    assert np.array_equal(loaded.bands.reduce(spectra), reduced)
    x = torch.from_numpy(reduced.transpose(2, 0, 1).copy())[None]
    assert not loaded.network.training
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), made.network(x))
        assert torch.equal(loaded.dense(x), made.dense(x))


def test_a_bundle_is_two_files_that_others_can_read(bundle: Bundle, saved: Path) -> None:
    assert {p.name for p in saved.iterdir()} == {"config.json", "model.safetensors"}
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert config["class_names"] == {"1": "Grünland", "3": "<&>", "7": "class 7"}
    assert config["class_ids"] == [1, 3, 7]
    assert config["format"] == 1
    arrays = load_file(saved / "model.safetensors")
    state = bundle.network.state_dict()
    assert set(arrays) == {"bands.mean", "bands.matrix", *(f"network.{key}" for key in state)}
    assert np.array_equal(arrays["bands.matrix"], bundle.bands.matrix)
    for key, value in state.items():
        assert np.array_equal(arrays[f"network.{key}"], value.numpy()), key


def test_saving_twice_gives_the_same_bytes(bundle: Bundle, saved: Path, copied: Path) -> None:
    bundle.save(copied)
    for file in saved.iterdir():
        assert (copied / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("kind", ["read-only", "Fortran-ordered", "strided"])
def test_arrays_of_any_layout_are_saved(bundle: Bundle, tmp_path: Path, kind: str) -> None:
    mean, matrix = bundle.bands.mean.copy(), bundle.bands.matrix.copy()
    if kind == "read-only":
        mean.flags.writeable = matrix.flags.writeable = False
    elif kind == "Fortran-ordered":
        matrix = np.asfortranarray(matrix)
    else:
        mean, matrix = mean.repeat(2)[::2], matrix.repeat(2, axis=1)[:, ::2]
    assert kind == "read-only" or not matrix.flags.c_contiguous
    replace(bundle, bands=replace(bundle.bands, mean=mean, matrix=matrix)).save(tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle")
    assert loaded.sha256 == bundle.sha256
    assert np.array_equal(loaded.bands.mean, bundle.bands.mean)
    assert np.array_equal(loaded.bands.matrix, bundle.bands.matrix)


def test_the_encoding_is_utf8_where_the_machine_s_is_another(
    bundle: Bundle, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "config.json").unlink()
    monkeypatch.setattr(io, "text_encoding", lambda encoding, _level=2: encoding or "ascii")
    bundle.save(copied)
    assert '"1": "Grünland"'.encode() in (copied / "config.json").read_bytes()
    assert load_bundle(copied).config == bundle.config


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_disk_that_fills_up_leaves_the_model_that_was_there(
    copied: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = {file.name: file.read_bytes() for file in copied.iterdir()}
    write = Path.write_bytes

    def half(path: Path, content: bytes | str, **_: object) -> None:
        raw = content.encode() if isinstance(content, str) else content
        write(path, raw[: len(raw) // 2 if path.name.endswith(name) else None])
        if path.name.endswith(name):
            raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        _bundle().save(copied)
    assert {file.name: file.read_bytes() for file in copied.iterdir()} == before


def test_bands_of_a_smaller_type_are_reckoned_with_in_float64(bundle: Bundle, copied: Path) -> None:
    state = _state(copied)
    for key, dtype in (("bands.mean", torch.float16), ("bands.matrix", torch.float32)):
        state[key] = state[key].to(dtype)
    save_file(state, copied / "model.safetensors")
    loaded = load_bundle(copied).bands
    assert loaded.mean.dtype == loaded.matrix.dtype == np.float64
    assert np.array_equal(loaded.mean, bundle.bands.mean.astype(np.float16))
    assert np.array_equal(loaded.matrix, bundle.bands.matrix.astype(np.float32))


def test_a_network_in_training_mode_comes_back_in_evaluation_mode(tmp_path: Path) -> None:
    made = _bundle("paper")
    made.network.train()
    made.save(tmp_path / "bundle")
    assert not any(m.training for m in load_bundle(tmp_path / "bundle").network.modules())
    shutil.rmtree(tmp_path / "bundle")


def test_the_hash_is_of_every_trained_number(bundle: Bundle) -> None:
    def hashed(key: str | None = None, mean: float = 0.0, matrix: float = 0.0) -> str:
        twin = _bundle()
        with torch.no_grad():
            if key:
                twin.network.state_dict()[key].flatten()[-1] += 1
        bands = replace(twin.bands, mean=twin.bands.mean + mean, matrix=twin.bands.matrix + matrix)
        return replace(twin, bands=bands).sha256

    assert hashed() == bundle.sha256
    changed = [
        hashed("conv3d_1.0.weight"),
        hashed("fc3.bias"),
        hashed("conv2d_4.1.running_var"),
        hashed(mean=1e-9),
        hashed(matrix=1e-9),
    ]
    assert len({bundle.sha256, *changed}) == 6
    assert all(len(c) == 64 for c in changed)


def test_the_dense_form_is_made_once(bundle: Bundle) -> None:
    assert bundle.dense is bundle.dense
    assert bundle.dense is not bundle.network


# What stands for a model


@dataclass
class _Run:
    bundle: Bundle


def test_a_run_a_bundle_and_a_folder_stand_for_a_model(bundle: Bundle, saved: Path) -> None:
    assert scene_model(bundle) is bundle
    assert scene_model(_Run(bundle)) is bundle
    for folder in (saved, str(saved), saved.parent):  # the last holds `bundle`, as a run does
        opened = scene_model(folder)
        assert isinstance(opened, Bundle)
        assert opened.sha256 == bundle.sha256


def test_flat_linear_layers_of_the_course_are_taken(bundle: Bundle, copied: Path) -> None:
    state = _state(copied)
    state["network.fc1.weight"] = state["network.fc1.weight"].flatten(1)
    save_file(state, copied / "model.safetensors")
    assert load_bundle(copied).sha256 == bundle.sha256


# Damaged and hostile weights


def _state(folder: Path) -> dict[str, Tensor]:
    file = folder / "model.safetensors"
    return {key: torch.from_numpy(value) for key, value in load_file(file).items()}


class _Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        import os

        return os.mkdir, (str(self.trace),)


def test_a_pickle_is_refused_and_does_not_run(copied: Path, tmp_path: Path) -> None:
    weights, trace = copied / "model.safetensors", tmp_path / "trace"
    for write in (
        lambda: weights.write_bytes(pickle.dumps(_Trap(trace))),
        lambda: torch.save({"network.fc3.bias": _Trap(trace)}, weights),
    ):
        write()
        assert _refused(copied).startswith("model.safetensors: cannot be read (")
        assert not trace.exists()
    pickle.loads(pickle.dumps(_Trap(trace)))
    assert trace.exists()  # the trap works


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 200, 5_000, -4, -1])
def test_weights_cut_short_are_refused(copied: Path, keep: int) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    message = _refused(copied)
    assert message.startswith("model.safetensors: cannot be read (")
    assert message.endswith("); train again")


def _file(header: object, length: int | None = None, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "content",
    [
        _file({}, length=2**63),
        _file({}, length=2**40),
        _file({}, length=100_000_001),
        _file([1, 2]),
        _file({"a": _entry([2**40], 0, 2**42)}),
        _file({"a": _entry([2**62, 2**62], 0, 4)}, body=bytes(4)),
        _file({"a": _entry([2], 0, 4)}, body=bytes(4)),
        _file({"a": _entry([1], 4, 0)}, body=bytes(4)),
        _file({"a": _entry([1], 0, 4), "b": _entry([1], 0, 4)}, body=bytes(4)),
        _file({"a": _entry([1], 0, 4)}, body=bytes(400)),
        _file({"a": _entry([1], 0, 4, "O")}, body=bytes(4)),
    ],
    ids=[
        "header of 8 EiB",
        "header of 1 TiB",
        "header above the limit",
        "header a list",
        "tensor of 4 TiB",
        "size overflows",
        "shape and bytes differ",
        "negative size",
        "overlap",
        "bytes left over",
        "unknown type",
    ],
)
def test_absurd_headers_are_refused(saved: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    assert _refused(tmp_path).startswith("model.safetensors: cannot be read (")


@profile(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused(saved: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    assert _refused(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network.fc3.bias", float("nan")),
        ("network.conv3d_2.0.weight", float("inf")),
        ("network.conv2d_4.1.running_mean", float("-inf")),
        ("network.conv2d_4.1.running_var", float("nan")),
        ("network.conv3d_1.1.running_var", -1e-6),
        ("bands.mean", float("nan")),
        ("bands.matrix", float("inf")),
    ],
)
def test_numbers_that_no_training_leaves_are_refused(copied: Path, key: str, value: float) -> None:
    state = _state(copied)
    state[key].flatten()[-1] = value
    save_file(state, copied / "model.safetensors")
    name = key.removeprefix("network.")
    what = "negative variances" if -1 < value < 0 else "NaN, infinite or too large values"
    assert _refused(copied) == _no_model(f"{what} in {name}")


@pytest.mark.parametrize("value", [1e300, -1e39])
def test_numbers_too_large_for_the_network_s_type_are_refused(copied: Path, value: float) -> None:
    """Finite as float64 in the file, infinite as the network's float32."""
    state = _state(copied)
    state["network.fc3.bias"] = torch.tensor([0, value, 0], dtype=torch.float64)
    save_file(state, copied / "model.safetensors")
    assert _refused(copied) == _no_model("NaN, infinite or too large values in fc3.bias")


def test_negative_weights_and_a_variance_of_0_are_allowed(copied: Path) -> None:
    state = _state(copied)
    state["network.conv3d_1.1.running_var"][:] = 0
    state["network.conv3d_1.1.weight"][:] = -1
    save_file(state, copied / "model.safetensors")
    network = load_bundle(copied).network.state_dict()
    assert set(network["conv3d_1.1.running_var"].tolist()) == {0.0}
    assert set(network["conv3d_1.1.weight"].tolist()) == {-1.0}


def _bands(mean: tuple[int, ...], matrix: tuple[int, ...]) -> dict[str, Tensor]:
    return {
        "bands.mean": torch.ones(mean, dtype=torch.float64),
        "bands.matrix": torch.ones(matrix, dtype=torch.float64),
    }


@pytest.fixture
def bands_only(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and no network that could be built to wrong sizes."""

    def build(*_: object, **__: object) -> None:
        raise AssertionError("built before it was checked")

    monkeypatch.setattr("spectrolite.bundles.scene_bundle.build_scene_model", build)
    shutil.copy(saved / "config.json", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("mean", "matrix"),
    [
        ((), (COMPONENTS, BANDS)),
        ((1, BANDS), (COMPONENTS, BANDS)),
        ((BANDS,), (BANDS,)),
        ((BANDS,), (COMPONENTS, BANDS, 1)),
        ((BANDS,), (BANDS, COMPONENTS)),
        ((BANDS + 1,), (COMPONENTS, BANDS)),
        ((BANDS,), (BANDS + 1, BANDS)),
        ((BANDS,), (0, BANDS)),
        ((0,), (0, 0)),
        ((0,), (2**40, 0)),
    ],
)
def test_shapes_that_are_no_reduction_are_refused_before_anything_is_built(
    bands_only: Path, mean: tuple[int, ...], matrix: tuple[int, ...]
) -> None:
    save_file(_bands(mean, matrix), bands_only / "model.safetensors")
    expected = f"bands: mean of shape {mean} and matrix of {matrix}"
    assert _refused(bands_only) == _no_model(expected)


@pytest.mark.parametrize("key", ["bands.mean", "bands.matrix"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_bands_that_are_not_floating_point_are_refused(
    bands_only: Path, key: str, dtype: torch.dtype
) -> None:
    state = _bands((BANDS,), (COMPONENTS, BANDS))
    state[key] = state[key].to(dtype)
    save_file(state, bands_only / "model.safetensors")
    mean, matrix = state.values()
    expected = f"bands: {mean.dtype} and {matrix.dtype}, not floating point"
    assert _refused(bands_only) == _no_model(expected)


@pytest.mark.parametrize("count", [0, BANDS - 1, BANDS + 1])
def test_wavelengths_are_one_a_band(bands_only: Path, count: int) -> None:
    save_file(_bands((BANDS,), (COMPONENTS, BANDS)), bands_only / "model.safetensors")
    _change_config(bands_only, wavelengths_nm=[400.0] * count)
    assert _refused(bands_only) == _no_model(f"{count} wavelengths for 15 bands")


@pytest.mark.parametrize("key", ["fc3.bias", "bands.scale", "network", "Network.fc3.bias", ""])
def test_a_key_without_the_prefix_is_refused(bands_only: Path, key: str) -> None:
    state = {**_bands((BANDS,), (COMPONENTS, BANDS)), key: torch.ones(len(IDS))}
    save_file(state, bands_only / "model.safetensors")
    assert _refused(bands_only) == _no_model(f"{key!r} is neither of the network nor of the bands")


def test_weights_without_any_prefix_are_refused(copied: Path) -> None:
    """A state dict as the course's notebook would save it, beside the bands."""
    state = {key.removeprefix("network."): value for key, value in _state(copied).items()}
    save_file(state, copied / "model.safetensors")
    assert _refused(copied).endswith(" is neither of the network nor of the bands); train again")


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "missing weight": (lambda s: s.pop("network.fc3.bias"), 'Missing key(s) in state_dict: "fc3.'),
    "missing statistics": (
        lambda s: s.pop("network.conv3d_1.1.running_mean"),
        'Missing key(s) in state_dict: "conv3d_1.1.running_mean"',
    ),
    "missing mean": (lambda s: s.pop("bands.mean"), "bands.mean"),
    "missing matrix": (lambda s: s.pop("bands.matrix"), "bands.matrix"),
    "extra weight": (
        lambda s: s.update({"network.fc4.bias": torch.ones(1)}),
        'Unexpected key(s) in state_dict: "fc4.bias"',
    ),
    "prefixed by another tool": (
        lambda s: s.update({"network.module.fc3.bias": s.pop("network.fc3.bias")}),
        'Unexpected key(s) in state_dict: "module.fc3.bias"',
    ),
    "prefixed twice": (
        lambda s: s.update({"network.network.fc3.bias": s.pop("network.fc3.bias")}),
        'Unexpected key(s) in state_dict: "network.fc3.bias"',
    ),
    "another shape": (
        lambda s: s.update({"network.fc3.bias": torch.ones(4)}),
        "size mismatch for fc3.bias",
    ),
    "transposed": (
        lambda s: s.update({"network.fc2.weight": torch.ones(256, 128, 1, 1)}),
        "size mismatch for fc2.weight",
    ),
    "fewer components": (
        lambda s: s.update({"bands.matrix": torch.ones(12, BANDS, dtype=torch.float64)}),
        "need at least 13 bands or components, got 12",
    ),
    "more components": (
        lambda s: s.update({"bands.matrix": torch.ones(14, BANDS, dtype=torch.float64)}),
        "size mismatch for conv2d_4.0.weight",
    ),
    "nothing": (lambda s: s.clear(), "bands.mean"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_weights_of_something_else_are_refused(copied: Path, name: str) -> None:
    change, words = CHANGES[name]
    state = _state(copied)
    change(state)
    save_file(state, copied / "model.safetensors")
    message = _refused(copied)
    assert message.startswith(": not a model of this package (")
    assert message.endswith("); train again")
    assert words in message


@pytest.mark.parametrize("make", ["nothing", "folder"])
def test_weights_that_are_no_file_are_refused(saved: Path, tmp_path: Path, make: str) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    if make == "folder":
        (tmp_path / "model.safetensors").mkdir()
    assert _refused(tmp_path).startswith("model.safetensors: cannot be read (")


# Damaged and hostile configurations


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": "resnet"}, "(model: wanted one of hybridsn, mobilesn, got 'resnet')"),
        ({"model": "os.system"}, "(model: wanted one of hybridsn, mobilesn, got 'os.system')"),
        (
            {"model": "spectrolite.models.hybridsn.HybridSN"},
            "(model: wanted one of hybridsn, mobilesn, got 'spectrolite.models.hybridsn.HybridSN')",
        ),
        ({"variant": "v2"}, "(variant: wanted one of course, paper for hybridsn, got 'v2')"),
        ({"variant": "paper"}, "Unexpected key(s) in state_dict"),
        ({"class_ids": [1, 3]}, "size mismatch for fc3.weight"),
        ({"patch": 24}, "(patch: 24, but hybridsn has 25); train again"),
        ({"patch": 27}, "(patch: 27, but hybridsn has 25); train again"),
        ({"patch": True}, "(patch: 1, but hybridsn has 25); train again"),
    ],
)
def test_a_configuration_of_another_network_is_refused(
    copied: Path, values: dict[str, Any], words: str
) -> None:
    _change_config(copied, **values)
    message = _refused(copied)
    assert message.startswith(": not a model of this package (")
    assert message.endswith("); train again")
    assert words in message


def test_a_newer_format_is_refused(saved: Path, tmp_path: Path) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    _change_config(tmp_path, format=2, something="new")
    assert _refused(tmp_path) == (
        "config.json: format 2, this version reads up to 1; install a newer spectrolite"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"surprise": 1}, "damaged: surprise: Extra inputs are not permitted; train again"),
        (
            {"patch": "wide"},
            "damaged: patch: wanted a valid integer, unable to parse "
            "string as an integer; train again",
        ),
        ({"model": ["hybridsn"]}, "damaged: model: wanted a valid string; train again"),
        (
            {"class_names": {"x": "a"}},
            "damaged: class_names.x.[key]: wanted a valid "
            "integer, unable to parse string as an integer; train again",
        ),
        (
            {"class_colours": {"1": [1, 2]}},
            "damaged: class_colours.1.2: Field required; train again",
        ),
        (
            {"wavelengths_nm": ["red"]},
            "damaged: wavelengths_nm.0: wanted a valid number, "
            "unable to parse string as a number; train again",
        ),
        ({"class_ids": None}, "damaged: class_ids: wanted a valid tuple; train again"),
        (
            {"\ud800": 1},
            "damaged: wanted a valid string, unable to parse raw data as a "
            "unicode string; train again",
        ),
    ],
)
def test_wrong_values_are_named(
    saved: Path, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    _change_config(tmp_path, **values)
    assert _refused(tmp_path) == f"config.json: {message}"


NAN, INF = float("nan"), float("inf")
LOW, HIGH = "a number greater than or equal to", "a number less than or equal to"


@pytest.mark.parametrize(
    ("key", "value", "where", "why"),
    [
        ("format", 0, "format", f"{LOW} 1"),
        ("format", -1, "format", f"{LOW} 1"),
        ("patch", 0, "patch", f"{LOW} 1"),
        ("class_ids", [0, 1, 3], "class_ids.0", f"{LOW} 1"),
        ("class_ids", [-3, 1, 3], "class_ids.0", f"{LOW} 1"),
        ("class_ids", [1, 3, 65536], "class_ids.2", f"{HIGH} 65535"),
        ("class_names", {"0": "none"}, "class_names.0.[key]", f"{LOW} 1"),
        ("class_names", {"65536": "a"}, "class_names.65536.[key]", f"{HIGH} 65535"),
        ("class_colours", {"0": [1, 2, 3]}, "class_colours.0.[key]", f"{LOW} 1"),
        ("class_colours", {"1": [0, 0, 256]}, "class_colours.1.2", f"{HIGH} 255"),
        ("class_colours", {"1": [-1, 0, 0]}, "class_colours.1.0", f"{LOW} 0"),
        ("pixels", 0, "pixels", f"{LOW} 1"),
        ("pixels", INF, "pixels", "a finite number"),
        ("explained", -0.001, "explained", f"{LOW} 0"),
        ("explained", 1.001, "explained", f"{HIGH} 1.000001"),
        ("explained", NAN, "explained", "a finite number"),
        ("explained", INF, "explained", "a finite number"),
        ("wavelengths_nm", [400.0, NAN], "wavelengths_nm.1", "a finite number"),
        ("wavelengths_nm", [-INF], "wavelengths_nm.0", "a finite number"),
    ],
)
def test_numbers_out_of_range_are_named(
    saved: Path, tmp_path: Path, key: str, value: object, where: str, why: str
) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    _change_config(tmp_path, **{key: value})
    expected = f"config.json: damaged: {where}: wanted {why}; train again"
    assert _refused(tmp_path) == expected


@pytest.mark.parametrize("ids", [[], [7]])
def test_fewer_classes_than_two_are_refused(saved: Path, tmp_path: Path, ids: list[int]) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    _change_config(tmp_path, class_ids=ids)
    assert _refused(tmp_path) == (
        "config.json: damaged: class_ids: Tuple should have at least 2 items after validation, "
        f"not {len(ids)}; train again"
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"class_ids": [3, 1, 7]}, "class_ids: wanted ascending ids, each once"),
        ({"class_ids": [1, 3, 3]}, "class_ids: wanted ascending ids, each once"),
        ({"class_ids": [1, 3, 8]}, "class_names: nothing for class 8"),
        ({"class_names": {"1": "a"}}, "class_names: nothing for class 3"),
        ({"class_colours": {"1": [1, 2, 3], "3": [1, 2, 3]}}, "class_colours: nothing for class 7"),
        (
            {"class_names": {"1": "a", "3": "b", "7": "c", "9": "d"}},
            "class_names and class_colours: wanted the same classes",
        ),
    ],
)
def test_classes_that_do_not_agree_are_refused(
    saved: Path, tmp_path: Path, values: dict[str, Any], why: str
) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    _change_config(tmp_path, **values)
    message = _refused(tmp_path)
    assert message.startswith("config.json: damaged: ")
    assert message.endswith(f"{why}; train again")


def test_the_limits_themselves_are_allowed(bundle: Bundle) -> None:
    ids, names, colours = (1, 65535), {1: "", 65535: "b"}, {1: (0, 0, 0), 65535: (255, 255, 255)}
    values = {"class_ids": ids, "class_names": names, "class_colours": colours, "pixels": 1}
    for explained in (0.0, 1.0, 1 + 1e-7):  # a sum of shares may end above 1
        config = Config.model_validate({**dict(bundle.config), **values, "explained": explained})
        assert (config.class_ids, config.class_names, config.class_colours) == (ids, names, colours)
        assert (config.pixels, config.explained) == (1, explained)


def test_classes_without_a_trained_pixel_keep_names_and_colours(
    bundle: Bundle, copied: Path
) -> None:
    names = {**bundle.config.class_names, 9: "unseen"}
    colours = {**bundle.config.class_colours, 9: (4, 5, 6)}
    config = bundle.config.model_copy(update={"class_names": names, "class_colours": colours})
    replace(bundle, config=config).save(copied)
    assert load_bundle(copied).config == config


@pytest.mark.parametrize(
    "key",
    [k for k in Config.model_fields if k not in ("width", "kernels", "caveat", "temperature")],
)
def test_every_key_is_needed(saved: Path, tmp_path: Path, key: str) -> None:
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    del config[key]
    (tmp_path / "config.json").write_text(json.dumps(config))
    if key == "scaled":  # which older bundles lack
        assert not Config.model_validate(config).scaled
        return
    if key == "format":
        expected = "config.json: wanted a JSON object with a number `format`; train again"
    else:
        expected = f"config.json: damaged: {key}: Field required; train again"
    assert _refused(tmp_path) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[1, 2]",
        "3",
        "null",
        '"text"',
        "{}",
        '{"format": "1"}',
        '{"format": null}',
        '{"format": 1.5}',
        '{"format": true}',
        '{"format": [1]}',
    ],
)
def test_json_that_is_no_object_with_a_format_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert _refused(tmp_path) == (
        "config.json: wanted a JSON object with a number `format`; train again"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"format": 1',
        b"format: 1",
        b"\xff\xfe{}",
        b"\x00" * 50,
        b'{"format": 1}}',
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
)
def test_damaged_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    message = _refused(tmp_path)
    assert message.startswith("config.json: damaged (")
    assert message.endswith("); train again")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_nested_without_end_is_refused(tmp_path: Path, opening: str, closing: str) -> None:
    text = '{"format": 1, "model": ' + opening * 100_000 + "1" + closing * 100_000 + "}"
    for content in (text, opening * 100_000):
        (tmp_path / "config.json").write_text(content)
        message = _refused(tmp_path)
        assert message.startswith("config.json: damaged (maximum recursion depth exceeded")
        assert message.endswith("); train again")


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    expected = "config.json: cannot be read (No such file or directory); is this a run?"
    assert _refused(tmp_path) == expected
    assert _refused(tmp_path / "absent") == expected


def test_a_run_whose_bundle_is_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    assert _refused(tmp_path).startswith("bundle/config.json: cannot be read (")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@profile(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=JSON, key=st.sampled_from([None, *Config.model_fields]))
def test_no_configuration_gets_past_the_check_but_a_good_one(
    saved: Path, tmp_path: Path, content: object, key: str | None
) -> None:
    """Whatever stands in one key, or instead of all: an error of ours; no weights lie there."""
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    whole = content if key is None else {**config, key: content}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    assert _refused(tmp_path)


def test_read_json_gives_what_the_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text('{"format": 2, "name": "Grünland"}', encoding="utf-8")
    assert read_json(file, newest=2) == {"format": 2, "name": "Grünland"}
    with pytest.raises(RunError) as caught:
        read_json(file, newest=1)
    assert str(caught.value) == (
        f"{file}: format 2, this version reads up to 1; install a newer spectrolite"
    )


def test_a_mean_too_large_for_the_networks_numbers_is_refused(copied: Path) -> None:
    state = _state(copied)
    state["bands.mean"] = torch.full_like(state["bands.mean"], 1e300)
    save_file(state, copied / "model.safetensors")
    assert _refused(copied) == _no_model("NaN, infinite or too large values in bands.mean")


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_weights_of_another_type_are_refused(copied: Path, dtype: torch.dtype) -> None:
    state = _state(copied)
    state["network.fc3.bias"] = state["network.fc3.bias"].to(dtype)
    save_file(state, copied / "model.safetensors")
    assert _refused(copied) == _no_model(f"fc3.bias is {dtype}, wanted torch.float32")


def test_a_name_that_is_no_text_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    first = next(iter(config["class_names"]))
    config["class_names"][first] = "\ud800"
    (copied / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert _refused(copied).endswith("class_names: '\\ud800' is no valid text; train again")


def test_any_memory_layout_can_be_saved(saved: Path, tmp_path: Path) -> None:
    bundle = load_bundle(saved)
    odd = Bands(
        bundle.bands.mean[::-1].copy()[::-1], bundle.bands.matrix.astype(">f8"), "train", 1, 1.0
    )
    Bundle(bundle.config, odd, bundle.network).save(tmp_path)
    again = load_bundle(tmp_path)
    np.testing.assert_array_equal(again.bands.mean, bundle.bands.mean)
    np.testing.assert_array_equal(again.bands.matrix, bundle.bands.matrix)
