"""Maps of scenes in their files: windows, strips, pixels without a spectrum, bad input.

The reference is the network run over the whole padded scene at once.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import spectrolite as sl
from mapping.small_maps import in_file, rows_of
from spectrolite.data.scene import Scene, SceneFile, Window
from spectrolite.errors import ReadError, RunError, SceneError, SettingsError
from spectrolite.mapping import scene_inference
from spectrolite.mapping.large_maps import map_scene
from spectrolite.mapping.scene_inference import STRIP_MIB, strips, windows_of


def test_windows_give_the_classes_of_the_untiled_map(
    tiny_run: sl.Run, cube: NDArray[Any], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """One pass over the whole scene; classes may differ only if two logits are nearly equal."""
    bundle = tiny_run.bundle
    padded = np.pad(bundle.bands.reduce(cube), ((12, 12), (12, 12), (0, 0)))
    with torch.no_grad():
        logits = bundle.network(torch.from_numpy(padded.transpose(2, 0, 1).copy())[None])[0]
    logits = logits.double().numpy()
    best = np.sort(logits, axis=0)
    clear = best[-1] - best[-2] > 1e-4 * np.abs(logits).max()
    untiled = np.array(bundle.config.class_ids)[logits.argmax(0)]
    softmax = np.exp(logits - logits.max(0)) / np.exp(logits - logits.max(0)).sum(0)
    entropy = -(softmax * np.log(softmax)).sum(0) / np.log(len(softmax))
    for window in (56, 17):
        out = tmp_path / f"{window}.tif"
        made = sl.map_scene(bundle, in_file(cube), out=out, window=window)
        np.testing.assert_array_equal(made.classes[clear], untiled[clear])
        differ = int((made.classes != untiled).sum())
        record_property(
            f"nearly equal pixels, of another class at window {window}",
            f"{int((~clear).sum())}, {differ} of {clear.size}",
        )
        assert differ <= (~clear).sum() < 0.01 * clear.size
        for name, expected in (("confidence", softmax.max(0)), ("entropy", entropy)):
            band = np.concatenate([b for _, b in rows_of(tmp_path / f"{window}_{name}.tif")])
            np.testing.assert_allclose(band, expected, atol=1e-4)
    assert len(np.unique(untiled)) == 3


def test_a_scene_in_its_file_gives_the_bits_of_one_in_memory_in_the_same_strips(
    tiny_run: sl.Run, cube: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All windows of a row in one strip, or each in its own; both ways give one map."""
    made = []
    for mib, count in ((STRIP_MIB, 3), (0, 9)):
        monkeypatch.setattr(scene_inference, "STRIP_MIB", mib)
        assert len(strips(in_file(cube), 20, 12)) == len(strips(Scene(cube), 20, 12)) == count
        made.append(sl.classify(tiny_run, Scene(cube), window=20))
        assert sl.classify(tiny_run, in_file(cube), window=20).sha256 == made[-1].sha256
    assert np.array_equal(made[0].classes, made[1].classes)
    np.testing.assert_allclose(made[0].confidence, made[1].confidence, atol=1e-6)


