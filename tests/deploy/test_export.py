"""Exported models: the same numbers as torch, raw data in, and nothing let in that is none.

Independent references:
- the trained network in torch, on inputs reduced or normalised by numpy here;
- for damaged and hostile files: the bytes themselves, and ONNX files that are built here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import spectrolite as sl
from spectrolite.bundles.exported_folder import new_folder
from spectrolite.bundles.extras import need
from spectrolite.bundles.runtimes import Exported, start_onnx
from spectrolite.deploy import export as exporting
from spectrolite.deploy import onnx_graph
from spectrolite.deploy.protocols import Protocol
from spectrolite.errors import (
    ImagesError,
    MissingExtraError,
    RunError,
    SceneError,
    SettingsError,
    VerifyError,
)

FORMATS = ("onnx", "openvino")


@pytest.fixture(scope="module")
def scenes(tiny_run: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, sl.Export]:
    """The tiny scene's network in both formats."""
    folder = tmp_path_factory.mktemp("scenes")
    made = {"onnx": sl.export(tiny_run.path, "onnx", out=folder / "onnx")}
    with _from(made["onnx"]):
        made["openvino"] = sl.export(tiny_run.path, "openvino", out=folder / "openvino")
    return made


@pytest.fixture(scope="module")
def images(
    digits_run: sl.Run, digits_onnx: sl.Export, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, sl.Export]:
    """The digits' network in both formats; OpenVINO's of the bundle alone."""
    folder = tmp_path_factory.mktemp("images")
    made = {"onnx": digits_onnx}
    with _from(digits_onnx):
        bundle = digits_run.path / "bundle"
        made["openvino"] = sl.export(bundle, "openvino", out=folder / "openvino")
    return made


@contextmanager
def _from(made: sl.Export) -> Iterator[None]:
    """Take the ONNX bytes that were made already: torch's exporter takes seconds."""
    content = (made.model.path / "model.onnx").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "onnx_bytes", lambda *_: content)
        yield


@pytest.fixture
def copied(scenes: dict[str, sl.Export], tmp_path: Path) -> Path:
    """The tiny scene's ONNX folder, to be damaged."""
    shutil.copytree(scenes["onnx"].model.path, tmp_path / "model")
    return tmp_path / "model"


def _change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}))


# The same numbers


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("batch", "rows", "cols"), [(1, 1, 1), (3, 1, 1), (1, 20, 17), (2, 5, 9)])
def test_raw_spectra_give_the_logits_of_torch(
    scenes: dict[str, sl.Export], tiny_run: sl.Run, kind: str, batch: int, rows: int, cols: int
) -> None:
    generator = np.random.default_rng(rows)
    raw = generator.integers(1000, 5000, (batch, 16, rows + 24, cols + 24)).astype(np.float32)
    bands = tiny_run.bundle.bands
    reduced = np.einsum("kb,nbhw->nkhw", bands.matrix, raw - bands.mean[:, None, None])
    with torch.inference_mode():
        wanted = tiny_run.bundle.network(torch.from_numpy(reduced.astype(np.float32))).numpy()
    classes, confidence, logits = scenes[kind].model.run(raw)
    assert logits.shape == (batch, 3, rows, cols)
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.array_equal(classes, logits.argmax(1))
    softmax = np.exp(wanted) / np.exp(wanted).sum(1, keepdims=True)
    assert confidence == pytest.approx(softmax.max(1), abs=1e-4)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("batch", "side"), [(1, 8), (7, 8), (2, 11)])
def test_raw_pixels_give_the_logits_of_torch(
    images: dict[str, sl.Export], digits_run: sl.Run, kind: str, batch: int, side: int
) -> None:
    raw = np.random.default_rng(side).integers(0, 256, (batch, 1, side, side + 1), dtype=np.uint8)
    bundle = digits_run.bundle
    pixels = (raw / 255 - bundle.mean.numpy()) / bundle.std.numpy()
    with torch.inference_mode():
        wanted = bundle.network(torch.from_numpy(pixels.astype(np.float32))).numpy()
    classes, _, logits = images[kind].model.run(raw)
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.array_equal(classes, wanted.argmax(1))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_scene_is_mapped_as_by_torch(
    scenes: dict[str, sl.Export], tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels], kind: str
) -> None:
    """Borders included, whatever the window; the eight orientations too."""
    folder = scenes[kind].model.path
    for window, flips in ((192, False), (11, False), (192, True)):
        wanted = sl.classify(tiny_run, tiny[0], flips=flips)
        made = sl.classify(folder, tiny[0], window=window, flips=flips)
        assert np.array_equal(made.classes, wanted.classes)
        assert made.confidence == pytest.approx(wanted.confidence, abs=1e-4)
        assert made.class_names == wanted.class_names


