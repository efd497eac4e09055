"""The frame of a map picture: coordinates along its edges, a scale bar and an arrow to north.

Distances and north are those on the ground at the centre of the map, whatever its reference
system: degrees, feet, Mercator's stretched metres and turned pixels are all taken into account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE_SIDE = 1440  # most pixels of a map along its longer side; the picture itself has half
TICKS = 4  # coordinates along an edge, about
BAR = 1 / 3  # most of the width that a scale bar takes
INK = "#3a3f44"
GRID: dict[str, Any] = {"color": "white", "linewidth": 0.5, "alpha": 0.6}


def picture_step(shape: tuple[int, int]) -> int:
    """The step between the rows and columns of a map of that shape that a picture shows."""
    return -(-max(shape) // PICTURE_SIDE)


@dataclass(frozen=True)
class Place:
    """Where the pixels of a map are.

    Args:
        shape: rows and columns.
        crs: coordinate reference system as WKT or a code, or None.
        transform: affine transform from (col, row) to coordinates, six numbers, or None.
    """

    shape: tuple[int, int]
    crs: str | None = None
    transform: tuple[float, ...] | None = None

    @property
    def placed(self) -> bool:
        """Whether pixels have coordinates; a transform that puts all on a line gives none."""
        if self.transform is None:
            return False
        a, b, _, d, e, _ = self.transform
        return a * e != b * d and bool(np.isfinite(self.transform).all())

    def ground(self) -> NDArray[np.float64] | None:
        """Metres on the ground at the centre: `[[east, north] of a column, the same of a row]`.

        None if the map has no place, or one that cannot be told in longitude and latitude.
        """
        from rasterio import warp

        if not self.placed or self.crs is None or self.transform is None:
            return None
        a, b, x, d, e, y = self.transform
        cols = self.shape[1] / 2 + np.array([0, -0.5, 0.5, 0, 0])
        rows = self.shape[0] / 2 + np.array([0, 0, 0, -0.5, 0.5])
        xs, ys = cols * a + rows * b + x, cols * d + rows * e + y
        try:
            (longitude,), (latitude,) = warp.transform(self.crs, "EPSG:4326", xs[:1], ys[:1])
            here = f"+proj=aeqd +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m"
            places = np.transpose(warp.transform(self.crs, here, xs, ys))
        except Exception:  # rasterio passes on GDAL errors, which have no public class
            return None
        ground = places[[2, 4]] - places[[1, 3]]
        usable = np.isfinite(ground).all() and np.linalg.det(ground) != 0
        return ground if usable else None

    def axis_names(self) -> tuple[str, str]:
        """What the coordinates x and y are, with their unit."""
        from rasterio.crs import CRS
        from rasterio.errors import CRSError

        try:
            crs = CRS.from_user_input(self.crs) if self.crs else None
        except CRSError:
            crs = None
        if crs is None:
            return "x", "y"
        named = re.search(r'^\w+\["([^"]*)"', crs.to_wkt())
        system = f" ({named[1]})" if named and named[1] not in ("unknown", "unnamed") else ""
        if crs.is_geographic:
            return f"longitude, °{system}", "latitude, °"
        unit = {"metre": "m", "meter": "m"}.get(crs.linear_units, crs.linear_units)
        return f"easting, {unit}{system}", f"northing, {unit}"


def draw_map(axes: Axes, image: NDArray[np.uint8], place: Place) -> None:
    """Draw a map and the frame around it.

    Args:
        axes: to draw in; x and y become the columns and rows of `place`.
        image: `(rows, cols, 3)` colours at every `picture_step` of the map's rows and columns.
        place: where the map is; the frame of one without coordinates counts columns and rows.
    """
    from matplotlib.ticker import MaxNLocator

    rows, cols = place.shape
    step = picture_step(place.shape)
    down, across = (step * n for n in image.shape[:2])
    axes.imshow(image, interpolation="none", extent=(0, across, down, 0), aspect=1)
    axes.set(xlim=(0, cols), ylim=(rows, 0))
    axes.tick_params(labelsize=7, length=3, color=INK, labelcolor=INK)
    axes.spines[:].set(color=INK, linewidth=0.6)
    if place.placed:
        _coordinates(axes, place)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(TICKS, integer=True, steps=[1, 2, 5, 10]))
        _name_axes(axes, "column", "row")
    ground = place.ground()
    if ground is not None:
        column_m, row_m = np.hypot(*ground.T)
        axes.set_aspect(row_m / column_m)
        _scale_bar(axes, cols, column_m)
        _north_arrow(axes, ground, row_m / column_m)


def _name_axes(axes: Axes, bottom: str, left: str) -> None:
    axes.set_xlabel(bottom, fontsize=7, color=INK, parse_math=False)
    axes.set_ylabel(left, fontsize=7, color=INK, parse_math=False)


def _coordinates(axes: Axes, place: Place) -> None:
    """Coordinates where their lines meet the lower and the left edge; of a turned map, the lines.

    Each edge has the coordinate that changes more along it.
    """
    a, b, x, d, e, y = place.transform or ()
    (rows, cols), names = place.shape, place.axis_names()
    lines = [(a, b, x), (d, e, y)]
    if abs(a * e) < abs(b * d):
        lines, names = lines[::-1], (names[1], names[0])
    (right, down, start), (along, below, top) = lines
    values, labels = _round_numbers(start + down * rows, start + down * rows + right * cols)
    at = (values - start - down * rows) / right
    axes.set_xticks(at, labels)
    for col in at if down else ():
        axes.axline((col, rows), (col - down / right, rows + 1), **GRID)
    values, labels = _round_numbers(top, top + below * rows)
    at = (values - top) / below
    axes.set_yticks(at, labels)
    for row in at if along else ():
        axes.axline((0, row), (1, row - along / below), **GRID)
    _name_axes(axes, *names)


def _round_numbers(one: float, other: float) -> tuple[NDArray[np.float64], list[str]]:
    """A few round numbers between two, and how they are written."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(one, other), max(one, other)
    locator = MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10])
    values = np.asarray(locator.tick_values(low, high), np.float64)
    step = values[1] - values[0]
    decimals = next((n for n in range(9) if abs(round(step, n) - step) < 1e-6 * step), 9)
    inside = values[(low <= values) & (values <= high)]
    return inside, [f"{value:z,.{decimals}f}" for value in inside]


