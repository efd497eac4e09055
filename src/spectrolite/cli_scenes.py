"""The verb `info`: what a scene's file is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectrolite.cli_parts import Json, console, print_json

if TYPE_CHECKING:
    from spectrolite.scene_facts import SceneInfo


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scene, in any format.")],
    key: Annotated[
        str | None, typer.Option("--key", "--scene-key", help="Name of the array in the file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a scene's file is: size, wavelengths, place, values, and what is odd about it.

    Files above 64 MiB are looked at in windows all over them; how much that was is said.

    Example: `spectrolite info field.hdr`
    """
    from spectrolite.scene_facts import scene_info

    found = scene_info(file, key)
    if as_json:
        print_json(found.as_json())
        return
    for title, value in lines(found).items():
        console.print(f"{title:<12} {value}", markup=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"! {warning}", markup=False, soft_wrap=True)


def lines(found: SceneInfo) -> dict[str, str]:
    """What is shown, by title."""
    named = f", array {found.key}" if found.key else ""
    shown = {
        "file": found.file,
        "format": f"{found.format}{named}",
        "size": f"{found.rows} rows x {found.cols} cols x {found.bands} bands, {found.dtype}, "
        f"{found.mib:,.1f} MiB in memory",
        "wavelengths": "unknown",
        "CRS": found.crs or "none",
        "pixel": "unknown",
    }
    if found.wavelengths_nm is not None:
        low, high = found.wavelengths_nm
        back = f", {found.steps_back} steps back" if found.steps_back else ""
        unit = found.wavelength_unit or "no unit"
        shown["wavelengths"] = f"{low:g} to {high:g} nm (in the file: {unit}){back}"
    if found.pixel_size is not None:
        width, height = found.pixel_size
        shown["pixel"] = f"{width:g} x {height:g} {found.pixel_unit or '(unit unknown)'}"
    values = "none" if found.low is None else f"{found.low:g} to {found.high:g}, as stored"
    if found.scale is not None or found.offset is not None:
        low, high = found.scale or (1.0, 1.0)
        factor = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        least, most = found.offset or (0.0, 0.0)
        added = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        values += f"; physical = stored x {factor} + {added}"
    shown["values"] = values
    stated = ", ".join(f"{n:g}" for n in found.nodata) or "none stated"
    shown["nodata"] = f"{stated}; {found.nodata_share:.2%} of the pixels have no spectrum"
    part = "every pixel" if found.looked_at == 1 else f"{found.looked_at:.2%} of the pixels"
    shown["looked at"] = f"{part} for values, nodata and odd bands"
    return shown