def test_the_next_strip_is_read_while_the_network_computes(
    tiny_run: sl.Run, cube: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first window of a strip waits until the next strip is read: without a thread, forever."""
    monkeypatch.setattr(scene_inference, "STRIP_MIB", 0)
    inner, scores = in_file(cube), scene_inference._scores
    reads, threads = [0], set()
    more = threading.Event()

    def read(window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        reads[0] += 1
        threads.add(threading.get_ident())
        more.set()
        return inner.read(window)

    def wait(*arguments: Any) -> Any:
        computed[0] += 1
        while reads[0] < min(computed[0] + 1, 9):
            more.clear()
            assert more.wait(20) or reads[0] > computed[0]
        return scores(*arguments)

    computed = [0]
    monkeypatch.setattr(scene_inference, "_scores", wait)
    sl.classify(tiny_run, replace(inner, read=read), window=20)
    assert (reads[0], computed[0]) == (9, 9)
    assert threads.isdisjoint({threading.get_ident()})


@given(st.integers(1, 4000), st.integers(1, 9000), st.integers(1, 700), st.integers(96, 500))
def test_strips_hold_every_window_once_and_no_more_than_allowed(
    rows: int, cols: int, bands: int, window: int
) -> None:
    scene = SceneFile(
        (rows, cols, bands), np.dtype("f4"), lambda _: (np.empty(0), np.empty(0, bool))
    )
    grouped = strips(scene, window, 12)
    flat = [pair for strip in grouped for pair in strip]
    assert flat == list(enumerate(windows_of(scene, window)))
    for strip in grouped:
        first, last = strip[0][1], strip[-1][1]
        assert first.row_start == last.row_start
        pixels = (first.shape[0] + 24) * (last.col_stop - first.col_start + 24)
        assert len(strip) == 1 or pixels * bands * 4 <= STRIP_MIB << 20


def test_pixels_without_a_spectrum_are_no_class_and_the_mean_to_their_neighbours(
    tiny_run: sl.Run, cube: NDArray[Any], tmp_path: Path
) -> None:
    """Against a scene in which those pixels hold the mean spectrum."""
    valid = np.random.default_rng(0).random(cube.shape[:2]) > 0.2
    valid[:9, :7] = False
    filled = np.where(valid[..., None], cube, tiny_run.bundle.bands.mean)
    expected = sl.classify(tiny_run, Scene(filled))
    zeros = np.where(valid[..., None], cube, 0)
    out = tmp_path / "map.tif"
    made = sl.map_scene(tiny_run.bundle, in_file(cube, valid), out=out, window=30)
    in_memory = sl.classify(tiny_run, Scene(zeros, valid=valid), window=30)
    assert np.array_equal(made.classes, in_memory.classes)
    assert np.array_equal(made.classes, np.where(valid, expected.classes, 0))
    assert made.counts[0] == (~valid).sum()
    np.testing.assert_allclose(
        in_memory.confidence, np.where(valid, expected.confidence, 0), atol=1e-5
    )
    for name in ("confidence", "entropy"):
        band = np.concatenate([b for _, b in rows_of(tmp_path / f"map_{name}.tif")])
        assert (band[~valid] == 0).all()
        assert (band[valid] > 0).mean() > 0.9


def test_bad_input_leaves_nothing(
    tiny_run: sl.Run, file: Path, cube: NDArray[Any], tmp_path: Path
) -> None:
    def broken(_: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        raise ReadError("field.img: cut short; copy it again")

    whole = in_file(cube)
    (tmp_path / "map.tif.part").mkdir()
    (tmp_path / "map.tif.part" / "thesis.txt").write_text("years of work")
    shutil.copy(file, tmp_path / "s.tif")
    own = replace(whole, source={"file": str(tmp_path / "s.tif")})
    bundle = tiny_run.bundle
    cases: tuple[tuple[type[Exception], str, SceneFile, dict[str, Any]], ...] = (
        (
            SettingsError,
            "--out: wanted a name that ends in .tif, got x.jpg",
            whole,
            {"out": "x.jpg"},
        ),
        (SettingsError, "--window: wanted a side of 1 pixel or more, got 0", whole, {"window": 0}),
        (
            SettingsError,
            "--bands: wanted one of confidence, entropy, probabilities, similarity, got 'margin'",
            whole,
            {"bands": ["margin"]},
        ),
        (SceneError, "the model takes 16 bands, the scene has 9", in_file(cube[..., :9]), {}),
        (ReadError, "field.img: cut short; copy it again", replace(whole, read=broken), {}),
        (
            SettingsError,
            "--scene-key, --axes, --drop-bands, --allow-outside, --product, --mask, --leave-out "
            "and --mosaic: go with --scene FILE",
            whole,
            {"drop_bands": (1,)},
        ),
        (
            SettingsError,
            "--scene-key, --axes, --drop-bands, --allow-outside, --product, --mask, --leave-out "
            "and --mosaic: go with --scene FILE",
            whole,
            {"scene_key": "cube"},
        ),
        (
            RunError,
            f"{tmp_path}/map.tif.part is in the way and not a stopped map; take another --out",
            whole,
            {"out": tmp_path / "map.tif"},
        ),
        (
            RunError,
            f"--out: {tmp_path}/s.tif is the scene itself; take another name",
            own,
            {"out": tmp_path / "s.tif", "overwrite": True},
        ),
    )
    for error, message, scene, flags in cases:
        with pytest.raises(error) as caught:
            map_scene(bundle, scene, **{"out": tmp_path / "new" / "m.tif", **flags})
        assert str(caught.value) == message
    later = replace(whole, read=lambda w: whole.read(w) if w.shape[0] == 1 else broken(w))
    with pytest.raises(ReadError, match=r"^field\.img: cut short"):
        map_scene(bundle, later, out=tmp_path / "late" / "m.tif")
    assert list((tmp_path / "late").iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif.part", "s.tif", "late"}
