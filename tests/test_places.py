"""Places where a result could not be written are refused before any work.

The reference is the file system: the longest name that is accepted is written, with the longest
additions of this package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.errors import RunError
from spectrolite.places import check_place

Typed = Callable[..., tuple[int, str, str]]


def test_the_longest_name_that_is_accepted_can_be_written(
    mobilesn_run: sl.Run, tmp_path: Path
) -> None:
    scene = np.load(mobilesn_run.manifest.data.scene["file"])
    stem = "m" * 219
    sl.map_scene(mobilesn_run, sl.Scene(scene), out=tmp_path / f"{stem}.tif", cog=True, envi=True)
    assert (tmp_path / f"{stem}_confidence.tif").exists()
    with pytest.raises(RunError) as caught:
        sl.map_scene(mobilesn_run, sl.Scene(scene), out=tmp_path / f"{stem}m.tif")
    assert str(caught.value) == (
        "--out: the name mmmmmmmmmmmmmmmmmmmm... has 224 bytes, wanted 223 at most: the files "
        "beside it get longer names; take another --out"
    )


@pytest.mark.parametrize("out", ["ü" * 120, f"{'d' * 250}/run", f"new/{'d' * 250}/run"])
def test_bytes_count_and_folders_that_are_to_be_made(tmp_path: Path, out: str) -> None:
    with pytest.raises(RunError, match=r"bytes, wanted 223 at most"):
        check_place(tmp_path / out)
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_be_too_long_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "/".join(["d" * 200] * 20)
    with pytest.raises(RunError) as caught:
        check_place(out)
    assert str(caught.value) == (
        f"--out: a path of {len(str(out))} bytes, wanted 3936 at most: the files in it get longer "
        "paths; take another --out"
    )


def test_a_folder_must_be_one_and_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    check_place(tmp_path / "new" / "er" / "run")
    with pytest.raises(RunError) as caught:
        check_place(tmp_path / "file" / "a.png", "--picture")
    assert str(caught.value) == (
        f"{tmp_path}/file/a.png: {tmp_path}/file is not a folder; take another --picture"
    )

    def refused(dir: Path) -> None:  # as for one who is not root
        assert dir == tmp_path
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(RunError) as caught:
        check_place(tmp_path / "new" / "run")
    assert str(caught.value) == (
        f"{tmp_path}/new/run: cannot write in {tmp_path} (Permission denied); take another --out"
    )


LONG = "n" * 254
VERBS: dict[str, tuple[Any, ...]] = {
    "train": ("train", "--data", "digits", "--out"),
    "compare": (
        "compare",
        "--scene",
        "S",
        "--labels",
        "L",
        "--model",
        "position",
        "--split",
        "random",
        "--out",
    ),
    "repeat": ("repeat", "RUN", "--out"),
    "demo": ("demo", "--out"),
    "map": ("map", "RUN", "--scene", "S", "--out"),
    "map of several": ("map", "RUN", "--scene", "S", "--scene", "L", "--out"),
    "export": ("export", "RUN", "--out"),
    "quantize": ("quantize", "RUN", "--out"),
    "prune": ("prune", "RUN", "--dead", "--out"),
    "benchmark": ("benchmark", "RUN", "--out"),
    "doctor": ("doctor", "RUN", "--picture"),
    "explain": ("explain", "mobilesn", "--picture"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_a_long_name_before_it_works(
    verb: str,
    typed: Typed,
    mobilesn_run: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever takes time is replaced by something that fails."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("begun")

    for slow in (
        "spectrolite.experiments.training_runs.train_images",
        "spectrolite.cli.train.load_data",
        "spectrolite.experiments.comparison._cell",
        "spectrolite.experiments.repetition._repeated",
        "spectrolite.experiments.tour.train",
        "spectrolite.mapping.large_maps.classify_windows",
        "spectrolite.deploy.export.onnx_bytes",
        "spectrolite.deploy.quantize.onnx_bytes",
        "spectrolite.deploy.prune.need_run",
        "spectrolite.experiments.scene_doctor._checkup_scene",
    ):
        monkeypatch.setattr(slow, never)
    source = mobilesn_run.manifest.data
    files = {"RUN": mobilesn_run.path, "S": source.scene["file"], "L": source.labels["file"]}
    endings = {"map": ".tif", "doctor": ".png", "explain": ".png", "benchmark": ".json"}
    ending = endings.get(verb, "")
    name = LONG[len(ending) :] + ending
    code, _, err = typed(*(files.get(w, w) for w in VERBS[verb]), tmp_path / name)
    assert code == 2, err
    assert "has 254 bytes, wanted 223 at most" in err
    assert [*tmp_path.iterdir()] == []
