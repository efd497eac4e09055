"""Networks in fewer bits: what they lose, what they weigh, and what refuses them.

Independent references:
- weights, scales and types read from the files by `onnx`, and the rounding done here by numpy;
- accuracies counted here from the classes and the truth;
- `10 log10` of a noise that is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import spectrolite as sl
from spectrolite.deploy import precisions
from spectrolite.deploy import quantize as quantizing
from spectrolite.deploy.precisions import sqnr_db
from spectrolite.errors import RunError, SettingsError

BACKENDS = ("onnxruntime", "openvino")


@contextmanager
def _from(content: bytes) -> Iterator[None]:
    """Take ONNX bytes that were made already: torch's exporter takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantizing, "onnx_bytes", lambda *_: content)
        yield


@pytest.fixture(scope="module")
def digits_bytes(digits_onnx: sl.Export) -> bytes:
    """The digits' network in float32."""
    return (digits_onnx.model.path / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def made(
    digits_run: sl.Run, digits_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[sl.Quantization, Path]]:
    """The digits' network in int8, by both backends."""
    folder = tmp_path_factory.mktemp("int8")
    with _from(digits_bytes):
        return {
            b: (sl.quantize(digits_run, backend=b, out=folder / b, max_drop=3), folder / b)  # type: ignore[arg-type]
            for b in BACKENDS
        }


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_figures_are_those_of_the_run_s_own_test(
    made: dict[str, tuple[sl.Quantization, Path]], digits_run: sl.Run, backend: str
) -> None:
    found, folder = made[backend]
    test = sl.load("digits")[1]
    said = sl.classify(folder, test).classes
    assert found.accuracy[1] == (said == test.targets).mean()
    assert found.accuracy[0] == pytest.approx(digits_run.report.overall_accuracy, abs=0.003)
    plain = sl.classify(digits_run, test).classes
    assert found.agreement == pytest.approx((said == plain).mean(), abs=0.003)
    assert found.drop == pytest.approx(100 * (found.accuracy[0] - found.accuracy[1]))
    files = [p for p in folder.iterdir() if not p.name.endswith(".json")]
    assert found.bytes[1] == sum(p.stat().st_size for p in files)
    assert (found.precision, found.per, found.computes) == ("int8", "channel", "int8")
    assert sl.open_exported(folder).config.precision == "int8"
    assert json.loads((folder / "quantization.json").read_text())["agreement"] == found.agreement


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_layer_has_its_noise(
    made: dict[str, tuple[sl.Quantization, Path]], digits_bytes: bytes, backend: str
) -> None:
    """Eight bits of a bell-shaped signal give 30 to 45 dB; a layer that is broken, about 0."""
    noise = made[backend][0].sqnr_db
    assert list(noise) == precisions.layer_names(digits_bytes)
    assert len(noise) == 1 + 2 * 9 + 1
    values = [value for value in noise.values() if value is not None]
    assert min(values) > 8
    assert max(values) < 60


def test_weights_are_signed_bytes_with_a_scale_a_channel(
    made: dict[str, tuple[sl.Quantization, Path]], digits_bytes: bytes
) -> None:
    model = onnx.load_model_from_string((made["onnxruntime"][1] / "model.onnx").read_bytes())
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
    assert first.op_type == "Cast"  # nothing rounds the pixels before they are normalised


def test_a_scale_for_a_whole_tensor_is_the_lesson(
    digits_run: sl.Run,
    digits_bytes: bytes,
    made: dict[str, tuple[sl.Quantization, Path]],
    tmp_path: Path,
) -> None:
    """Depthwise channels differ a lot in range: one scale for all wastes bits on most of them."""
    with _from(digits_bytes):
        found = sl.quantize(digits_run, out=tmp_path / "out", per="tensor", max_drop=100)
    model = onnx.load_model_from_string((tmp_path / "out" / "model.onnx").read_bytes())
    scales = {w.name: w for w in model.graph.initializer}
    name = "network.blocks.4.depthwise.0.weight_scale"
    assert onnx.numpy_helper.to_array(scales[name]).size == 1

    def mean_db(one: sl.Quantization) -> float:
        return float(np.mean([v for v in one.sqnr_db.values() if v is not None]))

    assert mean_db(found) < mean_db(made["onnxruntime"][0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_float16_stores_and_does_not_compute(
    digits_run: sl.Run, digits_bytes: bytes, tmp_path: Path, backend: Any
) -> None:
    with _from(digits_bytes):
        found = sl.quantize(digits_run, to="float16", backend=backend, out=tmp_path / "out")
    assert (found.precision, found.computes, found.per) == ("float16", "float32", None)
    halved = precisions.float16_weights(digits_bytes)
    types = {w.name: w.data_type for w in onnx.load_model_from_string(halved).graph.initializer}
    assert {t for n, t in types.items() if n.startswith("network.")} == {onnx.TensorProto.FLOAT16}
    assert types["scale"] == types["shift"] == onnx.TensorProto.FLOAT
    assert len(halved) < 0.6 * len(digits_bytes)
    assert found.agreement > 0.99
    assert found.bytes[1] < 0.8 * found.bytes[0]
    assert all(v is None or v > 40 for v in found.sqnr_db.values())


def test_a_scene_is_calibrated_on_patches_of_training_pixels_and_reduced_in_float(
    tiny_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = precisions.int8_onnx

    def spy(content: bytes, batches: Any, kept: Any, channel: bool) -> bytes:
        seen.extend(batches)
        return real(content, batches, kept, channel)

    monkeypatch.setattr(precisions, "int8_onnx", spy)
    found = sl.quantize(tiny_run, out=tmp_path / "out", max_drop=5)
    assert found.kept == ("conv3d_1.0",)  # one channel in: float is faster here
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
    assert found.bytes[0] / found.bytes[1] > 3.7
    mapped = sl.classify(tmp_path / "out", scene).classes.ravel()
    tested = tiny_run.split(scene, labels).test
    assert found.accuracy[1] == (mapped[tested] == labels.array.ravel()[tested]).mean()


def test_a_loss_above_the_limit_is_refused_with_the_layers_to_keep(
    digits_run: sl.Run,
    digits_bytes: bytes,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scales of nothing: every layer but the kept ones is broken."""

    def broken(content: bytes, *_: Any) -> bytes:
        model = onnx.load_model_from_string(content)
        for weight in model.graph.initializer:
            if weight.name == "network.linear.weight":
                zeros = np.zeros_like(onnx.numpy_helper.to_array(weight))
                weight.CopyFrom(onnx.numpy_helper.from_array(zeros, weight.name))
        return bytes(model.SerializeToString())

    monkeypatch.setattr(precisions, "int8_onnx", broken)
    with _from(digits_bytes):
        code, out, err = typed("quantize", digits_run.path, "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    before = 100 * digits_run.report.overall_accuracy
    assert err.startswith("error: int8 on onnxruntime loses ")
    assert f"points ({before:.2f} % to " in err
    assert err.endswith(
        " %), wanted 0.5 at most; nothing was written; keep the layers that moved most in "
        "float32: --keep linear"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_kept_layer_stays_float(
    digits_run: sl.Run,
    digits_bytes: bytes,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    words = ("--keep", "stem.0", "--keep", "linear", "--max-drop", 3, "--json")
    with _from(digits_bytes):
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
            "keep, per: go with int8; float16 stores every weight in half",
        ),
    ],
)
def test_wrong_words_are_named(
    digits_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    words: tuple[str, ...],
    message: str,
) -> None:
    found = typed("quantize", digits_run.path, "--out", tmp_path / "out", *words)
    assert found == (2, "", f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_judged_is_refused(
    digits_run: sl.Run, digits_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match=r"^quantize: wanted a run, whose training data calibrate"):
        sl.quantize(digits_run.path / "bundle", out=tmp_path / "out")
    train, test = sl.load("digits")
    other = sl.ImageSet(
        np.zeros((4, 1, 9, 9), np.uint8), train.targets[:4], train.class_names, name="other"
    )
    with pytest.raises(RunError, match=r"the images \(other\) differ from those of the run"):
        sl.quantize(digits_run, other, test, out=tmp_path / "out")
    with _from(digits_bytes), pytest.raises(SettingsError, match=r"^keep: no layer 'fc9'; there"):
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
