"""Maps that are stopped, killed, out of disk or written twice, and resumed.

The reference is a map that was never stopped, compared byte by byte. The kills are SIGKILLs of real
processes, and the limit on file sizes is a real one.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.io
import torch
import zarr
from numpy.typing import NDArray

import spectrolite as sl
from mapping.small_maps import NAMES, bytes_of, envi_pair, files_up_to, stop_after
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import MAKE_ROOM
from spectrolite.mapping.large_maps import map_scene
from spectrolite.samples.band_reduction import Bands


def test_a_stopped_map_is_resumed_to_the_same_bytes(
    tiny_run: sl.Run, file: Path, tmp_path: Path
) -> None:
    flags: dict[str, Any] = {"window": 20, "envi": True, "flips": False}
    sl.map_scene(tiny_run, file, out=tmp_path / "whole" / "map.tif", **flags)
    whole = bytes_of(tmp_path / "whole" / "map.tif")
    assert set(whole) == {*NAMES, "map_classes.dat", "map_classes.dat.aux.xml", "map_classes.hdr"}
    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt) as stopped:
        sl.map_scene(tiny_run, file, out=out, on_window=stop_after(5), **flags)
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
    assert bytes_of(out) == whole
    assert not part.exists()
    heard.clear()
    sl.map_scene(
        tiny_run, file, out=out, resume=True, on_window=lambda *n: heard.append(n), **flags
    )
    assert heard == []
    assert bytes_of(out) == whole
    with pytest.raises(RunError) as other:
        sl.map_scene(tiny_run, file, out=out, resume=True, window=21, envi=True)
    assert str(other.value) == (
        f"{out} exists and was not made from this model and scene with these settings; take "
        "another --out, or replace it with --overwrite"
    )


def test_resume_refuses_another_model_scene_or_setting(
    tiny_run: sl.Run, file: Path, cube: NDArray[Any], tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    part = tmp_path / "map.tif.part"
    bundle = tiny_run.bundle
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, file, out=out, window=20, on_window=stop_after(2))
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
        text = str(caught.value)
        if "--scene" in message:  # the file system decides which of them differ
            assert text.startswith(message.split(" (")[0])
            assert text.endswith(message.split("; ")[1])
        else:
            assert text == message
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
        scene = envi_pair(tmp_path, cube)
    else:
        zarr.create_array(scene, data=cube, chunks=(10, *cube.shape[1:]), compressors=None)
    with pytest.raises(KeyboardInterrupt):
        map_scene(tiny_run, scene, out=out, window=20, on_window=stop_after(2))
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


def test_resuming_replaces_no_file_of_the_user(
    tiny_run: sl.Run, file: Path, tmp_path: Path
) -> None:
    """No map was begun here, and a picture of the user has the name of the map's picture."""
    out, picture = tmp_path / "map.tif", tmp_path / "map.png"
    picture.write_bytes(b"a photograph")
    for resume in (False, True):
        with pytest.raises(RunError) as caught:
            map_scene(tiny_run, file, out=out, window=60, resume=resume)
        assert str(caught.value) == (
            f"{picture} exists; take another --out, or replace it with --overwrite"
        )
        assert bytes_of(out) == {"map.png": b"a photograph"}
        assert not (tmp_path / "map.tif.part").exists()


def test_as_many_threads_as_before(tiny_run: sl.Run, file: Path, tmp_path: Path) -> None:
    """Their number decides the bits."""
    flags: dict[str, Any] = {"out": tmp_path / "map.tif", "window": 20}
    with pytest.raises(KeyboardInterrupt):
        map_scene(tiny_run, file, on_window=stop_after(1), **flags)
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
    before = bytes_of(out)
    with pytest.raises(RunError, match=r"map_confidence\.tif exists; take another --out, or rep"):
        map_scene(bundle, file, out=out, window=20)
    flags: dict[str, Any] = {"window": 20, "bands": ["confidence"]}
    with pytest.raises(KeyboardInterrupt):
        map_scene(bundle, file, out=out, overwrite=True, on_window=stop_after(1), **flags)
    assert {k: v for k, v in bytes_of(out).items() if k in before} == before
    map_scene(bundle, file, out=out, resume=True, **flags)
    assert set(bytes_of(out)) == {*NAMES} - {"map_entropy.tif"}
    assert bytes_of(out)["map.tif"] != before["map.tif"]


