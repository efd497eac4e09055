"""From files of scenes to files of maps: windows, staging, kills, full disks, locks, many scenes.

Independent references: the network run over the whole padded scene at once; a map that was never
stopped, compared byte by byte; real SIGKILLs of real processes, and a real limit on file sizes.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.data.scene import Scene, SceneFile, Window
from spectrolite.errors import ReadError, RunError, SceneError, SettingsError
from spectrolite.mapping import scene_inference
from spectrolite.mapping.large_maps import Failed, map_scene, map_scenes, scenes_named
from spectrolite.mapping.scene_inference import STRIP_MIB, strips, windows_of
from spectrolite.samples.band_reduction import Bands

NAMES = (
    "map.tif",
    "map.tif.aux.xml",
    "map.qml",
    "map.png",
    "map_confidence.tif",
    "map_entropy.tif",
)


@pytest.fixture(scope="module")
def cube(tiny: tuple[sl.Scene, sl.Labels]) -> NDArray[Any]:
    """Four tiny scenes, 56 x 60 pixels."""
    return np.tile(tiny[0].cube, (2, 2, 1))


@pytest.fixture(scope="module")
def file(cube: NDArray[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes") / "four.npy"
    np.save(path, cube)
    return path


def _in_file(cube: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> SceneFile:
    """A scene that is read window by window, from an array that stands for its file."""
    rows, cols, bands = cube.shape
    known = np.ones((rows, cols), bool) if valid is None else valid

    def read(window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return np.where(known[window.slices][..., None], cube[window.slices], 0), known[
            window.slices
        ]

    return SceneFile((rows, cols, bands), cube.dtype, read)


def _envi(folder: Path, cube: NDArray[Any]) -> Path:
    """An ENVI pair, by its header."""
    rows, cols, bands = cube.shape
    folder.mkdir(exist_ok=True)
    (folder / "s.img").write_bytes(cube.astype("<u2").tobytes())
    (folder / "s.hdr").write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\ndata type = 12\n"
        "interleave = bip\nbyte order = 0\n"
    )
    return folder / "s.hdr"


def _bytes(out: Path) -> dict[str, bytes]:
    """Every file that stands beside a map, by name."""
    return {p.name: p.read_bytes() for p in out.parent.iterdir() if p.is_file()}


# windows


def test_windows_give_the_classes_of_the_untiled_map(
    tiny_run: sl.Run, cube: NDArray[Any], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """One pass over the whole scene; classes may differ where two logits are nearly equal."""
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
        made = sl.map_scene(bundle, _in_file(cube), out=out, window=window)
        np.testing.assert_array_equal(made.classes[clear], untiled[clear])
        differ = int((made.classes != untiled).sum())
        record_property(
            f"nearly equal pixels, of another class at window {window}",
            f"{int((~clear).sum())}, {differ} of {clear.size}",
        )
        assert differ <= (~clear).sum() < 0.01 * clear.size
        for name, expected in (("confidence", softmax.max(0)), ("entropy", entropy)):
            band = np.concatenate([b for _, b in _rows(tmp_path / f"{window}_{name}.tif")])
            np.testing.assert_allclose(band, expected, atol=1e-4)
    assert len(np.unique(untiled)) == 3


def _rows(path: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    from spectrolite.mapping.geotiff import read_rows

    return read_rows(path)


def test_a_scene_in_its_file_gives_the_bits_of_one_in_memory_in_the_same_strips(
    tiny_run: sl.Run, cube: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All windows of a row in one strip, or each in its own; both ways give one map."""
    made = []
    for mib, count in ((STRIP_MIB, 3), (0, 9)):
        monkeypatch.setattr(scene_inference, "STRIP_MIB", mib)
        assert len(strips(_in_file(cube), 20, 12)) == len(strips(Scene(cube), 20, 12)) == count
        made.append(sl.classify(tiny_run, Scene(cube), window=20))
        assert sl.classify(tiny_run, _in_file(cube), window=20).sha256 == made[-1].sha256
    assert np.array_equal(made[0].classes, made[1].classes)
    np.testing.assert_allclose(made[0].confidence, made[1].confidence, atol=1e-6)


