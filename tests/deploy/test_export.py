"""Exported models compute the same numbers as torch, from raw data.

The reference is the trained network in torch, on inputs that numpy reduces or normalises here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import spectrolite as sl
from spectrolite.deploy import export as exporting
from spectrolite.deploy import onnx_graph
from spectrolite.errors import SceneError, SettingsError, VerifyError

FORMATS = ("onnx", "openvino")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("batch", "rows", "cols"), [(1, 1, 1), (3, 1, 1), (1, 20, 17), (2, 5, 9)])
def test_raw_spectra_give_the_logits_of_torch(
    scene_exports: dict[str, sl.Export],
    tiny_run: sl.Run,
    kind: str,
    batch: int,
    rows: int,
    cols: int,
) -> None:
    generator = np.random.default_rng(rows)
    raw = generator.integers(1000, 5000, (batch, 16, rows + 24, cols + 24)).astype(np.float32)
    bands = tiny_run.bundle.bands
    reduced = np.einsum("kb,nbhw->nkhw", bands.matrix, raw - bands.mean[:, None, None])
    with torch.inference_mode():
        wanted = tiny_run.bundle.network(torch.from_numpy(reduced.astype(np.float32))).numpy()
    classes, confidence, logits = scene_exports[kind].model.run(raw)
    assert logits.shape == (batch, 3, rows, cols)
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.array_equal(classes, logits.argmax(1))
    softmax = np.exp(wanted) / np.exp(wanted).sum(1, keepdims=True)
    assert confidence == pytest.approx(softmax.max(1), abs=1e-4)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("batch", "side"), [(1, 8), (7, 8), (2, 11)])
def test_raw_pixels_give_the_logits_of_torch(
    image_exports: dict[str, sl.Export], digits_run: sl.Run, kind: str, batch: int, side: int
) -> None:
    raw = np.random.default_rng(side).integers(0, 256, (batch, 1, side, side + 1), dtype=np.uint8)
    bundle = digits_run.bundle
    pixels = (raw / 255 - bundle.mean.numpy()) / bundle.std.numpy()
    with torch.inference_mode():
        wanted = bundle.network(torch.from_numpy(pixels.astype(np.float32))).numpy()
    classes, _, logits = image_exports[kind].model.run(raw)
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.array_equal(classes, wanted.argmax(1))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_scene_is_mapped_as_by_torch(
    scene_exports: dict[str, sl.Export],
    tiny_run: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    kind: str,
) -> None:
    """With borders, for several sizes of windows, and for the eight orientations."""
    folder = scene_exports[kind].model.path
    for window, flips in ((192, False), (11, False), (192, True)):
        by_torch = sl.classify(tiny_run, tiny[0], flips=flips)
        by_graph = sl.classify(folder, tiny[0], window=window, flips=flips)
        assert np.array_equal(by_graph.classes, by_torch.classes)
        assert by_graph.confidence == pytest.approx(by_torch.confidence, abs=1e-4)
        assert by_graph.class_names == by_torch.class_names


@pytest.mark.parametrize("kind", FORMATS)
def test_images_are_classified_as_by_torch(
    image_exports: dict[str, sl.Export], digits_run: sl.Run, kind: str
) -> None:
    test = sl.load("digits")[1]
    by_torch = sl.classify(digits_run, test)
    by_graph = sl.classify(image_exports[kind].model.path, test)
    assert np.array_equal(by_graph.classes, by_torch.classes)
    assert by_graph.probabilities == pytest.approx(by_torch.probabilities, abs=1e-4)
    assert by_graph.class_names == by_torch.class_names


def test_the_graph_leaves_out_the_bands_that_its_run_left_out(
    tiny_run: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph takes all 19 bands of the file and leaves out three."""
    run = sl.open_run(tiny_run.path)
    source = {**run.manifest.data.scene, "drop_bands": "0,7,18"}
    data = run.manifest.data.model_copy(update={"scene": source})
    run = replace(run, manifest=run.manifest.model_copy(update={"data": data}))
    monkeypatch.setattr(type(run), "data", lambda _: tiny)
    exported = sl.export(run, "openvino", out=tmp_path / "out")
    kept = [b for b in range(19) if b not in (0, 7, 18)]
    assert exported.model.config.padding is not None
    assert np.flatnonzero(np.array(exported.model.config.padding) == 0).tolist() == [0, 7, 18]
    cube = np.full((28, 30, 19), 60_000, np.uint16)
    cube[..., kept] = tiny[0].cube
    by_torch = sl.classify(tiny_run, tiny[0]).classes
    assert np.array_equal(sl.classify(exported.model, sl.Scene(cube)).classes, by_torch)
    assert np.array_equal(sl.classify(exported.model, tiny[0]).classes, by_torch)
    with pytest.raises(SceneError, match=r"^the model takes 16 or 19 bands, the scene has 18$"):
        sl.classify(exported.model, sl.Scene(cube[..., :18]))
    # the wavelengths of the kept bands are still compared
    assert exported.model.config.scene is not None
    nm = tuple(400.0 + 10 * b for b in range(19))
    of_model = {"wavelengths_nm": tuple(nm[b] for b in kept)}
    config = exported.model.config.scene.model_copy(update=of_model)
    model = replace(
        exported.model, config=exported.model.config.model_copy(update={"scene": config})
    )
    dropped_elsewhere = (0.0, *nm[1:18], 9999.0)
    field = sl.Scene(cube, name="field", wavelengths_nm=dropped_elsewhere)
    assert np.array_equal(sl.classify(model, field).classes, by_torch)
    with pytest.raises(SceneError) as other:
        sl.classify(model, replace(field, wavelengths_nm=(*nm[:8], 485.0, *nm[9:])))
    assert str(other.value) == (
        "field: other wavelengths than the model's: 1 of 16 bands are more than 1 nm off, the "
        "first is band 6, from 0: wanted 480 nm, got 485 nm; drop bands with --drop-bands, or "
        "interpolate with --match-wavelengths"
    )
    with pytest.raises(SettingsError) as match:
        sl.classify(model, field, match_wavelengths=True)
    assert str(match.value) == (
        "--match-wavelengths: drop the model's bands first, with --drop-bands"
    )