HERE = str(Path(__file__).parents[1])  # of forked.py
KILLER = """
import json, os, signal, sys, time
import matplotlib.figure, matplotlib.patches, rasterio, rasterio.shutil
import numpy as np
from spectrolite.cli import maps
from spectrolite.mapping import class_areas, several_maps

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
    with files_up_to(size), pytest.raises(OSError, match=words) as full:
        map_scene(tiny_run, out=out, **flags)
    assert full.value.__notes__[-1] == note
    assert full.value.__notes__[:-1] == ([MAKE_ROOM] if full.value.errno == errno.EFBIG else [])
    assert {p.name for p in tmp_path.iterdir()} <= {"whole", "map.tif.part"}
    map_scene(tiny_run, out=out, resume=True, **flags)
    assert bytes_of(out) == bytes_of(tmp_path / "whole" / "map.tif")


def test_pixels_that_gdal_loses_without_an_error_are_found(
    tiny_run: sl.Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = rasterio.io.DatasetWriter.write

    def lose(writer: Any, array: NDArray[Any], *rest: Any, **named: Any) -> None:
        write(writer, array * (np.arange(len(array))[:, None] < 40), *rest, **named)

    monkeypatch.setattr(rasterio.io.DatasetWriter, "write", lose)
    with pytest.raises(OSError, match=r"row 0 and after are not what was written: '.*map\.tif'"):
        map_scene(tiny_run, file, out=tmp_path / "map.tif", window=60)
    assert [p.name for p in tmp_path.iterdir()] == ["map.tif.part"]


def test_two_processes_cannot_write_one_map(tiny_run: sl.Run, file: Path, tmp_path: Path) -> None:
    """Another process holds the lock, with the system's own command, until it is killed."""
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
    assert sorted(bytes_of(tmp_path / "map.tif")) == sorted(NAMES)


def test_the_command_line_says_how_to_resume(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from spectrolite.cli.tables import TrainingProgress

    words = ("map", tiny_run.path, "--scene", file, "--out", tmp_path / "map.tif", "--window", 20)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "window", lambda _self, done, n: stop_after(4)(done, n))
        code, _, err = typed(*words)
    assert code == 130
    assert err.endswith("stopped after window 4 of 9; go on with the same command and --resume")
    with files_up_to(3_000):
        code, _, err = typed(*words, "--resume")
    assert code == 1
    assert "File too large" in err
    assert err.endswith("stopped after window 4 of 9; go on with the same command and --resume")
    assert typed(*words, "--resume")[0] == 0


def test_each_window_is_read_once_for_all_layers_and_the_map_once_in_all(
    tiny_run: sl.Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted where files are read: whole windows by `Path`, blocks of GeoTIFFs by rasterio."""
    windows: list[str] = []
    blocks: list[str] = []
    read_bytes, read = Path.read_bytes, rasterio.io.DatasetReader.read

    def count_windows(path: Path) -> bytes:
        content = read_bytes(path)
        if path.suffix == ".tile":
            windows.append(path.name)
        return content

    def count_blocks(dataset: Any, *arguments: Any, **named: Any) -> Any:
        blocks.append(Path(dataset.name).name)
        return read(dataset, *arguments, **named)

    monkeypatch.setattr(Path, "read_bytes", count_windows)
    monkeypatch.setattr(rasterio.io.DatasetReader, "read", count_blocks)
    result = map_scene(tiny_run, file, out=tmp_path / "map.tif", window=20)
    assert windows == [f"{n:06d}.tile" for n in range(9)]
    assert blocks == ["map.tif", "map_confidence.tif", "map_entropy.tif"]
    monkeypatch.undo()
    ids, counts = np.unique(result.classes, return_counts=True)
    assert result.counts == dict(zip(ids.tolist(), counts.tolist(), strict=True))