def test_the_next_strip_is_read_while_the_network_computes(
    tiny_run: sl.Run, cube: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first window of a strip waits for the strip after it: without a thread, for ever."""
    monkeypatch.setattr(scene_inference, "STRIP_MIB", 0)
    inner, scores = _in_file(cube), scene_inference._scores
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
    made = sl.map_scene(tiny_run.bundle, _in_file(cube, valid), out=out, window=30)
    in_memory = sl.classify(tiny_run, Scene(zeros, valid=valid), window=30)
    assert np.array_equal(made.classes, in_memory.classes)
    assert np.array_equal(made.classes, np.where(valid, expected.classes, 0))
    assert made.counts[0] == (~valid).sum()
    np.testing.assert_allclose(
        in_memory.confidence, np.where(valid, expected.confidence, 0), atol=1e-5
    )
    for name in ("confidence", "entropy"):
        band = np.concatenate([b for _, b in _rows(tmp_path / f"map_{name}.tif")])
        assert (band[~valid] == 0).all()
        assert (band[valid] > 0).mean() > 0.9


# stopped and resumed


def _stop_after(window: int, error: type[BaseException] = KeyboardInterrupt) -> Any:
    def stop(done: int, _all: int) -> None:
        if done == window:
            raise error

    return stop


def test_a_stopped_map_goes_on_to_the_same_bytes(
    tiny_run: sl.Run, file: Path, tmp_path: Path
) -> None:
    flags: dict[str, Any] = {"window": 20, "envi": True, "flips": False}
    sl.map_scene(tiny_run, file, out=tmp_path / "whole" / "map.tif", **flags)
    whole = _bytes(tmp_path / "whole" / "map.tif")
    assert set(whole) == {*NAMES, "map_classes.dat", "map_classes.hdr"}
    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt) as stopped:
        sl.map_scene(tiny_run, file, out=out, on_window=_stop_after(5), **flags)
    assert stopped.value.__notes__ == [
        "stopped after window 5 of 9; go on with the same command and --resume"
    ]
    part = tmp_path / "map.tif.part"
    assert sorted(p.name for p in part.iterdir()) == [
        *(f"{n:06d}.tile" for n in range(5)),
        "begin.json",
        "lock",
    ]
    damaged = part / "000001.tile"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    (part / "000002.tile").write_bytes((part / "000003.tile").read_bytes())
    heard: list[tuple[int, int]] = []
    sl.map_scene(
        tiny_run, file, out=out, resume=True, on_window=lambda *n: heard.append(n), **flags
    )
    assert heard == [(n, 9) for n in range(3, 10)]  # the damaged two are computed again
    assert _bytes(out) == whole
    assert not part.exists()
    heard.clear()
    sl.map_scene(
        tiny_run, file, out=out, resume=True, on_window=lambda *n: heard.append(n), **flags
    )
    assert heard == []
    assert _bytes(out) == whole
    with pytest.raises(RunError) as other:
        sl.map_scene(tiny_run, file, out=out, resume=True, window=21, envi=True)
    assert str(other.value) == (
        f"{out} exists and was not made from this model and scene with these settings; take "
        "another --out, or --overwrite"
    )


def test_resume_refuses_another_model_scene_or_setting(
    tiny_run: sl.Run, file: Path, cube: NDArray[Any], tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    part = tmp_path / "map.tif.part"
    bundle = tiny_run.bundle
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, file, out=out, window=20, on_window=_stop_after(2))
    other = replace(bundle, bands=Bands(bundle.bands.mean + 1, bundle.bands.matrix, "scene", 9, 1))
    np.save(tmp_path / "other.npy", cube[:, :50])
    end = "start anew with --overwrite"
    cases: tuple[tuple[type[Exception], str, tuple[Any, Any], dict[str, Any]], ...] = (
        (
            RunError,
            f"{part}: a map that was stopped after 2 windows; go on with --resume, or "
            "discard it with --overwrite",
            (bundle, file),
            {},
        ),
        (
            SettingsError,
            "give --resume or --overwrite, not both",
            (bundle, file),
            {"resume": True, "overwrite": True},
        ),
        (
            SettingsError,
            f"RUN: not the model that {part} was begun with; {end}",
            (other, file),
            {"resume": True},
        ),
        (
            SettingsError,
            f"--scene: not the scene that {part} was begun with (shape, source, bytes,"
            f" changed_ns, values); {end}",
            (bundle, tmp_path / "other.npy"),
            {"resume": True},
        ),
        (
            SettingsError,
            f"--window: 10, but {part} was begun with 20; give that, or {end}",
            (bundle, file),
            {"resume": True, "window": 10},
        ),
        (
            SettingsError,
            f"--cog: True, but {part} was begun with False; give that, or {end}",
            (bundle, file),
            {"resume": True, "cog": True},
        ),
    )
    for error, message, arguments, flags in cases:
        with pytest.raises(error) as caught:
            map_scene(*arguments, out=out, **{"window": 20, **flags})
        said = str(caught.value)
        if "--scene" in message:  # how many bytes and what time differ is the file system's
            assert said.startswith(message.split(" (")[0])
            assert said.endswith(message.split("; ")[1])
        else:
            assert said == message
        assert len(list(part.glob("*.tile"))) == 2
    begun = json.loads((part / "begin.json").read_text())
    begun["versions"]["torch"] = "1.0"
    (part / "begin.json").write_text(json.dumps(begun))
    with pytest.raises(RunError, match=r"would give other bits \(torch 1\.0 then, .* now\); go on"):
        map_scene(bundle, file, out=out, window=20, resume=True)
    (part / "begin.json").write_text("{")
    with pytest.raises(RunError, match=r"begin\.json: damaged \(.*\); start anew with --overwrite"):
        map_scene(bundle, file, out=out, window=20, resume=True)
    map_scene(bundle, file, out=out, window=20, overwrite=True)
    assert not part.exists()


@pytest.mark.parametrize("form", ["ENVI", "Zarr"])
def test_a_scene_of_several_files_that_changed_in_the_middle_is_another(
    tiny_run: sl.Run, cube: NDArray[Any], tmp_path: Path, form: str
) -> None:
    """First and last rows, and the file or folder that is named, stay as they were."""
    out, scene = tmp_path / "map.tif", tmp_path / "s.zarr"
    if form == "ENVI":
        scene = _envi(tmp_path, cube)
    else:
        zarr.create_array(scene, data=cube, chunks=(10, *cube.shape[1:]), compressors=None)
    with pytest.raises(KeyboardInterrupt):
        map_scene(tiny_run, scene, out=out, window=20, on_window=_stop_after(2))
    before = scene.stat().st_mtime_ns
    other = cube.copy()
    other[25] = 60_000
    if form == "ENVI":
        scene.with_suffix(".img").write_bytes(other.astype("<u2").tobytes())
    else:
        zarr.open_array(scene, mode="r+")[20:30] = other[20:30]
    assert scene.stat().st_mtime_ns == before
    with pytest.raises(SettingsError) as caught:
        map_scene(tiny_run, scene, out=out, window=20, resume=True)
    assert str(caught.value) == (
        f"--scene: not the scene that {out}.part was begun with (changed_ns); start anew with "
        "--overwrite"
    )


def test_going_on_replaces_no_file_of_another(tiny_run: sl.Run, file: Path, tmp_path: Path) -> None:
    """Nothing was begun here, and a picture of the user's has the name of the map's."""
    out, picture = tmp_path / "map.tif", tmp_path / "map.png"
    picture.write_bytes(b"a photograph")
    for resume in (False, True):
        with pytest.raises(RunError) as caught:
            map_scene(tiny_run, file, out=out, window=60, resume=resume)
        assert str(caught.value) == f"{picture} exists; take another --out, or --overwrite"
        assert _bytes(out) == {"map.png": b"a photograph"}
        assert not (tmp_path / "map.tif.part").exists()


def test_as_many_threads_as_before(tiny_run: sl.Run, file: Path, tmp_path: Path) -> None:
    """Their number decides bits."""
    flags: dict[str, Any] = {"out": tmp_path / "map.tif", "window": 20}
    with pytest.raises(KeyboardInterrupt):
        map_scene(tiny_run, file, on_window=_stop_after(1), **flags)
    path = tmp_path / "map.tif.part" / "begin.json"
    begun = json.loads(path.read_text())
    begun["machine"]["threads"] = 3
    path.write_text(json.dumps(begun))
    before, heard = torch.get_num_threads(), set()
    map_scene(
        tiny_run,
        file,
        resume=True,
        on_window=lambda *_: heard.add(torch.get_num_threads()),
        **flags,
    )
    assert heard == {3}
    assert torch.get_num_threads() == before


def test_a_map_that_replaces_another_replaces_it_last(
    tiny_run: sl.Run, file: Path, tmp_path: Path
) -> None:
    bundle, out = tiny_run.bundle, tmp_path / "map.tif"
    map_scene(bundle, file, out=out, window=60)
    before = _bytes(out)
    with pytest.raises(RunError, match=r"map_confidence\.tif exists; take another --out, or --ove"):
        map_scene(bundle, file, out=out, window=20)
    flags: dict[str, Any] = {"window": 20, "bands": ["confidence"]}
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, file, out=out, overwrite=True, on_window=_stop_after(1), **flags)
    assert {k: v for k, v in _bytes(out).items() if k in before} == before
    map_scene(bundle, file, out=out, resume=True, **flags)
    assert set(_bytes(out)) == {*NAMES} - {"map_entropy.tif"}
    assert _bytes(out)["map.tif"] != before["map.tif"]


HERE = str(Path(__file__).parents[1])  # of forked.py
KILLER = """
import json, os, signal, sys, time
import matplotlib.figure, matplotlib.patches, rasterio, rasterio.shutil
import numpy as np
from spectrolite.cli import maps
from spectrolite.mapping import class_areas, large_maps

sys.path.insert(0, sys.argv[2])
from forked import begin, computed_s, waited

words, out, kills, seed = json.loads(sys.argv[1])
random = np.random.default_rng(seed)


def found(out):
    folder = os.path.dirname(out)
    return {n: open(os.path.join(folder, n), "rb").read() for n in sorted(os.listdir(folder))}


code, took_s = waited(begin([*words, "--out", out + "/never/map.tif"]))
assert code == 0, code
whole = found(out + "/never/map.tif")
killed, finished, where = 0, 0, []
while killed < kills or code:
    one = f"{out}/{finished}/map.tif"
    child = begin([*words, "--out", one])
    moment = random.uniform(0.1, 1.1) * took_s if killed < kills else 1e8
    while computed_s(child) < moment:
        time.sleep(0.003)
    os.kill(child, signal.SIGKILL)
    code, _ = waited(child)
    assert code in (0, -signal.SIGKILL), code
    if code:
        killed += 1
        part = one + ".part"
        where.append(sum(n.endswith(".tile") for n in os.listdir(part))
                     if os.path.isdir(part) else -1)
    else:
        assert found(one) == whole, sorted(found(one))
        finished += 1
print(json.dumps([killed, finished, where, sorted(whole), took_s]))
"""


@pytest.mark.slow
def test_killed_twenty_times_it_ends_with_the_same_bytes(
    tiny_run: sl.Run, file: Path, tmp_path: Path
) -> None:
    """By SIGKILL, at random moments of reading, computing and composing."""
    words = ["map", str(tiny_run.path), "--scene", str(file), "--window", "14", "--resume"]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, json.dumps([words, str(tmp_path), 20, 7]), HERE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    killed, finished, where, names, _ = json.loads(done.stdout.splitlines()[-1])
    assert (killed, names) == (20, sorted(NAMES))
    assert finished >= 1
    assert len({n for n in where if 0 < n < 20}) > 2, where  # among the windows, too


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    """The system writes no file beyond that many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "words", "note"),
    [
        (
            4_000,
            r"File too large: '.*map\.tif\.part/000000\.tile'",
            "stopped after window 0 of 4; go on with the same command and --resume",
        ),
        (
            8_400,
            r"map_confidence\.tif.*|cannot be written \(.*\); is the disk full\?: '.*'",
            "every window is computed; go on with the same command and --resume",
        ),
    ],
)
def test_a_full_disk_is_an_error_that_can_be_resumed(
    tiny_run: sl.Run, file: Path, tmp_path: Path, size: int, words: str, note: str
) -> None:
    flags: dict[str, Any] = {"window": 30, "scene": file}
    map_scene(tiny_run, out=tmp_path / "whole" / "map.tif", **flags)
    out = tmp_path / "map.tif"
    with _files_up_to(size), pytest.raises(OSError, match=words) as full:
        map_scene(tiny_run, out=out, **flags)
    assert full.value.__notes__ == [note]
    assert {p.name for p in tmp_path.iterdir()} <= {"whole", "map.tif.part"}
    map_scene(tiny_run, out=out, resume=True, **flags)
    assert _bytes(out) == _bytes(tmp_path / "whole" / "map.tif")


