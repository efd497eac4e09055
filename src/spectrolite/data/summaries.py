"""What `print` and a notebook show of a value: a title and a few facts, never its arrays."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

Facts = Mapping[str, str]


def as_text(title: str, facts: Facts) -> str:
    """The title, and a line for each fact.

    Examples:
        >>> print(as_text("Scene field", {"size": "2 rows, 3 cols, 4 bands", "values": "uint16"}))
        Scene field
          size    2 rows, 3 cols, 4 bands
          values  uint16
    """
    width = max(map(len, facts))
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in facts.items())])


def as_html(title: str, facts: Facts) -> str:
    """The same as a small table; names from files are escaped."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table><caption>{html.escape(title)}</caption>{rows}</table>"


def crs_name(crs: str) -> str:
    """`EPSG:32632` where a coordinate reference system has a code, else its name.

    Args:
        crs: WKT or a code.

    Raises:
        rasterio.errors.CRSError: it is not understood.
    """
    from rasterio import Env
    from rasterio.crs import CRS

    with Env():  # else PROJ prints its errors
        parsed = CRS.from_user_input(crs)
        code = parsed.to_epsg()
    return f"EPSG:{code}" if code else str(parsed.to_wkt()).split('"')[1]


def place_facts(crs: str | None, transform: tuple[float, ...] | None) -> dict[str, str]:
    """The coordinate reference system and the pixel size of a scene, where it has them."""
    facts = {"CRS": "None"}
    if crs is not None:
        from rasterio.errors import CRSError

        try:
            facts["CRS"] = crs_name(crs)
        except CRSError:
            facts["CRS"] = "not understood"
    if transform is not None:
        a, b, _, d, e, _ = transform
        width, height = (a * a + d * d) ** 0.5, (b * b + e * e) ** 0.5
        facts["pixel size"] = f"{width:g} x {height:g}, in units of the CRS"
    return facts


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Names cut to a width where what tells them apart stays; whole where no cut leaves that.

    Examples:
        >>> short_names(["S2A_20230612_T32UQD_tile_07.tif", "S2A_20230612_T32UQD_tile_08.tif"], 16)
        ['S2A_202…e_07.tif', 'S2A_202…e_08.tif']
    """
    if max(map(len, names), default=0) <= width:
        return list(names)
    low, high = min(names), max(names)
    first = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), 0)
    kept = width - 1
    cuts: list[Callable[[str], str]] = [
        *(
            lambda name, end=end: f"{name[: kept - end]}…{name[len(name) - end :]}"
            for end in (kept - kept // 2, kept * 3 // 4, kept)
        ),
        lambda name: f"…{name[max(first - 2, 0) :][: width - 2]}…",
    ]
    for cut in cuts:
        shown = [cut(name) if len(name) > width else name for name in names]
        if len({*shown}) == len({*names}):
            return shown
    return list(names)
