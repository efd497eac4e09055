"""Layers beside the classes, and what is rejected: probabilities, similarity, `--reject`.

Independent references: the network on the patch of each pixel, with the exponentials written out;
scipy's distances; rasterio's and an XML parser's reading of what the files say.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import spectrolite as sl
from mapping.small_maps import bytes_of, stop_after
from spectrolite.bundles.graphs import graph_of
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Scene
from spectrolite.errors import SettingsError
from spectrolite.mapping.large_maps import map_scene
from spectrolite.samples.reference_spectra import Reference

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"
ALL = ("confidence", "entropy", "probabilities", "similarity")
CRS, TRANSFORM = "EPSG:32632", (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_200_000.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Some pixels without a spectrum."""
    cube = np.load(OLD / "scene.npy")
    valid = np.ones(cube.shape[:2], bool)
    valid[3:6, 2:9] = False
    return Scene(cube, valid=valid, crs=CRS, transform=TRANSFORM, name="old")


@pytest.fixture(scope="module")
def bundle(scene: Scene) -> Bundle:
    """A model of version 0.1 with training spectra and a temperature."""
    old: Bundle = sl.load_bundle(OLD / "scene_run" / "bundle")
    known = old.bands.reduce(scene.cube[8:14:2, 3:9:2].reshape(-1, 16))
    own = np.linspace(0.5, 4, 30, dtype=np.float32)
    config = old.config.model_copy(update={"temperature": 1.7})
    return replace(old, config=config, reference=Reference(known, own, "fields"))


@pytest.fixture(scope="module")
def shares(bundle: Bundle, scene: Scene) -> NDArray[np.float64]:
    """`(rows, cols, classes)`, a patch at a time; 0 without a spectrum."""
    valid = scene.valid
    assert valid is not None
    cube = scene.cube.astype(np.float64)
    reduced = np.einsum("rcb,kb->krc", cube - bundle.bands.mean, bundle.bands.matrix)
    padded = torch.from_numpy(np.pad(reduced * valid, ((0, 0), (2, 2), (2, 2)))).float()
    rows, cols = valid.shape
    patches = [padded[:, r : r + 5, c : c + 5] for r in range(rows) for c in range(cols)]
    with torch.no_grad():
        logits = bundle.network(torch.stack(patches)).flatten(1).double().numpy()
    powers = np.exp(logits / 1.7)
    softmax: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return softmax.reshape(rows, cols, -1) * valid[..., None]


def bands_of(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read())


def test_probabilities_of_all_classes(
    bundle: Bundle, scene: Scene, shares: NDArray[np.float64], tmp_path: Path
) -> None:
    made = sl.classify(bundle, scene, probabilities=True)
    plain = sl.classify(bundle, scene)
    assert plain.probabilities is None
    assert made.sha256 == plain.sha256
    assert made.probabilities is not None
    assert (made.probabilities.shape, made.probabilities.dtype.name) == ((20, 22, 3), "float32")
    np.testing.assert_allclose(made.probabilities, shares, atol=1e-5)
    assert np.array_equal(made.probabilities.max(2), made.confidence)
    assert made.class_ids == (2, 3, 7)
    best = np.array(made.class_ids)[made.probabilities.argmax(2)]
    assert np.array_equal(np.where(made.confidence > 0, best, 0), made.classes)
    made.write_geotiff(tmp_path / "m.tif")
    with rasterio.open(tmp_path / "m_probabilities.tif") as file:
        assert file.descriptions == ("class 2", "class 3", "class 7")
        assert [file.tags(b)["CLASS"] for b in (1, 2, 3)] == ["2", "3", "7"]
        assert np.array_equal(np.moveaxis(file.read(), 0, 2), made.probabilities)
        assert (file.nodata, file.crs.to_string()) == (None, CRS)


