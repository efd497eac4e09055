"""Patterns of files: `scenes/*.tif`."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from spectrolite.errors import ReadError


def is_pattern(path: str | Path) -> bool:
    """Whether a path stands for several files: it has wildcards, and no file has this name."""
    return glob.has_magic(str(path)) and not Path(path).exists()


def files_named(patterns: Sequence[str | Path], flag: str) -> list[Path]:
    """The files that names and patterns stand for, those of a pattern in order.

    Raises:
        ReadError: a pattern that no file matches.
    """
    files: list[Path] = []
    for pattern in patterns:
        files += matching(pattern, flag) if is_pattern(pattern) else [Path(pattern)]
    return files


def scenes_named(patterns: Sequence[str | Path]) -> list[Path]:
    """The files of `files_named`, each once.

    Raises:
        ReadError: as of `files_named`.
    """
    return list(dict.fromkeys(files_named(patterns, "scene")))


def tiles_named(tiles: str | Path | Sequence[str | Path]) -> list[Path]:
    """The tiles of a mosaic, each once: what a pattern matches, or all of a list.

    Raises:
        ReadError: a pattern that no file matches, or an empty list.
    """
    if isinstance(tiles, str | Path):
        tiles = matching(tiles) if is_pattern(tiles) else [tiles]
    if not tiles:
        raise ReadError("--mosaic: wanted tiles, got none")
    once: dict[Path, Path] = {}
    for tile in map(Path, tiles):
        once.setdefault(tile.resolve(), tile)
    return list(once.values())


def tile_names(paths: Sequence[Path]) -> list[str]:
    """Their file names, or their paths if two have the same name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else list(map(str, paths))


def common_name(paths: Sequence[Path]) -> str:
    """The name of the one folder that all files are in, at any depth."""
    folder = os.path.commonpath([path.resolve().parent for path in paths])
    return Path(folder).name or "mosaic"


def matching(pattern: str | Path, flag: str = "scene") -> list[Path]:
    """The files that match, by name; numbers in names count as numbers: B2 comes before B10.

    Raises:
        ReadError: none matches.
    """
    names = glob.glob(str(pattern))  # noqa: PTH207 (a pattern may be absolute)
    if not names:
        raise ReadError(f"--{flag}: no file matches {pattern}")
    return sorted(map(Path, names), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(part[:18]), part) if part.isdecimal() else (-1, part) for part in parts]
