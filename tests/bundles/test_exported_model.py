"""Damaged and hostile exported folders are refused.

References: the bytes of the files themselves, and ONNX files that are built here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import spectrolite as sl
from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.runtimes import start_onnx
from spectrolite.errors import ImagesError, MissingExtraError, RunError, SettingsError


@pytest.fixture
def exported(scene_exports: dict[str, sl.Export], tmp_path: Path) -> Path:
    """A copy of the tiny scene's ONNX folder, for a test to damage."""
    shutil.copytree(scene_exports["onnx"].model.path, tmp_path / "model")
    return tmp_path / "model"


def _change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2}, "config.json: format 2, this version reads up to 1; install a newer"),
        ({"exported": "pickle"}, "damaged: exported: wanted 'onnx' or 'openvino'"),
        (
            {"halo": 3},
            "damaged: halo: wanted half the patch of 25, rounded down, got 3; export it again",
        ),
        (
            {"padding": None},
            "damaged: padding: wanted with scene, and only with scene; export it again",
        ),
        ({"scene": None}, "damaged: wanted either scene or images; export it again"),
        (
            {"dropped_bands": [99]},
            "damaged: dropped_bands: wanted some of the bands of the padding spectrum, not all",
        ),
        (
            {"dropped_bands": list(range(16))},
            "damaged: dropped_bands: wanted some of the bands of the padding spectrum, not all",
        ),
        ({"files_sha256": {"../x": "0"}}, "damaged: files_sha256: wanted model.onnx"),
        ({"more": 1}, "damaged: more: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_configuration_is_refused(
    exported: Path, values: dict[str, Any], words: str
) -> None:
    _change_config(exported, **values)
    with pytest.raises(RunError) as caught:
        sl.open_exported(exported)
    assert words in str(caught.value)


def _rehash(folder: Path) -> None:
    """Write the hash of the changed file, as an attacker would."""
    content = (folder / "model.onnx").read_bytes()
    _change_config(folder, files_sha256={"model.onnx": hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_file_cut_short_is_refused(exported: Path, keep: int) -> None:
    file = exported / "model.onnx"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RunError) as caught:
        sl.open_exported(exported)
    assert str(caught.value) == (
        f"{file}: its sha256 differs from the one in config.json; export it again"
    )
    _rehash(exported)
    with pytest.raises(RunError) as caught:
        sl.open_exported(exported)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("); export it again") or "wanted the input raw" in str(
        caught.value
    )


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_changed_openvino_files_are_refused(
    scene_exports: dict[str, sl.Export], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(scene_exports["openvino"].model.path, folder)
    (folder / name).write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"its sha256 differs from the one in config\.json"):
        sl.open_exported(folder)

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
def test_tensors_in_other_files_are_refused_everywhere_in_a_graph(
    exported: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret").write_bytes(bytes(64))
    tensor = onnx.TensorProto(name="stolen", data_type=onnx.TensorProto.FLOAT, dims=[16])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    model = onnx.load_model_from_string((exported / "model.onnx").read_bytes())
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
    (exported / "model.onnx").write_bytes(model.SerializeToString())
    _rehash(exported)
    with pytest.raises(RunError) as caught:
        sl.open_exported(exported)
    assert str(caught.value) == (
        f"{exported / 'model.onnx'}: stores 'stolen' in another file, '../secret'; wanted all "
        "tensors in one file; export it again"
    )


def test_a_graph_with_a_wrong_input_name_is_refused(tmp_path: Path) -> None:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(RunError, match="wanted the input raw and the outputs classes, confidence"):
        start_onnx(tmp_path / "model.onnx", 1)


def test_a_model_of_the_other_kind_is_refused(
    scene_exports: dict[str, sl.Export],
    image_exports: dict[str, sl.Export],
    tiny: tuple[sl.Scene, sl.Labels],
) -> None:
    with pytest.raises(SettingsError, match=r"^mobilenet_v1 classifies images, and a scene needs"):
        sl.classify(image_exports["onnx"].model, tiny[0])
    with pytest.raises(SettingsError, match=r"^hybridsn was trained on a scene, and images need"):
        sl.classify(scene_exports["onnx"].model, sl.load("digits")[1])
    train = sl.load("digits")[1]
    wide = sl.ImageSet(
        np.zeros((1, 1, 9, 9), np.uint8), train.targets[:1], train.class_names, name="wide"
    )
    with pytest.raises(ImagesError, match=r"^wide: images of shape \(1, 9, 9\), and the model"):
        sl.classify(image_exports["onnx"].model, wide)
    assert isinstance(image_exports["onnx"].model, Exported)


def test_opening_a_folder_names_a_missing_runtime(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"^onnxruntime is not installed; pip install"):
        sl.open_exported(exported)