def test_what_gdal_loses_without_a_word_is_found(
    tiny_run: sl.Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rasterio.io

    write = rasterio.io.DatasetWriter.write

    def lose(writer: Any, array: NDArray[Any], *rest: Any, **named: Any) -> None:
        write(writer, array * (np.arange(len(array))[:, None] < 40), *rest, **named)

    monkeypatch.setattr(rasterio.io.DatasetWriter, "write", lose)
    with pytest.raises(OSError, match=r"row 0 and after are not what was written: '.*map\.tif'"):
        map_scene(tiny_run, file, out=tmp_path / "map.tif", window=60)
    assert [p.name for p in tmp_path.iterdir()] == ["map.tif.part"]


def test_two_processes_cannot_write_one_map(tiny_run: sl.Run, file: Path, tmp_path: Path) -> None:
    """The other process holds the lock by the system's own command, until it is killed."""
    part = tmp_path / "map.tif.part"
    part.mkdir()
    other = subprocess.Popen(["flock", part / "lock", "sleep", "60"], process_group=0)
    while subprocess.run(["flock", "-n", part / "lock", "true"], check=False).returncode == 0:
        pass
    each: tuple[dict[str, Any], ...] = ({}, {"resume": True}, {"overwrite": True})
    for flags in each:
        with pytest.raises(RunError) as caught:
            map_scene(tiny_run, file, out=tmp_path / "map.tif", **flags)
        assert str(caught.value) == (
            f"{part}: another process is writing there; wait for it, or stop it"
        )
    os.killpg(other.pid, 9)
    other.wait()
    map_scene(tiny_run, file, out=tmp_path / "map.tif")
    assert sorted(_bytes(tmp_path / "map.tif")) == sorted(NAMES)


def test_bad_input_leaves_nothing(
    tiny_run: sl.Run, file: Path, cube: NDArray[Any], tmp_path: Path
) -> None:
    def broken(_: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        raise ReadError("field.img: cut short; copy it again")

    whole = _in_file(cube)
    (tmp_path / "map.tif.part").mkdir()
    (tmp_path / "map.tif.part" / "thesis.txt").write_text("years of work")
    shutil.copy(file, tmp_path / "s.tif")
    own = replace(whole, source={"file": str(tmp_path / "s.tif")})
    bundle = tiny_run.bundle
    cases: tuple[tuple[type[Exception], str, SceneFile, dict[str, Any]], ...] = (
        (RunError, "--out: wanted a name that ends in .tif, got x.jpg", whole, {"out": "x.jpg"}),
        (SettingsError, "--window: wanted a side of 1 pixel or more, got 0", whole, {"window": 0}),
        (
            SettingsError,
            "--bands: wanted one of confidence, entropy, got 'margin'",
            whole,
            {"bands": ["margin"]},
        ),
        (SceneError, "the model takes 16 bands, the scene has 9", _in_file(cube[..., :9]), {}),
        (ReadError, "field.img: cut short; copy it again", replace(whole, read=broken), {}),
        (
            SettingsError,
            "--scene-key and --drop-bands: go with --scene FILE",
            whole,
            {"drop_bands": (1,)},
        ),
        (
            SettingsError,
            "--scene-key and --drop-bands: go with --scene FILE",
            whole,
            {"scene_key": "cube"},
        ),
        (
            RunError,
            f"{tmp_path}/map.tif.part is in the way and no stopped map; take another --out",
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


# several scenes


def test_several_scenes_one_of_which_fails(
    tiny_run: sl.Run, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    shutil.copy(tiny_files[0], scenes / "a.npy")
    (scenes / "b.npy").write_bytes(b"no array")
    shutil.copy(tiny_files[0], scenes / "c.npy")
    assert scenes_named([f"{scenes}/*.npy", scenes / "a.npy"]) == [
        scenes / f"{name}.npy" for name in "abc"
    ]
    heard: list[str] = []
    made = map_scenes(
        tiny_run,
        [f"{scenes}/*.npy"],
        out=tmp_path / "maps",
        on_scene=lambda scene, n: heard.append(f"{scene.name} {n}"),
    )
    assert heard == ["a.npy 3", "b.npy 3", "c.npy 3"]
    assert isinstance(made[1], Failed)
    assert made[1].scene == scenes / "b.npy"
    assert isinstance(made[1].error, ReadError)
    expected = sl.classify(tiny_run, sl.read_scene(tiny_files[0])).classes
    for one, name in ((made[0], "a"), (made[2], "c")):
        assert isinstance(one, sl.MapFile)
        assert one.path == tmp_path / "maps" / f"{name}.tif"
        assert np.array_equal(one.classes, expected)
    shutil.copy(tiny_files[0], scenes / "b.npy")
    again = map_scenes(tiny_run, [f"{scenes}/*.npy"], out=tmp_path / "maps", resume=True)
    assert [isinstance(m, sl.MapFile) for m in again] == [True] * 3
    with pytest.raises(ReadError, match=r"^--scene: no file matches .*/\*\.hdr$"):
        map_scenes(tiny_run, [f"{scenes}/*.hdr"], out=tmp_path / "maps")
    (tmp_path / "a.npy").touch()
    with pytest.raises(ReadError, match=r"a\.npy would both become a\.tif; map one of them alone$"):
        map_scenes(tiny_run, [scenes / "a.npy", tmp_path / "a.npy"], out=tmp_path / "maps")


def test_the_command_line_maps_several_scenes(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    tiny_files: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    shutil.copy(tiny_files[0], tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(b"no array")
    words = ("map", tiny_run.path, "--scene", tmp_path / "*.npy", "--out", tmp_path / "maps")
    code, out, err = typed(*words, "--json")
    told = json.loads(out)
    assert code == 1
    assert [m["scene"] for m in told["maps"]] == [str(tmp_path / "a.npy")]
    assert told["maps"][0]["map"] == str(tmp_path / "maps" / "a.tif")
    assert told["maps"][0]["hectares"] is None
    assert told["failed"][0]["scene"] == str(tmp_path / "b.npy")
    assert "failed:" in err
    assert "b.npy" in err
    shutil.copy(tiny_files[0], tmp_path / "b.npy")
    code, out, err = typed(*words, "--resume")
    assert code == 0, err
    assert re.search(r"pixels of each class", out)
    assert {p.name for p in (tmp_path / "maps").iterdir()} == {
        n.replace("map", scene, 1) for n in NAMES for scene in "ab"
    }
    code, _, err = typed("map", tiny_run.path, "--scene", tmp_path / "*.npy", "--out", "m.tif")
    assert (code, err) == (2, "error: --out: several scenes want a folder, got m.tif")
    code, _, err = typed("map", tiny_run.path, "--drop-bands", "1", "--out", tmp_path / "m.tif")
    assert (code, err) == (2, "mapping error: --scene-key and --drop-bands: go with --scene FILE")


def test_maps_among_their_scenes_are_no_scenes(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
) -> None:
    """Their ENVI headers match the pattern, once they are there; the folder's name has a dot."""
    folder = tmp_path / "fields.v2"
    scene = _envi(folder, tiny[0].cube)
    for ending in (".img", ".hdr"):
        shutil.copy(scene.with_suffix(ending), folder / f"t{ending}")
    words = ("--scene", folder / "*.hdr", "--envi", "--out", folder, "--json")
    code, out, err = typed("map", tiny_run.path, *words)
    assert code == 0, err
    assert [m["scene"] for m in json.loads(out)["maps"]] == [str(scene), str(folder / "t.hdr")]
    assert (folder / "s_classes.hdr").exists()


def test_the_command_line_says_how_to_go_on(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from spectrolite.cli.tables import TrainingProgress

    words = ("map", tiny_run.path, "--scene", file, "--out", tmp_path / "map.tif", "--window", 20)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "window", lambda _self, done, n: _stop_after(4)(done, n))
        code, _, err = typed(*words)
    assert code == 130
    assert err.endswith("stopped after window 4 of 9; go on with the same command and --resume")
    with _files_up_to(3_000):
        code, _, err = typed(*words, "--resume")
    assert code == 1
    assert "File too large" in err
    assert err.endswith("stopped after window 4 of 9; go on with the same command and --resume")
    assert typed(*words, "--resume")[0] == 0