def test_all_layers_of_a_large_map(
    bundle: Bundle, scene: Scene, shares: NDArray[np.float64], tmp_path: Path
) -> None:
    """Stopped, resumed, cloud-optimised; classes and confidence as if there were no others."""
    out = tmp_path / "map.tif"
    flags: dict[str, Any] = {"window": 9, "bands": ALL, "cog": True}
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, scene, out=out, on_window=stop_after(3), **flags)
    made = map_scene(bundle, scene, out=out, resume=True, **flags)
    map_scene(bundle, scene, out=tmp_path / "whole" / "map.tif", **flags)
    assert bytes_of(out) == bytes_of(tmp_path / "whole" / "map.tif")
    plain = sl.classify(bundle, scene, window=9)
    assert np.array_equal(bands_of(out)[0], plain.classes)
    assert np.array_equal(bands_of(tmp_path / "map_confidence.tif")[0], plain.confidence)
    bands = bands_of(tmp_path / "map_probabilities.tif")
    np.testing.assert_allclose(np.moveaxis(bands, 0, 2), shares, atol=1e-5)
    valid, reference = scene.valid, bundle.reference
    assert valid is not None
    assert reference is not None
    spectra = (scene.cube.astype(np.float64) - bundle.bands.mean) @ bundle.bands.matrix.T
    nearest = cdist(spectra.reshape(-1, 6), reference.spectra).min(1).reshape(valid.shape)
    expected = (reference.distances >= nearest[..., None]).mean(2)
    clear = valid & (np.abs(nearest[..., None] - reference.distances).min(2) > 1e-3)
    with rasterio.open(tmp_path / "map_similarity.tif") as file:
        similarity = file.read(1)
        assert np.isnan(file.nodata)
    assert np.array_equal(np.isnan(similarity), ~valid)
    np.testing.assert_allclose(similarity[clear], expected[clear], atol=1e-6)
    assert len(np.unique(similarity[clear])) > 5
    unlike = int((similarity < 0.05).sum())
    assert 0 < unlike < valid.sum()
    assert made.notes == (
        f"map.tif: {unlike:,} pixels ({unlike / 440:.1%}) have a similarity below 0.05: their "
        "spectra are unlike those of the training; do not trust the map there",
    )
    assert sl.areas(out).notes == made.notes


def test_what_is_rejected_is_told_everywhere(
    typed: Callable[..., tuple[int, str, str]],
    bundle: Bundle,
    scene: Scene,
    shares: NDArray[np.float64],
    tmp_path: Path,
) -> None:
    limit = float(np.quantile(shares.max(2)[scene.valid], 0.4))
    kept = shares.max(2) >= limit
    out = tmp_path / "map.tif"
    made = map_scene(bundle, scene, out=out, reject=limit, bands=["entropy"], envi=True)
    assert not (tmp_path / "map_confidence.tif").exists()
    expected = np.where(kept, np.array([2, 3, 7])[shares.argmax(2)], 0)
    assert (made.classes != expected).sum() <= 1  # the one at the limit
    assert made.counts[0] == (made.classes == 0).sum()
    assert made.rejected == made.counts[0] - 21
    assert 0.3 < made.rejected / 440 < 0.5
    assert (bands_of(tmp_path / "map_entropy.tif")[0] > 0).sum() == 440 - 21
    with rasterio.open(out) as file:
        assert file.tags()["SPECTROLITE_REJECT"] == f"{limit:g}"
        assert file.tags()["SPECTROLITE_REJECTED_PIXELS"] == str(made.rejected)
    text = f"confidence below {limit:g}, or no data"
    for name in ("map.tif.aux.xml", "map_classes.dat.aux.xml"):
        sidecar = ElementTree.parse(tmp_path / name)
        assert sidecar.findtext(".//Category") == text
        assert [f.text for f in sidecar.findall(".//Row[@index='0']/F")][:2] == ["0", text]
    style = ElementTree.parse(tmp_path / "map.qml")
    assert next(e.get("label") for e in style.iter("paletteEntry")) == text
    assert "class names = {Unclassified, " in (tmp_path / "map_classes.hdr").read_text()
    note = (
        f"map.tif: {made.rejected:,} pixels have class 0 because their confidence is below "
        f"{limit:g} (--reject); areas and accuracies are those of the other pixels"
    )
    assert made.notes == (note,)
    code, printed, _ = typed("areas", out)
    assert code == 0
    assert f"- {note}" in printed
    assert sum(sl.areas(out).pixels.values()) == 440 - made.counts[0]
    (tmp_path / "map.tif.aux.xml").unlink()
    assert sl.areas(out).notes == (note.replace(f"{made.rejected:,}", "an unknown number of"),)


