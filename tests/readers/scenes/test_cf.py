"""The CF conventions: axes and missing values, in files that h5py wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from spectrolite.errors import ReadError
from spectrolite.products.known import open_cube


@pytest.mark.parametrize("dims", [("x", "x", "band"), ("lat", "row", "band")])
def test_axes_that_contradict_each_other(tmp_path: Path, dims: tuple[str, ...]) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
        for axis, name in enumerate(dims):
            file["cube"].dims[axis].label = name
    with pytest.raises(ReadError) as caught:
        open_cube(path)
    assert str(caught.value) == (
        f"{path}: cube (2 x 3 x 4 float64): two of its dimensions ({', '.join(dims)}) are the same "
        "axis; wanted rows, cols and bands"
    )
