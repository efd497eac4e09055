"""What every product has in common when it is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectrolite.errors import ReadError, SettingsError
from spectrolite.products.known import PRODUCTS, open_cube

FILES = sorted(set(PRODUCTS) - {"enmap", "desis"})


@pytest.mark.parametrize("name", sorted(set(PRODUCTS) - {"emit"}))
def test_a_mask_goes_with_emit_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        open_cube(tmp_path, product=name, mask="mask.nc")
    assert str(caught.value) == (
        f"--mask: goes with EMIT L2A reflectance; {PRODUCTS[name].TITLE} needs none: leave it out"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_folder_is_no_file_of_a_product(name: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        open_cube(tmp_path, product=name)
    assert str(caught.value) == (
        f"{tmp_path}: wanted a file of {PRODUCTS[name].TITLE}, got a folder; name the file in it"
    )