def test_the_command_prints_what_is_rejected(
    typed: Callable[..., tuple[int, str, str]], bundle: Bundle, tmp_path: Path
) -> None:
    bundle.save(tmp_path / "bundle")
    words = ("map", tmp_path / "bundle", "--scene", OLD / "scene.npy", "--out")
    flags = ("--bands", "probabilities", "--reject", "0.99")
    code, printed, err = typed(*words, tmp_path / "m.tif", *flags)
    assert code == 0, err
    assert "pixels without data" not in printed
    assert "because their confidence is below 0.99 (--reject)" in printed
    assert f"{tmp_path / 'm_probabilities.tif'}" in printed
    code, printed, err = typed(*words, tmp_path / "n.tif", *flags, "--json")
    content = json.loads(printed)
    assert content["no_data"] == 0
    assert content["rejected"] == 440 - sum(content["pixels"].values()) > 0
    assert content["probabilities"] == str(tmp_path / "n_probabilities.tif")


def test_resume_knows_the_further_settings(bundle: Bundle, scene: Scene, tmp_path: Path) -> None:
    out, part = tmp_path / "map.tif", tmp_path / "map.tif.part"
    flags: dict[str, Any] = {"window": 9, "bands": ALL, "reject": 0.5}
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, scene, out=out, on_window=stop_after(1), **flags)
    begun = json.loads((part / "begin.json").read_text())
    assert begun["settings"]["reject"] == 0.5
    end = f"{part} was begun with 0.5; give that, or start anew with --overwrite"
    for given in (None, 0.6):
        with pytest.raises(SettingsError) as caught:
            map_scene(bundle, scene, out=out, resume=True, **{**flags, "reject": given})
        assert str(caught.value) == f"--reject: {given}, but {end}"
    assert bundle.reference is not None
    other = Reference(bundle.reference.spectra + 1, bundle.reference.distances, "fields")
    with pytest.raises(SettingsError, match=r"^RUN: not the model that .* was begun with"):
        map_scene(replace(bundle, reference=other), scene, out=out, resume=True, **flags)
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, scene, out=tmp_path / "plain.tif", window=9, on_window=stop_after(1))
    begun = json.loads((tmp_path / "plain.tif.part" / "begin.json").read_text())
    assert list(begun["settings"]) == [  # as in version 0.1: its stopped maps go on
        *("window", "device", "flips", "bands", "cog", "envi", "match_wavelengths"),
    ]


def test_what_cannot_be_told_or_rejected_is_refused(
    bundle: Bundle, scene: Scene, tmp_path: Path
) -> None:
    assert bundle.reference is not None
    without = replace(bundle, reference=None)
    crowded = replace(bundle, reference=replace(bundle.reference, apart="pixels"))
    cases: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        (
            "--bands: similarity: the model was trained by a version that stored no training "
            "spectra to compare with; train again",
            without,
            {"bands": ["similarity"]},
        ),
        (
            "--bands: similarity: an exported model has no training spectra; map with the run or "
            "the bundle that it was exported from",
            OLD / "scene_onnx",
            {"bands": ["similarity"]},
        ),
        ("--reject: wanted a confidence above 0, up to 1, got 0", bundle, {"reject": 0.0}),
        ("--reject: wanted a confidence above 0, up to 1, got 60", bundle, {"reject": 60}),
        ("--reject: wanted a confidence above 0, up to 1, got nan", bundle, {"reject": np.nan}),
    )
    for message, model, given in cases:
        with pytest.raises(SettingsError) as caught:
            map_scene(model, scene, out=tmp_path / "m.tif", **given)
        assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []
    heard: list[str] = []
    flags: dict[str, Any] = {"bands": ["similarity"], "on_note": heard.append}
    with pytest.raises(KeyboardInterrupt):
        map_scene(crowded, scene, out=tmp_path / "m.tif", on_window=stop_after(0), **flags)
    assert heard == [
        "similarity: no class was trained on two fields, or on one wider than the network's patch, "
        "so nearly every new field is unlike; label two fields or more of each class"
    ]


