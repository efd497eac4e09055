"""The satellite products that are known; what a path holds, a product or a file of a format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from spectrolite.errors import ReadError, SettingsError, wanted_one_of
from spectrolite.files import check_regular, naming
from spectrolite.products import desis, emit, enmap, pace, prisma, tanager
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.mosaic import mosaic as as_one
from spectrolite.readers.scenes.open import cube_of_file
from spectrolite.readers.scenes.patterns import is_pattern, tile_names, tiles_named

PRODUCTS: dict[str, ModuleType] = {
    module.NAME: module for module in (emit, enmap, prisma, desis, tanager, pace)
}
FOLDERS = (enmap, desis)
"""Products of several files; the others are one file."""

Places = str | Path | Sequence[str | Path]
"""A scene's file or the pattern of its bands; of a mosaic, the pattern or list of its tiles."""


def open_cube(
    path: Places,
    key: str | None = None,
    axes: str | None = None,
    *,
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
    mosaic: bool = False,
) -> Cube:
    """What a product or a file says of the cube in it; its values are not read.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.
        product: as in `open_scene`.
        mask: as in `open_scene`.
        mosaic: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`.
        SettingsError: as in `open_scene`.
    """
    if mosaic:
        paths, cubes = open_tiles(path, key, axes, allow_outside, product, mask)
        return cubes[0] if len(cubes) == 1 else as_one(cubes, tile_names(paths))
    path = one_place(path)
    if product is not None and product not in (*PRODUCTS, "none"):
        raise SettingsError(f"--product: {wanted_one_of((*PRODUCTS, 'none'), product)}")
    reader = None
    if not is_pattern(path) and key is None and axes is None:
        reader = PRODUCTS.get(product) if product else product_of(path)
    if reader is None:
        if mask is not None or product not in (None, "none"):
            flag = "--mask" if mask is not None else "--product"
            raise SettingsError(
                f"{flag}: {path} is not known as a product; known are {', '.join(PRODUCTS)}"
                if not (key or axes or is_pattern(path))
                else f"{flag}: goes with one product, without --stack, --scene-key and --axes"
            )
        return cube_of_file(path, key, axes, allow_outside=allow_outside)
    if mask is not None and reader is not emit:
        raise SettingsError(
            f"--mask: goes with {emit.TITLE}; {reader.TITLE} needs none: leave it out"
        )
    if not path.exists():
        raise ReadError(f"{path}: no such file or folder")
    if path.is_dir() and reader not in FOLDERS:
        raise ReadError(
            f"{path}: wanted a file of {reader.TITLE}, got a folder; name the file in it"
        )
    with naming(path):
        if reader is emit:
            return emit.cube(path, None if mask is None else Path(mask))
        cube: Cube = reader.cube(path)
    return cube


def open_tiles(
    tiles: Places,
    key: str | None,
    axes: str | None,
    allow_outside: bool,
    product: str | None,
    mask: str | Path | None,
) -> tuple[list[Path], list[Cube]]:
    """The tiles of a mosaic and what each says of its cube; arguments as of `open_cube`."""
    paths = tiles_named(tiles)
    if mask is not None and len(paths) > 1:
        raise SettingsError(
            f"--mask: goes with one product, not with {len(paths)} tiles; put the mask of each "
            "beside it"
        )
    cubes = [
        open_cube(path, key, axes, allow_outside=allow_outside, product=product, mask=mask)
        for path in paths
    ]
    return paths, cubes


def one_place(path: Places) -> Path:
    """The path of one scene.

    Raises:
        SettingsError: a list.
    """
    if isinstance(path, str | Path):
        return Path(path)
    raise SettingsError(
        "wanted one scene, got a list; for the tiles of one scene give --mosaic (mosaic=True)"
    )


def product_of(path: Path) -> ModuleType | None:
    """The product that the files have the structure of, or None."""
    if not path.exists():
        return None
    check_regular(path, beside=True)
    return next((module for module in PRODUCTS.values() if module.found(path)), None)
