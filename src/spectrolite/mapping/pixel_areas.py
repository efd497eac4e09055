"""The area of a map's pixels: one for all in a projected reference system, one a row in degrees."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import fault_of
from spectrolite.mapping.map_file import MapHead

HECTARE_M2 = 10_000
ELLIPSOID = re.compile(r'(?:SPHEROID|ELLIPSOID)\["[^"]*",\s*([\d.]+),\s*([\d.]+)')


def pixel_area_m2(head: MapHead) -> tuple[float | None, tuple[str, ...]]:
    """Square metres of a pixel, or None and a note that says why.

    In degrees there is no such number, but there may be those of `row_areas_m2`.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if head.crs is None or head.transform is None:
        return None, ("no areas: the map has no reference system and grid, only pixels",)
    fault = fault_of(head.transform)
    if fault is not None:
        return None, (f"no areas: the map's transform {fault}; georeference the map again",)
    crs = CRS.from_user_input(head.crs)
    try:
        metres = float(crs.linear_units_factor[1]) if crs.is_projected else None
    except CRSError:
        metres = None
    if metres is None:
        why = "the map's reference system is not projected"
        remedy = "map a scene in a projected reference system"
        if crs.is_geographic:
            why = "the map is in degrees on an unknown ellipsoid"
            farthest = np.degrees(np.abs(_latitudes(head)).max())
            if head.transform[1] or head.transform[3]:
                why = "the map is in degrees and turned, so areas change along its rows"
            elif farthest > 90 + 1e-7:
                why = f"the map's latitudes reach {farthest:g} degrees, beyond a pole"
                remedy = "georeference the map again"
        return None, (f"no areas: {why}; {remedy}",)
    a, b, _, d, e, _ = head.transform
    notes: tuple[str, ...] = ()
    if 'PROJECTION["Mercator' in crs.to_wkt():
        notes = ("areas in a Mercator projection are too large, fourfold at 60 degrees latitude",)
    return abs(a * e - b * d) * metres**2, notes


def row_areas_m2(head: MapHead) -> NDArray[np.float64] | None:
    """`(rows,)` square metres of a pixel in each row of a map in degrees; None for other maps.

    Between two parallels an ellipsoid has the area of its authalic latitudes: Snyder 1987, "Map
    Projections: A Working Manual", USGS Professional Paper 1395, equation 3-12.
    """
    from rasterio.crs import CRS

    if head.crs is None or head.transform is None or fault_of(head.transform) is not None:
        return None
    crs = CRS.from_user_input(head.crs)
    width, turn, _, shear, _, _ = head.transform
    found = ELLIPSOID.search(crs.to_wkt()) if crs.is_geographic else None
    if found is None or turn or shear:
        return None
    semi_major_m, inverse = float(found[1]), float(found[2])
    edges = _latitudes(head)
    if np.abs(edges).max() > np.pi / 2 + 1e-9:
        return None
    sine = np.sin(edges)
    q = 2 * sine
    if inverse:
        e = np.sqrt((2 - 1 / inverse) / inverse)
        q = (1 - e**2) * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)
    area: NDArray[np.float64] = (
        semi_major_m**2 / 2 * abs(width * crs.units_factor[1]) * np.abs(np.diff(q))
    )
    return area


def _latitudes(head: MapHead) -> NDArray[np.float64]:
    """`(rows + 1,)` latitude of the edges of the rows of a map in degrees, in radians."""
    from rasterio.crs import CRS

    *_, height, top = head.transform or (0.0, 0.0)
    to_radians = float(CRS.from_user_input(head.crs).units_factor[1])
    return np.asarray(top + height * np.arange(head.shape[0] + 1), np.float64) * to_radians


def in_degrees(row_m2: NDArray[np.float64]) -> str:
    """What to say of areas summed row by row."""
    low, high = float(row_m2.min()), float(row_m2.max())
    return (
        f"the map is in degrees: its pixels have {low:,.0f} to {high:,.0f} square metres, summed "
        "row by row; figures of a sample count pixels as equal"
    )
