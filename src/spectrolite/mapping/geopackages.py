"""GeoPackages whose bytes follow from what they hold: GDAL would write the time into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

DATE = "2000-01-01T00:00:00.000Z"


@contextmanager
def of_one_date() -> Iterator[None]:
    """While the block runs, GeoPackages get the same date, so that equal layers are equal bytes."""
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
