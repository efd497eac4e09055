"""The verbs that describe data and networks: data, info, explain."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectrolite.cli.data_options import MOSAIC_HELP
from spectrolite.cli.options import (
    Json,
    Overwrite,
    Picture,
    console,
    option,
    print_json,
    wide,
    with_options,
)
from spectrolite.cli.setting_options import setting_options
from spectrolite.cli.tables import class_table, cost_notes, cost_table, data_table, separable_steps
from spectrolite.errors import SettingsError

if TYPE_CHECKING:
    from spectrolite.products.info import SceneInfo


def data(
    name: Annotated[
        str | None, typer.Argument(help="Name of a data set.", show_default="a list of all")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the data sets known by name, or describe one.

    Example: `spectrolite data indian_pines`
    """
    from spectrolite.datasets.catalog import DATASETS, dataset

    if name is None:
        if as_json:
            print_json({"datasets": [asdict(d) for d in DATASETS.values()]})
        else:
            console.print(data_table(list(DATASETS.values())))
        return
    described = dataset(name)
    if as_json:
        print_json(
            {
                **asdict(described),
                "labelled": described.labelled,
                "class_names": described.class_names,
            }
        )
        return
    console.print(f"[bold]{described.name}[/]: {described.title}")
    for title, value in described.facts().items():
        console.print(f"{title}: {value}", soft_wrap=True)
    console.print(class_table(described))


def info(
    file: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Satellite product as it was downloaded, or scene file in any supported format; "
            "or the quoted pattern of files that are its bands: 'bands/*.tif'.",
        ),
    ],
    key: Annotated[
        str | None,
        option(
            "Name of the array in the file.", "--key", "--scene-key", default="the only cube in it"
        ),
    ] = None,
    axes: Annotated[
        str | None,
        option(
            "Order of the array's axes (.npy, .mat, HDF5, NetCDF, Zarr), as bands,rows,cols.",
            "--axes",
            default="as the file says, or rows,cols,bands",
        ),
    ] = None,
    allow_outside: Annotated[
        bool,
        option(
            "A VRT may name local files that are neither beside nor below it.", "--allow-outside"
        ),
    ] = False,
    mosaic: Annotated[bool, option(MOSAIC_HELP, "--mosaic")] = False,
    product: Annotated[
        str | None,
        option(
            "Satellite product that the file is, or none to read it as one of its format.",
            "--product",
            default="told by its files",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        option("File of the product's mask.", "--mask", default="the one beside it"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a scene file holds: size, wavelengths, georeference, values, and problems.

    In files above 64 MiB only windows spread over the scene are read; their share is shown.

    Example: `spectrolite info field.hdr`
    """
    from spectrolite.products.info import scene_info
    from spectrolite.readers.scenes.patterns import files_named

    if not mosaic and len(file) > 1:
        raise SettingsError(
            f"info: takes one scene, got {len(file)}; if they are tiles of one, add --mosaic"
        )
    scene = scene_info(
        file[0] if len(file) == 1 else files_named(file, "scene"),
        key,
        axes,
        allow_outside=allow_outside,
        product=product,
        mask=mask,
        mosaic=mosaic,
    )
    if as_json:
        print_json(scene.as_json())
        return
    for title, value in lines(scene).items():
        console.print(f"{title:<12} {value}", markup=False, soft_wrap=True)
    for warning in scene.warnings:
        console.print(f"! {warning}", markup=False, soft_wrap=True)


def lines(scene: SceneInfo) -> dict[str, str]:
    """The lines that describe a scene, by title."""
    named = f", array {scene.key}" if scene.key else ""
    shown = {
        "file": scene.file,
        "format": f"{scene.format}{named}",
        "size": f"{scene.rows} rows x {scene.cols} cols x {scene.bands} bands, {scene.dtype}, "
        f"{scene.mib:,.1f} MiB in memory",
        "wavelengths": "unknown",
        "CRS": scene.crs or "none",
        **(
            {
                "map": f"{scene.map_shape[0]} rows x {scene.map_shape[1]} cols, through a look-up "
                "table"
            }
            if scene.map_shape
            else {}
        ),
        "pixel": "unknown",
    }
    if scene.wavelengths_nm is not None:
        low, high = scene.wavelengths_nm
        back = f", {scene.steps_back} steps back" if scene.steps_back else ""
        unit = scene.wavelength_unit or "no unit"
        shown["wavelengths"] = f"{low:g} to {high:g} nm (in the file: {unit}){back}"
    if scene.fwhm_nm is not None:
        low, high = scene.fwhm_nm
        shown["band widths"] = f"{low:g} nm" if low == high else f"{low:g} to {high:g} nm"
    if scene.pixel_size is not None:
        width, height = scene.pixel_size
        shown["pixel"] = f"{width:g} x {height:g} {scene.pixel_unit or '(unit unknown)'}"
    unit_of = "reflectance" if scene.product else "as stored"
    values = "none" if scene.low is None else f"{scene.low:g} to {scene.high:g}, {unit_of}"
    if scene.scale is not None or scene.offset is not None:
        low, high = scene.scale or (1.0, 1.0)
        factor = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        least, most = scene.offset or (0.0, 0.0)
        added = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        values += f"; physical = stored x {factor} + {added}"
    shown["values"] = values
    stated = ", ".join(f"{n:g}" for n in scene.nodata) or "none stated"
    if scene.product:
        stated = "NaN in reflectance"
        read = scene.bands - len(scene.left_out_bands)
        shown["bands"] = f"{read} of {scene.bands} are read by default"
    shown["nodata"] = f"{stated}; {scene.nodata_share:.2%} of the pixels have no spectrum"
    part = "every pixel" if scene.looked_at == 1 else f"{scene.looked_at:.2%} of the pixels"
    for one in scene.marked:
        fate = "left out" if one.left_out else "kept"
        shown[one.name] = f"{one.share:.2%} of the pixels, {fate} by default ({one.what})"
    shown["looked at"] = f"{part} for values, nodata and odd bands"
    return shown


EXPLAINED = setting_options(
    ("variant", "width", "receptive_field", "activation", "small_images"),
    defaults={"width": "1", "receptive_field": "mobilesn 13"},
)


@with_options(EXPLAINED)
def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="A network (hybridsn, mobilesn, mobilenet_v1, mobilenet_v2), or depthwise: a "
            "worked example of a depthwise-separable convolution."
        ),
    ],
    input_: Annotated[
        str | None,
        option(
            "Input as CHANNELSxROWSxCOLS; for a scene network the channels are its bands.",
            "--input",
            default="3x32x32; for scenes 30 bands and one patch",
            metavar="CxHxW",
        ),
    ] = None,
    classes: Annotated[
        int | None, option("Number of classes.", default="scenes 16, images 10")
    ] = None,
    picture: Picture = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **arguments: Any,
) -> None:
    """Show what a network costs, layer by layer, beside the ordinary convolutions it replaces.

    Example: `spectrolite explain mobilenet_v1 --input 3x32x32`
    """
    from spectrolite.models.explanations import LESSON
    from spectrolite.models.explanations import explain as count

    given = {k: v for k, v in {**arguments, "classes": classes}.items() if v is not None}
    cost = count(name, input_, picture=picture, overwrite=overwrite, **given)
    if as_json:
        sys.stdout.write(cost.to_json() + "\n")
        return
    for line in separable_steps(cost) if name == LESSON else ():
        console.print(line, soft_wrap=True)
    wide.print(cost_table(cost))
    for note in cost_notes(cost):
        console.print(f"- {note}", soft_wrap=True)
    if picture is not None:
        console.print(f"{picture}", markup=False, soft_wrap=True)
