"""Labels that several tests of samples share."""

from __future__ import annotations

import pytest

from spectrolite.data.labels import Labels
from spectrolite.datasets.catalog import load


@pytest.fixture(scope="session")
def indian_pines() -> Labels:
    """The ground truth of Indian Pines."""
    return load("indian_pines")[1]
