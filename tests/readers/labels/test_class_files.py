"""Names and colours of classes from a table, against the cells that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.errors import ReadError
from spectrolite.readers import read_labels
from written_labels import geotiff

IDS = np.array([[0, 1, 2], [2, 7, 1]], np.uint8)
TABLE = 'id,name,colour\n0,sea,#0000ff\n1,maize,#ff8800\n2,"oats, wild",10 20 30\n7,rye,\n'


@pytest.mark.parametrize("name", ["l.npy", "l.tif"])
def test_names_and_colours_of_plain_labels(tmp_path: Path, name: str) -> None:
    if name == "l.npy":
        np.save(tmp_path / name, IDS)
    else:
        geotiff(tmp_path / name, IDS)
    (tmp_path / "classes.csv").write_text(TABLE)
    labels = read_labels(tmp_path / name, classes=tmp_path / "classes.csv")
    assert labels.class_names == {1: "maize", 2: "oats, wild", 7: "rye"}
    assert (labels.class_colours[1], labels.class_colours[2]) == ((255, 136, 0), (10, 20, 30))
    assert labels.source["classes"] == str(tmp_path / "classes.csv")
    shifted = read_labels(tmp_path / name, classes=tmp_path / "classes.csv", background=None)
    assert shifted.class_names == {1: "sea", 2: "maize", 3: "oats, wild", 8: "rye"}
    assert shifted.class_colours[1] == (0, 0, 255)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id;label\n1;a\n", ": wanted the columns id,name,colour, got id,label"),
        ("id,name\none,a\n", ": line 2: wanted an id from 0 to 65535, got 'one'"),
        ("id,name\n65536,a\n", ": line 2: wanted an id from 0 to 65535, got '65536'"),
        ("id,name\n1,a\n1,b\n", ": line 3: class 1 is named twice"),
        (
            f"id,name,color\n1,a,1 2 {'0' * 5000}\n",
            f": line 2: wanted a colour such as #ff8800 or 255 136 0, got '1 2 {'0' * 56}'",
        ),
        (
            "id,name,color\n1,a,red\n",
            ": line 2: wanted a colour such as #ff8800 or 255 136 0, got 'red'",
        ),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, table: str, message: str) -> None:
    np.save(tmp_path / "l.npy", IDS)
    (tmp_path / "c.csv").write_text(table)
    with pytest.raises(ReadError) as caught:
        read_labels(tmp_path / "l.npy", classes=tmp_path / "c.csv")
    assert str(caught.value) == f"{tmp_path}/c.csv{message}"
    with pytest.raises(ReadError) as caught:
        read_labels(tmp_path / "l.npy", classes=tmp_path / "none.csv")
    assert str(caught.value) == f"--classes: {tmp_path}/none.csv: no such file"


def test_a_run_keeps_names_and_colours(
    tiny_files: tuple[Path, Path], tmp_path: Path, typed: Any
) -> None:
    (tmp_path / "c.csv").write_text("id,name,colour\n2,oats,#102030\n3,wheat,\n7,woods,\n")
    files = ("--scene", tiny_files[0], "--labels", tiny_files[1], "--classes", tmp_path / "c.csv")
    words = ("--split", "random,train=0.3", "--model", "mobilesn", "--epochs", 1)
    run = tmp_path / "run"
    done = typed("train", *files, *words, "--out", run)
    assert done[0] == 0, done[2]
    labels = sl.open_run(run).data()[1]
    assert labels.class_names == {2: "oats", 3: "wheat", 7: "woods"}
    assert labels.class_colours[2] == (16, 32, 48)
    assert [c.name for c in sl.evaluate(run).per_class] == ["oats", "wheat", "woods"]
