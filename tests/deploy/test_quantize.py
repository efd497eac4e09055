"""Quantized networks: accuracy, size, and what is refused.

Independent references:
- weights, scales and types read from the files by `onnx`, and rounding done here by numpy;
- accuracies counted here from classes and truth;
- `10 log10` of a known noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.bundles.extras import need
from spectrolite.deploy import precisions
from spectrolite.deploy.precisions import sqnr_db
from spectrolite.errors import RunError, SettingsError
from spectrolite.machine import int8_path

BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def digits_bytes(digits_onnx: sl.Export) -> bytes:
    """The digits' network in float32."""
    return (digits_onnx.model.path / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def int8(
    digits_run: sl.Run, digits_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[sl.Quantization, Path]]:
    """The digits' network in int8, by both backends."""
    folder = tmp_path_factory.mktemp("int8")
    return {
        b: (sl.quantize(digits_run, backend=b, out=folder / b, max_drop=3), folder / b)  # type: ignore[arg-type]
        for b in BACKENDS
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_accuracy_and_agreement_are_those_on_the_test_part(
    int8: dict[str, tuple[sl.Quantization, Path]], digits_run: sl.Run, backend: str
) -> None:
    result, folder = int8[backend]
    test = sl.load("digits")[1]
    classes = sl.classify(folder, test).classes
    assert result.accuracy[1] == (classes == test.targets).mean()
    assert result.accuracy[0] == pytest.approx(digits_run.report.overall_accuracy, abs=0.003)
    plain = sl.classify(digits_run, test).classes
    assert result.agreement == pytest.approx((classes == plain).mean(), abs=0.003)
    assert result.drop == pytest.approx(100 * (result.accuracy[0] - result.accuracy[1]))
    files = [p for p in folder.iterdir() if not p.name.endswith(".json")]
    assert result.bytes[1] == sum(p.stat().st_size for p in files)
    assert (result.precision, result.per, result.computes) == ("int8", "channel", "int8")
    assert sl.open_exported(folder).config.precision == "int8"
    assert json.loads((folder / "quantization.json").read_text())["agreement"] == result.agreement
    lines = repr(result).splitlines()
    assert lines[0] == f"Quantization to int8 on {backend}"
    assert lines[1] == "accuracy: {:.2%} before, {:.2%} after".format(*result.accuracy)
    assert len(lines) == 5


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_layer_has_a_noise_figure(
    int8: dict[str, tuple[sl.Quantization, Path]], digits_bytes: bytes, backend: str
) -> None:
    """Eight bits of a bell-shaped signal give 30 to 45 dB; a broken layer gives about 0."""
    noise = int8[backend][0].sqnr_db
    assert list(noise) == precisions.layer_names(digits_bytes)
    assert len(noise) == 1 + 2 * 9 + 1
    values = [value for value in noise.values() if value is not None]
    assert min(values) > 8
    assert max(values) < 60


def test_weights_are_signed_bytes_with_one_scale_a_channel(
    int8: dict[str, tuple[sl.Quantization, Path]], digits_bytes: bytes
) -> None:
    model = onnx.load_model_from_string((int8["onnxruntime"][1] / "model.onnx").read_bytes())
    plain = onnx.load_model_from_string(digits_bytes)
    weights, before = (
        {w.name: onnx.numpy_helper.to_array(w) for w in m.graph.initializer} for m in (model, plain)
    )
    name = "network.blocks.4.pointwise.0.weight"
    bytes_, scale = weights[f"{name}_quantized"], weights[f"{name}_scale"]
    assert bytes_.dtype == np.int8
    assert scale.shape == (before[name].shape[0],)
    restored = bytes_ * scale[:, None, None, None]
    assert np.abs(restored - before[name]).max() <= 0.51 * scale.max()
    for untouched in ("scale", "shift"):  # the normalisation
        assert np.array_equal(weights[untouched], before[untouched])
    first = next(n for n in model.graph.node if "raw" in n.input)
    assert first.op_type == "Cast"  # the pixels are not rounded before they are normalised


def _pair_sums(weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Sums of two products at the largest activation: what a processor without VNNI adds first."""
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    flat = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
    return 255 * (flat[:, ::2] + flat[:, 1::2])


def test_no_sum_of_two_products_overflows_16_bits(
    int8: dict[str, tuple[sl.Quantization, Path]],
) -> None:
    """On every processor the kernels compute the graph: no sum is cut off at 32,767."""
    model = onnx.load_model_from_string((int8["onnxruntime"][1] / "model.onnx").read_bytes())
    weights = [onnx.numpy_helper.to_array(w) for w in model.graph.initializer]
    weights = [w for w in weights if w.dtype == np.int8 and w.ndim > 1]
    assert len(weights) == 1 + 2 * 9 + 1
    assert max(int(np.abs(w.astype(int)).max()) for w in weights) == 64
    assert all(np.abs(_pair_sums(w)).max() <= 32_767 for w in weights)
    doubled = [np.clip(2 * w.astype(int), -127, 127).astype(np.int8) for w in weights]
    assert any(np.abs(_pair_sums(w)).max() > 32_767 for w in doubled)  # 8 bits would overflow


def test_openvino_keeps_half_the_range_of_every_weight(
    int8: dict[str, tuple[sl.Quantization, Path]],
) -> None:
    openvino = need("openvino")
    model = openvino.Core().read_model(int8["openvino"][1] / "model.xml")
    weights = [
        op.data
        for op in model.get_ops()
        if op.get_type_name() == "Constant" and op.data.dtype == np.int8 and op.data.ndim > 1
    ]
    assert len(weights) == 1 + 9 + 1  # depthwise kernels are stored in float32, rounded when read
    assert max(int(np.abs(w.astype(int)).max()) for w in weights) <= 64


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_range_of_the_weights_and_the_processor_are_stated(
    int8: dict[str, tuple[sl.Quantization, Path]], digits_onnx: sl.Export, backend: str
) -> None:
    result, folder = int8[backend]
    assert json.loads((folder / "config.json").read_text())["weight_bits"] == 7
    assert "weight_bits" not in json.loads((digits_onnx.model.path / "config.json").read_text())
    assert result.processor == int8_path()


def test_one_scale_for_a_whole_tensor_adds_more_noise(
    digits_run: sl.Run,
    int8: dict[str, tuple[sl.Quantization, Path]],
    tmp_path: Path,
) -> None:
    """The ranges of depthwise channels differ a lot: one scale for all wastes bits on most."""
    result = sl.quantize(digits_run, out=tmp_path / "out", per="tensor", max_drop=100)
    model = onnx.load_model_from_string((tmp_path / "out" / "model.onnx").read_bytes())
    scales = {w.name: w for w in model.graph.initializer}
    name = "network.blocks.4.depthwise.0.weight_scale"
    assert onnx.numpy_helper.to_array(scales[name]).size == 1

    def mean_db(one: sl.Quantization) -> float:
        return float(np.mean([v for v in one.sqnr_db.values() if v is not None]))

    assert mean_db(result) < mean_db(int8["onnxruntime"][0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_float16_is_for_storage_only(
    digits_run: sl.Run, digits_bytes: bytes, tmp_path: Path, backend: Any
) -> None:
    result = sl.quantize(digits_run, to="float16", backend=backend, out=tmp_path / "out")
    assert (result.precision, result.computes, result.per) == ("float16", "float32", None)
    halved = precisions.float16_weights(digits_bytes)
    types = {w.name: w.data_type for w in onnx.load_model_from_string(halved).graph.initializer}
    assert {t for n, t in types.items() if n.startswith("network.")} == {onnx.TensorProto.FLOAT16}
    assert types["scale"] == types["shift"] == onnx.TensorProto.FLOAT
    assert len(halved) < 0.6 * len(digits_bytes)
    assert result.agreement > 0.99
    assert result.bytes[1] < 0.8 * result.bytes[0]
    assert all(v is None or v > 40 for v in result.sqnr_db.values())


def test_a_scene_model_is_calibrated_on_training_patches_and_reduces_bands_in_float32(
    tiny_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = precisions.int8_onnx

    def spy(content: bytes, batches: Any, kept: Any, channel: bool) -> bytes:
        seen.extend(batches)
        return real(content, batches, kept, channel)

    monkeypatch.setattr(precisions, "int8_onnx", spy)
    result = sl.quantize(tiny_run, out=tmp_path / "out", max_drop=5)
    assert result.kept == ("conv3d_1.0",)  # one input channel: float32 is faster
    scene, labels = tiny_run.data()
    train = tiny_run.split(scene, labels).train
    patches = np.concatenate(seen)
    assert patches.shape[1:] == (16, 25, 25)
    middles = {tuple(p) for p in patches[:, :, 12, 12].tolist()}
    assert middles <= {tuple(s) for s in scene.cube.reshape(-1, 16)[train].astype(float).tolist()}
    model = onnx.load_model_from_string((tmp_path / "out" / "model.onnx").read_bytes())
    for name in ("reduction", "conv3d_1.0"):
        node = next(n for n in model.graph.node if n.name == name)
        assert all("DequantizeLinear" not in i for i in node.input), name
    node = next(n for n in model.graph.node if n.name == "fc1")
    assert all("DequantizeLinear" in i for i in node.input[:2])
    assert result.bytes[0] / result.bytes[1] > 3.7
    mapped = sl.classify(tmp_path / "out", scene).classes.ravel()
    tested = tiny_run.split(scene, labels).test
    assert result.accuracy[1] == (mapped[tested] == labels.array.ravel()[tested]).mean()


def test_a_loss_above_the_limit_is_refused_and_the_message_names_layers_to_keep(
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights of one layer become zero, so that layer is the one to keep."""

    def broken(content: bytes, *_: Any) -> bytes:
        model = onnx.load_model_from_string(content)
        for weight in model.graph.initializer:
            if weight.name == "network.linear.weight":
                zeros = np.zeros_like(onnx.numpy_helper.to_array(weight))
                weight.CopyFrom(onnx.numpy_helper.from_array(zeros, weight.name))
        return bytes(model.SerializeToString())

    monkeypatch.setattr(precisions, "int8_onnx", broken)
    code, out, err = typed("quantize", digits_run.path, "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    before = 100 * digits_run.report.overall_accuracy
    assert err.startswith("error: int8 on onnxruntime loses ")
    assert f"points of accuracy ({before:.2f} % to " in err
    assert err.endswith(
        " %), wanted at most 0.5; nothing was written; keep the layers with the most noise in "
        "float32: --keep linear"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_kept_layer_stays_float32(
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    words = ("--keep", "stem.0", "--keep", "linear", "--max-drop", 3, "--json")
    code, out, err = typed("quantize", digits_run.path, "--out", tmp_path / "out", *words)
    assert code == 0, err
    assert json.loads(out)["kept"] == ["stem.0", "linear"]
    model = onnx.load_model_from_string((tmp_path / "out" / "model.onnx").read_bytes())
    names = {w.name for w in model.graph.initializer}
    assert {"network.stem.0.weight", "network.linear.weight"} <= names
    assert "network.blocks.0.pointwise.0.weight_quantized" in names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "int4"), "to: wanted one of int8, float16, got 'int4'; did you mean int8?"),
        (("--backend", "tflite"), "backend: wanted one of onnxruntime, openvino, got 'tflite'"),
        (("--per", "row"), "per: wanted one of channel, tensor, got 'row'"),
        (("--max-drop", "nan"), "max_drop: wanted 0 points or more, got nan"),
        (
            ("--to", "float16", "--keep", "linear"),
            "keep, per: go with int8 only; float16 stores every weight in 16 bits",
        ),
    ],
)
def test_wrong_values_are_refused(
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    words: tuple[str, ...],
    message: str,
) -> None:
    result = typed("quantize", digits_run.path, "--out", tmp_path / "out", *words)
    assert result == (2, "", f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_calibrated_or_scored_is_refused(
    digits_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        RunError, match=r"^quantize: wanted a run, because its data are needed; a bundle has none$"
    ):
        sl.quantize(digits_run.path / "bundle", out=tmp_path / "out")
    train, test = sl.load("digits")
    other = sl.ImageSet(
        np.zeros((4, 1, 9, 9), np.uint8), train.targets[:4], train.class_names, name="other"
    )
    with pytest.raises(RunError, match=r"the images \(other\) differ from those of the run"):
        sl.quantize(digits_run, other, test, out=tmp_path / "out")
    with pytest.raises(SettingsError, match=r"^keep: wanted layers of .*, got 'fc9'$"):
        sl.quantize(digits_run, out=tmp_path / "out", keep=["fc9"])
    import sys

    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ImportError, match=r"^nncf is not installed; pip install"):
        sl.quantize(digits_run, backend="openvino", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_noise_is_in_decibels() -> None:
    signal = np.array([3.0, -4.0])
    assert sqnr_db(signal, signal) == float("inf")
    assert sqnr_db(signal, signal + 0.5) == pytest.approx(10 * np.log10(25 / 0.5))
    assert sqnr_db(signal, 0 * signal) == 0