def test_an_exported_model_gives_the_same_probabilities(scene: Scene) -> None:
    """Of version 0.1, without a temperature."""
    models = (OLD / "scene_run" / "bundle", OLD / "scene_onnx")
    one, other = (sl.classify(m, scene, probabilities=True).probabilities for m in models)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert other.std() > 0.1


def test_an_exported_graph_is_as_sure_as_the_bundle(
    bundle: Bundle, scene: Scene, shares: NDArray[np.float64]
) -> None:
    """The graph that is exported, before a runtime takes it: its logits are the network's."""
    filled = np.where(scene.valid[..., None], scene.cube, bundle.bands.mean)  # type: ignore[index]
    around = np.pad(filled - bundle.bands.mean, ((2, 2), (2, 2), (0, 0))) + bundle.bands.mean
    raw = torch.from_numpy(around.transpose(2, 0, 1)[None]).float()
    with torch.no_grad():
        classes, confidence, logits = graph_of(bundle)(raw)
    valid = scene.valid
    np.testing.assert_allclose(confidence[0].numpy()[valid], shares.max(2)[valid], atol=1e-4)
    assert np.array_equal(classes[0].numpy()[valid], shares.argmax(2)[valid])
    np.testing.assert_allclose(
        (logits[0] / 1.7).softmax(0).numpy().max(0)[valid], shares.max(2)[valid], atol=1e-4
    )


def test_a_swath_has_its_layers_on_the_grid_of_its_table(
    bundle: Bundle, scene: Scene, tmp_path: Path
) -> None:
    """Against the layers in the sensor's geometry; the grid is turned and has empty corners."""
    pixels = np.arange(440, dtype=np.int32).reshape(20, 22)[::-1].T.copy()
    pixels[:3, :4] = -1
    table = LookupTable(pixels, (20, 22), TRANSFORM, CRS)
    swath = replace(scene, lookup=table)
    flags: dict[str, Any] = {"window": 9, "bands": ALL, "reject": 0.42}
    map_scene(bundle, swath, out=tmp_path / "raw.tif", sensor_geometry=True, **flags)
    made = map_scene(
        bundle, swath, out=tmp_path / "map.tif", polygons=tmp_path / "map.gpkg", **flags
    )
    for ending, empty in (
        ("", 0),
        ("_confidence", 0),
        ("_entropy", 0),
        ("_probabilities", 0),
        ("_similarity", np.nan),
    ):
        raw = bands_of(tmp_path / f"raw{ending}.tif")
        expected = np.where(pixels < 0, empty, raw[:, ::-1].transpose(0, 2, 1))
        shown = bands_of(tmp_path / f"map{ending}.tif")
        assert np.array_equal(shown, expected.astype(shown.dtype), equal_nan=True)
    confidence = bands_of(tmp_path / "map_confidence.tif")[0]
    assert made.rejected == ((confidence > 0) & (confidence < 0.42)).sum() > 0
    unlike = (bands_of(tmp_path / "map_similarity.tif") < 0.05).sum()
    assert made.notes[1].startswith(f"map.tif: {unlike:,} pixels")
    meta, _, _, columns = pyogrio.raw.read(tmp_path / "map.gpkg")
    assert meta["crs"] == CRS
    assert columns[2].sum() == 440 - made.counts[0]