@pytest.mark.parametrize("kind", FORMATS)
def test_images_are_classified_as_by_torch(
    images: dict[str, sl.Export], digits_run: sl.Run, kind: str
) -> None:
    test = sl.load("digits")[1]
    wanted = sl.classify(digits_run, test)
    made = sl.classify(images[kind].model.path, test)
    assert np.array_equal(made.classes, wanted.classes)
    assert made.probabilities == pytest.approx(wanted.probabilities, abs=1e-4)
    assert made.class_names == wanted.class_names


def test_bands_that_a_run_left_out_are_left_out_inside(
    tiny_run: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph takes all 19 bands of the file, of which three hold nothing."""
    run = sl.open_run(tiny_run.path)
    source = {**run.manifest["data"]["scene"], "drop_bands": "0,7,18"}
    run.manifest["data"] = {**run.manifest["data"], "scene": source}
    monkeypatch.setattr(type(run), "data", lambda _: tiny)
    made = sl.export(run, "openvino", out=tmp_path / "out")
    kept = [b for b in range(19) if b not in (0, 7, 18)]
    assert made.model.config.padding is not None
    assert np.flatnonzero(np.array(made.model.config.padding) == 0).tolist() == [0, 7, 18]
    cube = np.full((28, 30, 19), 60_000, np.uint16)
    cube[..., kept] = tiny[0].cube
    wanted = sl.classify(tiny_run, tiny[0]).classes
    assert np.array_equal(sl.classify(made.model, sl.Scene(cube)).classes, wanted)
    assert np.array_equal(sl.classify(made.model, tiny[0]).classes, wanted)
    with pytest.raises(SceneError, match=r"^the model takes 16 or 19 bands, the scene has 18$"):
        sl.classify(made.model, sl.Scene(cube[..., :18]))
    # the wavelengths of the bands that are kept are compared all the same
    assert made.model.config.scene is not None
    nm = tuple(400.0 + 10 * b for b in range(19))
    of_model = {"wavelengths_nm": tuple(nm[b] for b in kept)}
    config = made.model.config.scene.model_copy(update=of_model)
    model = replace(made.model, config=made.model.config.model_copy(update={"scene": config}))
    dropped_elsewhere = (0.0, *nm[1:18], 9999.0)
    field = sl.Scene(cube, name="field", wavelengths_nm=dropped_elsewhere)
    assert np.array_equal(sl.classify(model, field).classes, wanted)
    with pytest.raises(SceneError) as other:
        sl.classify(model, replace(field, wavelengths_nm=(*nm[:8], 485.0, *nm[9:])))
    assert str(other.value) == (
        "field: other wavelengths than the model's: 1 of 16 bands are more than 1 nm off, the "
        "first being 6, from 0: wanted 480 nm, got 485 nm; leave bands out with --drop-bands, or "
        "interpolate with --match-wavelengths"
    )
    with pytest.raises(SettingsError) as match:
        sl.classify(model, field, match_wavelengths=True)
    assert str(match.value) == (
        "--match-wavelengths: drop the model's bands first, with --drop-bands"
    )


# What stands in the folder


@pytest.mark.parametrize("kind", FORMATS)
def test_the_folder_says_what_a_program_needs(
    scenes: dict[str, sl.Export], tiny_run: sl.Run, kind: str
) -> None:
    made = scenes[kind]
    folder = made.model.path
    files = {"onnx": {"model.onnx"}, "openvino": {"model.xml", "model.bin"}}[kind]
    assert {p.name for p in folder.iterdir()} == {"config.json", *files}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["bundle_sha256"] == tiny_run.bundle.sha256
    assert config["halo"] == 12
    assert config["padding"] == pytest.approx(tiny_run.bundle.bands.mean, rel=1e-6)
    assert config["scene"]["class_ids"] == [2, 3, 7]
    assert config["precision"] == "float32"
    assert made.bytes == sum((folder / name).stat().st_size for name in files)
    assert made.parity.checked_on == "data"
    assert [shape[0] for shape in made.parity.inputs] == [1, 4, 1, 4]
    assert len({shape[2:] for shape in made.parity.inputs}) == 2
    assert made.parity.difference < 1e-5
    assert made.parity.same_class == 1


def test_a_bundle_without_data_is_checked_on_generated_inputs(images: dict[str, sl.Export]) -> None:
    assert images["openvino"].parity.checked_on == "generated"
    assert images["onnx"].parity.checked_on == "data"


def test_layers_keep_the_names_of_torch_and_nothing_of_the_machine(
    scenes: dict[str, sl.Export],
) -> None:
    content = (scenes["onnx"].model.path / "model.onnx").read_bytes()
    names = [n.name for n in onnx.load_model_from_string(content).graph.node if n.op_type == "Conv"]
    layers = ["conv3d_1.0", "conv3d_2.0", "conv3d_3.0", "conv2d_4.0", "fc1", "fc2", "fc3"]
    assert names == ["reduction", *layers]
    assert str(Path(sl.__file__).parent).encode() not in content


def test_the_same_model_gives_the_same_bytes(
    scenes: dict[str, sl.Export], tiny_run: sl.Run, tmp_path: Path
) -> None:
    onnx_graph.write_graph(onnx_graph.onnx_bytes(tiny_run.bundle, ()), "onnx", tmp_path)
    first = scenes["onnx"].model.path / "model.onnx"
    assert (tmp_path / "model.onnx").read_bytes() == first.read_bytes()


# The command line


def test_an_exported_folder_is_a_model_for_map_and_classify(
    scenes: dict[str, sl.Export],
    images: dict[str, sl.Export],
    tiny_run: sl.Run,
    tiny_files: tuple[Path, Path],
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    out = tmp_path / "map.tif"
    folder = scenes["openvino"].model.path
    code, _, err = typed("map", folder, "--scene", tiny_files[0], "--out", out)
    assert code == 0, err
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with pytest.warns(NotGeoreferencedWarning), rasterio.open(out) as file:
        assert np.array_equal(file.read(1), sl.classify(tiny_run, tiny_run.data()[0]).classes)
    code, _, err = typed("map", folder, "--out", tmp_path / "other.tif")
    assert (code, err) == (
        2,
        "mapping error: map: a bundle or an exported model has no scene of its own; name one with "
        "--scene",
    )
    from PIL import Image

    digit = tmp_path / "digit.png"
    Image.fromarray(sl.load("digits")[1].pixels[0, 0]).save(digit)
    code, printed, err = typed("classify", images["onnx"].model.path, digit, "--json")
    assert code == 0, err
    best = json.loads(printed)["images"][0]["classes"][0]["class"]
    assert best == sl.classify(digits_run, [digit]).top()[0][0][0]
    assert typed("classify", folder, digit)[0] == 2
    assert typed("doctor", folder)[2] == (
        f"error: {folder}: an exported model, and this wants a run or a bundle; map, classify and "
        "benchmark take exported models"
    )


def test_the_verb_prints_what_was_checked(
    digits_run: sl.Run,
    images: dict[str, sl.Export],
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = (images["onnx"].model.path / "model.onnx").read_bytes()
    monkeypatch.setattr(exporting, "onnx_bytes", lambda *_: content)
    out = tmp_path / "out"
    code, printed, err = typed("export", digits_run.path, "--format", "openvino", "--out", out)
    assert (code, err) == (0, "")
    assert printed.startswith(f"{out}: openvino, ")
    assert "of the largest, the class is the same at 100.00% (data; 1x1x8x8, 4x1x8x8)" in printed
    assert typed("export", digits_run.path, "--out", out)[2] == (
        f"error: {out} exists; take another --out, or replace it with --overwrite"
    )
    code, printed, _ = typed("export", digits_run.path, "--out", out, "--overwrite", "--json")
    assert json.loads(printed)["difference"] < 1e-5
    assert {p.name for p in out.iterdir()} == {"config.json", "model.onnx"}
    (out / "mine.txt").write_text("keep me")
    assert typed("export", digits_run.path, "--out", out, "--overwrite")[2] == (
        f"error: {out} is no exported folder, so --overwrite leaves it alone; take another --out"
    )
    assert (out / "mine.txt").exists()
    assert typed("export", digits_run.path, "--format", "coreml", "--out", tmp_path / "x")[2] == (
        "error: format: wanted one of onnx, openvino, got 'coreml'"
    )


# Nothing half-written, nothing wrong under its name


def test_a_graph_that_computes_something_else_gets_no_name(
    tiny_run: sl.Run, scenes: dict[str, sl.Export], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (scenes["onnx"].model.path / "model.onnx").read_bytes()
    model = onnx.load_model_from_string(content)
    for weight in model.graph.initializer:
        if weight.name == "network.fc3.bias":
            changed = onnx.numpy_helper.to_array(weight) + np.array([0, 0, 1], np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(changed, weight.name))
    wrong = model.SerializeToString()
    monkeypatch.setattr(exporting, "onnx_bytes", lambda *_: wrong)
    with pytest.raises(VerifyError, match=r"^onnxruntime float32: logits differ from torch by "):
        sl.export(tiny_run, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_window_of_pixels_without_a_spectrum_holds_that_of_the_padding(
    scenes: dict[str, sl.Export], tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    """What calibrates and what is compared, against the same looked up pixel by pixel."""
    model = scenes["onnx"].model
    valid = np.random.default_rng(0).random((28, 30)) < 0.7
    scene = sl.Scene(np.where(valid[..., None], tiny[0].cube, 0), valid=valid)
    padding = np.array(model.config.padding, np.float32)
    halo = model.config.halo
    for tile in (sl.Window(0, 1, 0, 1), sl.Window(3, 8, 20, 30)):
        made = model.window(scene, tile)
        assert made.shape == (16, tile.shape[0] + 2 * halo, tile.shape[1] + 2 * halo)
        for i, j in np.ndindex(made.shape[1:]):
            row, col = tile.row_start - halo + i, tile.col_start - halo + j
            known = 0 <= row < 28 and 0 <= col < 30 and valid[row, col]
            wanted = tiny[0].cube[row, col] if known else padding
            assert np.array_equal(made[:, i, j], wanted)
    drawn = sl.split(tiny[1].on(scene), "random", train=0.2, seed=1)
    inputs = np.concatenate(Protocol(scene, drawn).calibration(model))
    assert inputs.min() > 0


# Replacing what is there


def filled(folder: Path, words: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(words)
    return folder


def test_what_is_replaced_stands_until_the_new_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    real = Path.rename

    def killed(source: Path, target: Path) -> Path:
        if source.name == ".part.out":
            raise KeyboardInterrupt
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt), new_folder(out, overwrite=True):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "config.json").read_text() == "old"

    out.rename(tmp_path / ".replaced.out")  # as a kill leaves it
    with pytest.raises(RunError) as caught, new_folder(out, overwrite=False):
        pass
    assert str(caught.value) == (
        f"{out} exists; take another --out, or replace it with --overwrite"
    )
    assert (out / "config.json").read_text() == "old"
    filled(tmp_path / ".replaced.out", "older")  # as one a moment later leaves it
    with new_folder(out, overwrite=True) as part:
        (part / "config.json").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "config.json").read_text() == "new"


def test_the_folder_that_one_stands_in_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    monkeypatch.chdir(out)
    with new_folder(Path(), overwrite=True) as part:
        (part / "config.json").write_text("new")
    assert (out / "config.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_link_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    target, link = filled(tmp_path / "target", "old"), tmp_path / "link"
    link.symlink_to(target)
    for there in (True, False):
        with pytest.raises(RunError) as caught, new_folder(link, overwrite=True):
            raise AssertionError("begun")
        assert str(caught.value) == (
            f"{link} is a link, so --overwrite leaves it alone; take another --out"
        )
        if there:
            assert (target / "config.json").read_text() == "old"
            shutil.rmtree(target)
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime", "openvino"])
def test_a_missing_package_is_named_with_its_remedy(
    digits_run: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    kind = "openvino" if name == "openvino" else "onnx"
    code, out, err = typed("export", digits_run.path, "--format", kind, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err == f"error: {name} is not installed; pip install 'spectrolite[deploy]'"
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_is_missing_is_named_when_a_folder_is_opened(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"^onnxruntime is not installed; pip install"):
        sl.open_exported(copied)


def test_an_import_that_fails_inside_a_package_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nothing_of_this_name'") as it:
        need("half_installed")
    assert not isinstance(it.value, MissingExtraError)


def test_no_usage_data_leave_the_machine(tmp_path: Path) -> None:
    """In a process that neither looks like a test nor like CI, and may open no connection."""
    code = (
        "import socket\n"
        "def refuse(*_): raise SystemExit('a connection')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from spectrolite.bundles.extras import need\n"
        "nncf, openvino = need('nncf'), need('openvino')\n"
        "from nncf.telemetry.wrapper import telemetry\n"
        "import sys\n"
        "print(type(telemetry).__name__, sys.modules.get('openvino_telemetry'))\n"
    )
    import os

    hidden = ("PYTEST", "CI", "NNCF")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "HOME": str(tmp_path)},
    )
    assert done.stdout.split() == ["MagicMock", "None"]
    assert list(tmp_path.rglob("*telemetry*")) == list(tmp_path.glob("intel")) == []


# Damaged and hostile folders


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2}, "config.json: format 2, this version reads up to 1; install a newer"),
        ({"exported": "pickle"}, "damaged: exported: Input should be 'onnx' or 'openvino'"),
        ({"halo": 3}, "damaged: halo: 3, and the patch is 25; export it again"),
        ({"padding": None}, "damaged: padding: goes with scene; export it again"),
        ({"scene": None}, "damaged: wanted one of scene and images; export it again"),
        ({"dropped_bands": [99]}, "damaged: dropped_bands: not some of the bands"),
        ({"dropped_bands": list(range(16))}, "damaged: dropped_bands: not some of the bands"),
        ({"files_sha256": {"../x": "0"}}, "damaged: files_sha256: wanted model.onnx"),
        ({"more": 1}, "damaged: more: Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_is_none_is_refused(
    copied: Path, values: dict[str, Any], words: str
) -> None:
    _change_config(copied, **values)
    with pytest.raises(RunError) as caught:
        sl.open_exported(copied)
    assert words in str(caught.value)


def _rehash(folder: Path) -> None:
    """What whoever wants to harm would do, too."""
    import hashlib

    content = (folder / "model.onnx").read_bytes()
    _change_config(folder, files_sha256={"model.onnx": hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_file_cut_short_is_refused(copied: Path, keep: int) -> None:
    file = copied / "model.onnx"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RunError) as caught:
        sl.open_exported(copied)
    assert str(caught.value) == (
        f"{file}: not the file that config.json was written for; export it again"
    )
    _rehash(copied)
    with pytest.raises(RunError) as caught:
        sl.open_exported(copied)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("); export it again") or "wanted the input raw" in str(
        caught.value
    )


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_openvino_files_that_are_others_are_refused(
    scenes: dict[str, sl.Export], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(scenes["openvino"].model.path, folder)
    (folder / name).write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"not the file that config\.json was written for"):
        sl.open_exported(folder)
    import hashlib

    hashes = {
        n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in ("model.xml", "model.bin")
    }
    _change_config(folder, files_sha256=hashes)
    with pytest.raises(RunError) as caught:
        sl.open_exported(folder)
    assert str(caught.value).startswith(f"{folder / 'model.xml'}: OpenVINO cannot load it (")
    (folder / name).unlink()
    with pytest.raises(RunError) as caught:
        sl.open_exported(folder)
    assert str(caught.value) == (
        f"{folder / name}: cannot be read (No such file or directory); export it again"
    )


@pytest.mark.parametrize("place", ["initializer", "constant", "branch", "function"])
def test_tensors_in_other_files_are_refused_wherever_they_stand(
    copied: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret").write_bytes(bytes(64))
    tensor = onnx.TensorProto(name="stolen", data_type=onnx.TensorProto.FLOAT, dims=[16])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    model = onnx.load_model_from_string((copied / "model.onnx").read_bytes())
    constant = onnx.helper.make_node("Constant", [], ["stolen"], value=tensor)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "constant":
        model.graph.node.append(constant)
    elif place == "branch":
        inner = onnx.helper.make_graph([constant], "inner", [], [])
        model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner))
    else:
        model.functions.add(name="f", domain="d").node.append(constant)
    (copied / "model.onnx").write_bytes(model.SerializeToString())
    _rehash(copied)
    with pytest.raises(RunError) as caught:
        sl.open_exported(copied)
    assert str(caught.value) == (
        f"{copied / 'model.onnx'}: keeps 'stolen' in another file, '../secret'; wanted all in one "
        "file; export it again"
    )


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path) -> None:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(RunError, match="wanted the input raw and the outputs classes, confidence"):
        start_onnx(tmp_path / "model.onnx", 1)


def test_a_model_of_the_other_kind_is_refused(
    scenes: dict[str, sl.Export], images: dict[str, sl.Export], tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    with pytest.raises(SettingsError, match=r"^mobilenet_v1 classifies images, and a scene needs"):
        sl.classify(images["onnx"].model, tiny[0])
    with pytest.raises(SettingsError, match=r"^hybridsn was trained on a scene, and images need"):
        sl.classify(scenes["onnx"].model, sl.load("digits")[1])
    train = sl.load("digits")[1]
    wide = sl.ImageSet(
        np.zeros((1, 1, 9, 9), np.uint8), train.targets[:1], train.class_names, name="wide"
    )
    with pytest.raises(ImagesError, match=r"^wide: images of shape \(1, 9, 9\), and the model"):
        sl.classify(images["onnx"].model, wide)
    assert isinstance(images["onnx"].model, Exported)
