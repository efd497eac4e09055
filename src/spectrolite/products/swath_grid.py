"""A grid for a swath that comes without one: each pixel shows the nearest one of the sensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.lookup import EMPTY, LookupTable
from spectrolite.errors import ReadError

Degrees = NDArray[np.float64]

MOST = 1 << 26  # pixels of a grid
FINEST = 1e-5  # degrees, 1 m: no swath has smaller pixels
AT_ONCE = 1 << 18  # pixels that are looked up at once, which bounds the memory
FROM_0_TO_360 = "+proj=longlat +datum=WGS84 +lon_wrap=180 +no_defs"
REACH = 0.55  # of the diagonal of a sensor's pixel: a grid pixel further off shows none


def nearest_table(path: Path, lon: Degrees, lat: Degrees) -> tuple[LookupTable, tuple[str, ...]]:
    """A table in longitude and latitude, with pixels as large as those of the sensor along track.

    Args:
        path: for messages.
        lon: `(rows, cols)` degrees of the centres of the sensor's pixels; NaN where unknown.
        lat: the same.

    Returns:
        The table, and notes.

    Raises:
        ReadError: no pixel has a place, or the grid would be too large.
    """
    from scipy.spatial import KDTree

    known = np.isfinite(lon) & np.isfinite(lat) & (abs(lon) <= 180) & (abs(lat) <= 90)
    if min(lon.shape) < 2 or not known.any():
        raise ReadError(f"{path}: its pixels have no longitude and latitude")
    notes, crs = [], "EPSG:4326"
    if np.ptp(lon[known]) > 180:
        lon = lon % 360
        crs = FROM_0_TO_360
        notes.append("it crosses 180 degrees: the longitudes of its grid go from 0 to 360")
    places = np.where(known[..., None], _on_sphere(lon, lat), np.nan)
    along, across = (_spacing(places, axis) for axis in (0, 1))
    step = float(np.degrees(np.nanmedian(along)))
    south, north = float(lat[known].min()), float(lat[known].max())
    west, east = float(lon[known].min()), float(lon[known].max())
    width = step / max(float(np.cos(np.radians((south + north) / 2))), 0.01)
    spans = ((north - south, step), (east - west, width))
    rows, cols = (round(span / max(size, FINEST)) + 1 for span, size in spans)
    if not step > FINEST or rows * cols > MOST:
        raise ReadError(
            f"{path}: its longitudes and latitudes, {west:g} to {east:g} and {south:g} to "
            f"{north:g}, are no swath"
        )
    flat = np.flatnonzero(known)
    tree = KDTree(places[known], balanced_tree=False, compact_nodes=False)
    reach = np.append(REACH * np.nan_to_num(np.hypot(along, across)).ravel()[flat], -1)  # none
    pixels = np.full(rows * cols, EMPTY, np.int32)
    for start in range(0, rows * cols, AT_ONCE):
        row, col = np.divmod(np.arange(start, min(start + AT_ONCE, rows * cols)), cols)
        distance, nearest = tree.query(
            _on_sphere(west + width * col, north - step * row),
            distance_upper_bound=1.001 * reach.max(),
            workers=-1,
        )
        shown = distance <= reach[nearest]
        pixels[start : start + len(row)][shown] = flat[nearest[shown]]
    transform = (width, 0.0, west - width / 2, 0.0, -step, north + step / 2)
    shape = lon.shape[0], lon.shape[1]
    return LookupTable(pixels.reshape(rows, cols), shape, transform, crs), tuple(notes)


def _on_sphere(lon: Degrees, lat: Degrees) -> Degrees:
    """`(..., 3)` on a sphere of radius 1, where distances are as on the ground."""
    x, y = np.radians(lon), np.radians(lat)
    return np.stack((np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)), axis=-1)


def _spacing(places: Degrees, axis: int) -> Degrees:
    """Distance of each pixel to its neighbours along an axis, the larger of the two."""
    steps = np.linalg.norm(np.diff(places, axis=axis), axis=-1)
    before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
    before[axis], after[axis] = (1, 0), (0, 1)
    both = [np.pad(steps, width, constant_values=np.nan) for width in (before, after)]
    return np.asarray(np.fmax(*both))
