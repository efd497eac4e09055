"""The satellite products that are known; what a path holds, a product or a file of a format."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from spectrolite.errors import ReadError, SettingsError, wanted_one_of
from spectrolite.files import check_regular, naming
from spectrolite.products import emit
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.open import cube_of_file
from spectrolite.readers.scenes.patterns import is_pattern

PRODUCTS: dict[str, ModuleType] = {module.NAME: module for module in (emit,)}


def open_cube(
    path: str | Path,
    key: str | None = None,
    axes: str | None = None,
    *,
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
) -> Cube:
    """What a product or a file says of the cube in it; its values are not read.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.
        product: as in `open_scene`.
        mask: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`.
        SettingsError: as in `open_scene`.
    """
    path = Path(path)
    if product is not None and product not in (*PRODUCTS, "none"):
        raise SettingsError(f"--product: {wanted_one_of((*PRODUCTS, 'none'), product)}")
    reader = None
    if not is_pattern(path) and key is None and axes is None:
        reader = PRODUCTS.get(product) if product else _product(path)
    if reader is None:
        if mask is not None or product not in (None, "none"):
            flag = "--mask" if mask is not None else "--product"
            raise SettingsError(
                f"{flag}: {path} is not known as a product; known are {', '.join(PRODUCTS)}"
                if not (key or axes or is_pattern(path))
                else f"{flag}: goes with one product, without --stack, --scene-key and --axes"
            )
        return cube_of_file(path, key, axes, allow_outside=allow_outside)
    if not path.exists():
        raise ReadError(f"{path}: no such file or folder")
    with naming(path):
        cube: Cube = reader.cube(path, None if mask is None else Path(mask))
    return cube


def _product(path: Path) -> ModuleType | None:
    """The product that the files have the structure of, or None."""
    if not path.exists():
        return None
    check_regular(path, beside=True)
    return next((module for module in PRODUCTS.values() if module.found(path)), None)
