"""Boxes of an array in a file, against slices of the same array in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products.scenes import open_scene
from spectrolite.readers.scenes.raw import read_box
from written_scenes import envi


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_any_box_of_an_array_in_a_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * 3))
    box = []
    for length in shape:
        start = data.draw(st.integers(0, length - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, length))))
    array = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    path = tmp_path_factory.getbasetemp() / "array.bin"
    path.write_bytes(b"123" + array.tobytes())
    read = read_box(path, array.dtype, 3, shape, (box[0], box[1], box[2]))
    np.testing.assert_array_equal(read, array[tuple(box)])


def test_a_file_that_shrinks_while_it_is_open(tmp_path: Path) -> None:
    opened = open_scene(envi(tmp_path))
    (tmp_path / "s.img").write_bytes(b"12")
    with pytest.raises(ReadError) as caught:
        opened.read(Window(0, 3, 0, 2))
    assert str(caught.value) == f"{tmp_path / 's.img'}: 22 bytes shorter than when it was opened"
