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

ORDER = (
    "errors", "files", "parts", "memory", "scene", "band_matching", "labels", "scene_sets",
    "grids", "images",
    "readers.shapes", "readers.cubes", "readers.raw", "readers.survey", "readers.npy",
    "readers.envi", "readers.rasters", "readers.cf", "readers.hdf5", "readers.netcdf",
    "readers.zarr_stores", "readers.matlab", "readers.scene_files",
    "readers.class_fields", "readers.placed", "readers.vectors", "readers.label_rasters",
    "readers.label_tables", "readers.envi_rois", "readers",
    "readers.archives", "readers.pictures", "readers.image_folders", "readers.cifar",
    "readers.samples",
    "known_scenes", "downloads", "catalog", "scene_facts",
    "metrics", "leakage", "draws", "split_words", "splits", "image_splits", "bands",
    "tiles", "augment",
    "models.blocks", "models.hybridsn", "models.mobilesn", "models.mobilenet_v1",
    "models.mobilenet_v2", "models",
    "models.weights", "dense_form", "costs", "cost_pictures", "explanations",
    "settings", "recipes", "optimisers", "training", "image_training", "resuming",
    "image_bundles", "bundles",
    "baselines", "tuned_baselines", "reports", "significance", "leagues", "calibration",
    "image_reports", "model_cards", "kernels", "checks",
    "deploy", "deploy.extras", "deploy.graphs", "deploy.folders", "deploy.runtime",
    "predictions", "map_pictures", "map_files", "scene_maps", "mapping",
    "charts", "page_parts", "pages", "image_pages", "kernel_pictures", "doctor_page",
    "league_pages",
    "manifests", "machines", "run_data", "run_folders", "staging", "map_runs", "class_areas",
    "unfinished", "run_training", "scene_runs", "image_runs", "runs",
    "deploy.parity", "deploy.export", "deploy.protocols", "deploy.precisions", "deploy.quantize",
    "deploy.measurements", "deploy.benchmarking",
    "image_checkups", "checkups", "deploy.thinning", "deploy.kernel_choice",
    "deploy.fine_tuning", "deploy.prune", "verification", "repetition",
    "entries", "comparison", "demonstration",
    "screen", "image_screen", "league_screen", "deploy_screen", "cli_parts",
    "cli_deploy", "cli_runs", "cli_scenes", "cli_maps",
    "cli_training", "cli_compare", "cli",
    "__main__",
)  # fmt: skip

HEAVY = (
    "torch", "numpy", "scipy", "sklearn", "rasterio", "matplotlib", "pydantic", "tensorly", "PIL",
    "pooch", "h5py", "zarr",
)  # fmt: skip


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


def test_every_module_has_a_place() -> None:
    assert sorted(modules()) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_before_it(name: str) -> None:
    before = {*ORDER[: ORDER.index(name)], name}  # a package names itself when it imports its parts
    assert imported(modules()[name].read_text(encoding="utf-8")) <= before


@pytest.mark.parametrize(
    "source",
    ["import spectrolite.cli", "from spectrolite import cli", "from spectrolite.cli import app"],
)
def test_the_check_sees_every_spelling(source: str) -> None:
    assert imported(source) == {"cli"}


def test_only_readers_and_the_catalog_open_data_files() -> None:
    openers = (
        "np.load(", "open_memmap(", "io.loadmat(", "rasterio.open(", "Image.open(",
        "tarfile.open(", "ZipFile(", "np.frombuffer(", "h5py.File(", "zarr.open(",
        "netcdf_file(", "readinto(",
    )  # fmt: skip
    found = {
        name
        for name, path in modules().items()
        for opener in openers
        if opener in path.read_text(encoding="utf-8")
    }
    # the last three write maps, and read back what they wrote
    assert found == {
        "readers.npy", "readers.matlab", "readers.raw", "readers.envi", "readers.rasters",
        "readers.hdf5", "readers.netcdf", "readers.zarr_stores", "readers.archives",
        "readers.pictures", "readers.cifar", "catalog",
        "map_files", "scene_maps", "staging",
    }  # fmt: skip


def test_importing_the_package_is_light() -> None:
    code = f"import sys, spectrolite; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_page_needs_no_torch() -> None:
    code = (
        "import sys\nfrom spectrolite.cli import main\nsys.argv = ['spectrolite', '--help']\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