def bar_length(width_m: float) -> tuple[float, str]:
    """Length of the scale bar of a map that wide, in metres, and how it is written."""
    most = width_m * BAR
    power = 10.0 ** np.floor(np.log10(most))
    length = float(max(n for n in (1, 2, 5) if n * power <= most * (1 + 1e-9)) * power)
    return length, f"{length / 1000:,g} km" if length >= 1000 else f"{length:g} m"


def _scale_bar(axes: Axes, cols: int, column_m: float) -> None:
    """A bar above the left end of the map."""
    from matplotlib.transforms import offset_copy

    length, text = bar_length(cols * column_m)
    figure = axes.get_figure(root=True)
    above = offset_copy(axes.get_xaxis_transform(), figure, y=12, units="points")
    beside = offset_copy(above, figure, x=5, units="points")
    stop = length / column_m
    axes.plot(
        [0, stop],
        [1, 1],
        marker="|",
        markersize=6,
        color=INK,
        linewidth=1.2,
        transform=above,
        clip_on=False,
        gid="scale-bar",
    )
    axes.text(stop, 1, text, transform=beside, va="center", fontsize=8, color=INK)


def _north_arrow(axes: Axes, ground: NDArray[np.float64], aspect: float) -> None:
    """An arrow above the right end of the map."""
    from matplotlib.transforms import Transform, offset_copy

    across, down = np.linalg.solve(ground.T, (0, 1))
    north = np.array([across, -down * aspect])
    north /= np.hypot(*north)

    def corner(points: float) -> Transform:
        """The upper right corner, moved to so many points north of the arrow's middle."""
        x, y = np.array([-12, 20]) + points * north
        return offset_copy(axes.transAxes, axes.get_figure(root=True), x, y, units="points")

    axes.annotate(
        "",
        (1, 1),
        (1, 1),
        xycoords=corner(8),
        textcoords=corner(-8),
        annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0},
    )
    axes.text(1, 1, "N", transform=corner(14), ha="center", va="center", fontsize=8, color=INK)
