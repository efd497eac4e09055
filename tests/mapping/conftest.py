"""Fixtures of the tests of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import spectrolite as sl


@pytest.fixture(scope="module")
def cube(tiny: tuple[sl.Scene, sl.Labels]) -> NDArray[Any]:
    """Four tiny scenes, 56 x 60 pixels."""
    return np.tile(tiny[0].cube, (2, 2, 1))


@pytest.fixture(scope="module")
def file(cube: NDArray[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes") / "four.npy"
    np.save(path, cube)
    return path
