"""Imports run one way: from each room only to rooms before it.

The reference is the list below, read against the source by the parser of Python itself.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spectrolite

ROOT = Path(spectrolite.__file__).parent

ROOMS = (
    "",
    "data",
    "readers",
    "products",
    "datasets",
    "samples",
    "models",
    "bundles",
    "training",
    "evaluation",
    "runs",
    "mapping",
    "pages",
    "experiments",
    "deploy",
    "cluster",
    "jobs",
    "serve",
    "studio",
    "cli",
)
"""In import order; "" is the root, which knows nothing of the field."""

HEAVY = (
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "rasterio",
    "matplotlib",
    "pydantic",
    "tensorly",
    "PIL",
    "pooch",
    "h5py",
    "zarr",
)


def modules() -> dict[str, Path]:
    """Every module of the package but its front, by dotted name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imported(source: str) -> set[str]:
    """Modules of the package that a source imports, however it spells it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    ours = {n.removeprefix("spectrolite.") for n in names if n.startswith("spectrolite.")}
    known = set(modules())
    longest = {next((p for p in _prefixes(n) if p in known), n.split(".")[0]) for n in ours}
    return longest & known


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def room(module: str) -> str:
    """The room of a module; the root holds no folder of its own."""
    first = module.split(".")[0]
    return first if (ROOT / first).is_dir() else ""


IMPORTS = {name: imported(path.read_text(encoding="utf-8")) for name, path in modules().items()}


def test_every_module_is_in_a_room_of_the_list() -> None:
    assert {room(name) for name in IMPORTS} <= set(ROOMS)


@pytest.mark.parametrize("name", sorted(set(IMPORTS) - {"__main__"}))
def test_a_module_imports_only_from_its_room_and_rooms_before(name: str) -> None:
    allowed = ROOMS[: ROOMS.index(room(name)) + 1]
    assert {m for m in IMPORTS[name] if room(m) not in allowed} == set()


def test_no_circle_inside_a_room() -> None:
    """Take modules away that import none that is left; what cannot be taken is in a circle."""
    left = {name: {m for m in found if m != name} for name, found in IMPORTS.items()}
    while free := {name for name, found in left.items() if not found & set(left)}:
        left = {name: found for name, found in left.items() if name not in free}
    assert left == {}


@pytest.mark.parametrize(
    "source",
    ["import spectrolite.cli", "from spectrolite import cli", "from spectrolite.cli import main"],
)
def test_the_check_sees_every_spelling(source: str) -> None:
    assert imported(source) == {"cli"}


def test_only_readers_and_the_catalog_open_data_files() -> None:
    openers = (
        "np.load(",
        "open_memmap(",
        "io.loadmat(",
        "rasterio.open(",
        "Image.open(",
        "tarfile.open(",
        "ZipFile(",
        "np.frombuffer(",
        "h5py.File(",
        "zarr.open(",
        "netcdf_file(",
        "readinto(",
    )
    found = {
        name
        for name, path in modules().items()
        for opener in openers
        if opener in path.read_text(encoding="utf-8")
    }
    # the last four write maps, and read back what they wrote
    assert found == {
        *(
            f"readers.scenes.{m}"
            for m in (
                "npy",
                "matlab",
                "raw",
                "geotiff",
                "hdf5",
                "netcdf",
                "zarr_stores",
            )
        ),
        "readers.archives",
        *(f"readers.images.{m}" for m in ("decoding", "cifar")),
        "datasets.catalog",
        "mapping.geotiff",
        "mapping.map_rows",
        "mapping.polygons",
        "mapping.staged_windows",
    }


def test_importing_the_package_is_light() -> None:
    code = f"import sys, spectrolite; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["--version"]])
def test_the_help_pages_need_no_torch(words: list[str]) -> None:
    code = (
        f"import sys\nfrom spectrolite.cli.app import main\nsys.argv = {['spectrolite', *words]}\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
