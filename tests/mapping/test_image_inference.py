"""Classified images: sets, files of any kind, and the verb `classify`.

References: the network on tensors made here; Pillow's own conversions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import spectrolite as sl
from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig
from spectrolite.errors import ImagesError, ReadError, SettingsError
from spectrolite.mapping.image_inference import read_predictions
from spectrolite.models import build_image_model

Type = Callable[..., tuple[int, str, str]]


def _model(channels: int, height: int, width: int) -> ImageBundle:
    """A small network with fresh weights for images of that shape."""
    net = build_image_model(
        "mobilenet_v1",
        variant="course",
        width=0.1,
        classes=3,
        channels=channels,
        generator=torch.Generator().manual_seed(0),
    )
    config = ImageConfig(
        format=1,
        model="mobilenet_v1",
        variant="course",
        width=0.1,
        activation="relu6",
        small_images=True,
        input_shape=(channels, height, width),
        class_names=("a", "b", "c"),
        images=9,
    )
    return ImageBundle(
        config, torch.full((channels,), 0.5), torch.full((channels,), 0.2), net.eval()
    )


def _asked(bundle: ImageBundle, pixels: np.ndarray) -> np.ndarray:
    """Probabilities of `(C, H, W)` 0 to 255, scaled here."""
    x = (torch.tensor(pixels.astype(np.float32)) / 255 - 0.5) / 0.2
    with torch.no_grad():
        made: np.ndarray = bundle.network(x[None])[0].softmax(0).numpy()
    return made


def test_a_set_a_run_its_folder_and_its_bundle(digits_run: sl.Run) -> None:
    _, test = sl.load("digits")
    made = [
        sl.classify(model, test)
        for model in (digits_run, digits_run.path, digits_run.bundle, digits_run.path / "bundle")
    ]
    assert {m.sha256 for m in made} == {digits_run.manifest["predictions_sha256"]}
    assert (made[0].classes == test.targets).mean() == digits_run.report.overall_accuracy
    assert made[0].probabilities.shape == (355, 10)
    np.testing.assert_allclose(made[0].probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(made[0].confidence, made[0].probabilities.max(1))
    assert made[0].images[:2] == ("0", "1")


def test_the_network_stays_as_it_was_in_memory() -> None:
    bundle = _model(3, 8, 8)
    before = [weight.stride() for weight in bundle.network.parameters()]
    pixels = np.zeros((2, 3, 8, 8), np.uint8)
    sl.classify(bundle, sl.ImageSet(pixels, np.array([0, 1]), ("a", "b", "c")))
    assert [weight.stride() for weight in bundle.network.parameters()] == before


def test_top_is_the_order_of_the_probabilities(digits_run: sl.Run) -> None:
    made = sl.classify(digits_run, sl.load("digits")[1])
    for row, best in zip(made.probabilities.tolist(), made.top(3), strict=True):
        wanted = sorted(range(10), key=lambda c: -row[c])[:3]
        assert best == [(str(c), row[c]) for c in wanted]
    assert all(len(best) == 10 for best in made.top(99))


def test_what_is_saved_is_read_back(digits_run: sl.Run, tmp_path: Path) -> None:
    made = sl.classify(digits_run, sl.load("digits")[1])
    made.save(tmp_path / "p.safetensors")
    assert read_predictions(tmp_path / "p.safetensors", digits_run.bundle).sha256 == made.sha256


def test_files_are_converted_to_the_images_of_the_model(tmp_path: Path) -> None:
    """Colour as it is, grey repeated, another size resized, transparency over white."""
    generator = np.random.default_rng(0)
    bundle = _model(3, 12, 12)
    colour = generator.integers(0, 256, (12, 12, 3), np.uint8)
    grey = generator.integers(0, 256, (12, 12), np.uint8)
    wide = Image.fromarray(generator.integers(0, 256, (24, 40, 3), np.uint8))
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    wide.save(tmp_path / "wide.png")
    Image.fromarray(np.zeros((12, 12, 4), np.uint8)).save(tmp_path / "clear.png")
    names = ("colour", "grey", "wide", "clear")
    made = sl.classify(bundle, [tmp_path / f"{name}.png" for name in names])
    cut = wide.resize((20, 12), Image.Resampling.BICUBIC).crop((4, 0, 16, 12))
    wanted = [
        colour.transpose(2, 0, 1),
        np.stack([grey] * 3),
        np.asarray(cut).transpose(2, 0, 1),
        np.full((3, 12, 12), 255),
    ]
    for row, pixels in zip(made.probabilities, wanted, strict=True):
        np.testing.assert_allclose(row, _asked(bundle, pixels), rtol=1e-4)
    assert made.notes == (
        "1 of 4 images were resized to 12 x 12: the shorter side was resized, then the centre "
        "cropped",
    )
    alone = sl.classify(bundle, tmp_path / "wide.png")
    np.testing.assert_allclose(alone.probabilities[0], made.probabilities[2], rtol=1e-5)


def test_a_model_of_grey_images_sees_luma(tmp_path: Path) -> None:
    bundle = _model(1, 8, 8)
    colour = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    made = sl.classify(bundle, tmp_path / "colour.png")
    luma = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(made.probabilities[0], _asked(bundle, luma[None]), atol=0.01)
    assert made.notes == (
        "colours were converted to grey, because the model was trained on grey images",
    )


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "nine.png")
    (tmp_path / "text.png").write_text("no image")
    path = tmp_path / "nine.png"
    with pytest.raises(ReadError) as caught:
        sl.classify(_model(3, 8, 12), path)
    assert str(caught.value) == f"{path}: 9 x 9 pixels, but the model takes 12 x 8; resize it"
    with pytest.raises(ReadError) as caught:
        sl.classify(_model(5, 9, 9), path)
    assert str(caught.value) == (
        f"{path}: 3 channels, but the model was trained on 5; pass the pixels as an ImageSet"
    )
    with pytest.raises(ReadError, match=r"gone\.png: no such file$"):
        sl.classify(_model(3, 9, 9), [path, tmp_path / "gone.png"])
    with pytest.raises(ReadError, match=r"text\.png: not an image of a supported format "):
        sl.classify(_model(3, 9, 9), tmp_path / "text.png")
    with pytest.raises(ImagesError, match=r"^classify: wanted at least one image, got none$"):
        sl.classify(_model(3, 9, 9), [])
    images = sl.ImageSet(np.zeros((2, 3, 9, 9), np.uint8), np.zeros(2, int), ("a",), name="nines")
    with pytest.raises(ImagesError) as images_error:
        sl.classify(_model(3, 8, 8), images)
    assert str(images_error.value) == (
        "nines: images of shape (3, 9, 9), and the model was trained on (3, 8, 8)"
    )
    with pytest.raises(SettingsError, match=r"^--device: cuda:9 is not available on this machine"):
        sl.classify(_model(3, 9, 9), images, device="cuda:9")


def test_the_verb_prints_what_python_returns(
    typed: Type, digits_run: sl.Run, tmp_path: Path
) -> None:
    _, test = sl.load("digits")
    files = [tmp_path / f"[b]{n}.png" for n in range(3)]
    for file, image in zip(files, test.pixels, strict=False):
        Image.fromarray(image[0]).save(file)
    made = sl.classify(digits_run, files)
    code, out, err = typed("classify", digits_run.path, *files, "--top", 2, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "model": str(digits_run.path),
        "images": [
            {"image": str(f), "classes": [{"class": c, "probability": p} for c, p in best]}
            for f, best in zip(files, made.top(2), strict=True)
        ],
        "notes": ["colours were converted to grey, because the model was trained on grey images"],
    }
    code, out, _ = typed("classify", digits_run.path / "bundle", files[0])
    assert code == 0
    name, share = made.top(1)[0][0]
    assert f"│ {name} " in out
    assert f"{100 * share:.2f}" in out
    assert "- colours were converted to grey" in out
    code, _, err = typed("classify", digits_run.path, tmp_path / "gone.png")
    assert (code, err) == (2, f"error: {tmp_path}/gone.png: no such file")