# The content of the folder


@pytest.mark.parametrize("kind", FORMATS)
def test_the_config_has_what_a_program_needs(
    scene_exports: dict[str, sl.Export], tiny_run: sl.Run, kind: str
) -> None:
    exported = scene_exports[kind]
    folder = exported.model.path
    files = {"onnx": {"model.onnx"}, "openvino": {"model.xml", "model.bin"}}[kind]
    assert {p.name for p in folder.iterdir()} == {"config.json", *files}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["bundle_sha256"] == tiny_run.bundle.sha256
    assert config["halo"] == 12
    assert config["padding"] == pytest.approx(tiny_run.bundle.bands.mean, rel=1e-6)
    assert config["scene"]["class_ids"] == [2, 3, 7]
    assert config["precision"] == "float32"
    assert exported.bytes == sum((folder / name).stat().st_size for name in files)
    assert exported.parity.checked_on == "data"
    assert [shape[0] for shape in exported.parity.inputs] == [1, 4, 1, 4]
    assert len({shape[2:] for shape in exported.parity.inputs}) == 2
    assert exported.parity.difference < 1e-5
    assert exported.parity.same_class == 1
    backend = {"onnx": "onnxruntime", "openvino": "openvino"}[kind]
    assert repr(exported) == (
        f"hybridsn (course) on {backend} float32, {folder}\n"
        "takes spectra of 16 bands; 3 classes\n"
        f"{exported.bytes / 1e6:.2f} MB; logits differ from torch by "
        f"{exported.parity.difference:.1e} of the largest, same class for 100.00% (inputs: data)"
    )


def test_a_bundle_without_data_is_checked_on_generated_inputs(
    image_exports: dict[str, sl.Export],
) -> None:
    model = image_exports["onnx"].model
    assert repr(model) == (
        f"mobilenet_v1 (course) on onnxruntime float32, {model.path}\n"
        "takes images of 1 x 8 x 8; 10 classes"
    )
    assert image_exports["openvino"].parity.checked_on == "generated"
    assert image_exports["onnx"].parity.checked_on == "data"


def test_layers_have_their_names_in_torch_and_no_paths_are_stored(
    scene_exports: dict[str, sl.Export],
) -> None:
    content = (scene_exports["onnx"].model.path / "model.onnx").read_bytes()
    names = [n.name for n in onnx.load_model_from_string(content).graph.node if n.op_type == "Conv"]
    layers = ["conv3d_1.0", "conv3d_2.0", "conv3d_3.0", "conv2d_4.0", "fc1", "fc2", "fc3"]
    assert names == ["reduction", *layers]
    assert str(Path(sl.__file__).parent).encode() not in content


def test_the_same_model_gives_the_same_bytes(
    scene_exports: dict[str, sl.Export], tiny_run: sl.Run, tmp_path: Path
) -> None:
    onnx_graph.write_graph(onnx_graph.onnx_bytes(tiny_run.bundle, ()), "onnx", tmp_path)
    first = scene_exports["onnx"].model.path / "model.onnx"
    assert (tmp_path / "model.onnx").read_bytes() == first.read_bytes()


# The command line


def test_map_and_classify_take_an_exported_folder(
    scene_exports: dict[str, sl.Export],
    image_exports: dict[str, sl.Export],
    tiny_run: sl.Run,
    tiny_files: tuple[Path, Path],
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    out = tmp_path / "map.tif"
    folder = scene_exports["openvino"].model.path
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
    code, printed, err = typed("classify", image_exports["onnx"].model.path, digit, "--json")
    assert code == 0, err
    best = json.loads(printed)["images"][0]["classes"][0]["class"]
    assert best == sl.classify(digits_run, [digit]).top()[0][0][0]
    assert typed("classify", folder, digit)[0] == 2
    assert typed("doctor", folder)[2] == (
        f"error: {folder}: an exported model, and this wants a run or a bundle; map, classify and "
        "benchmark take exported models"
    )


def test_the_verb_prints_the_comparison_with_torch(
    digits_run: sl.Run, tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
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
        f"error: {out} is not an exported folder, which --overwrite does not replace; take "
        "another --out"
    )
    assert (out / "mine.txt").exists()
    assert typed("export", digits_run.path, "--format", "coreml", "--out", tmp_path / "x")[2] == (
        "error: format: wanted one of onnx, openvino, got 'coreml'"
    )


# Wrong graphs are refused


def test_a_graph_whose_results_differ_from_torch_is_refused(
    tiny_run: sl.Run,
    scene_exports: dict[str, sl.Export],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = (scene_exports["onnx"].model.path / "model.onnx").read_bytes()
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
