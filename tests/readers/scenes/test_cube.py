"""Wavelengths in nanometres, against values typed in here."""

from __future__ import annotations

import pytest

from spectrolite.readers.scenes.cube import in_nm


@pytest.mark.parametrize(
    ("values", "unit", "nm", "note"),
    [
        ([400, 500], "Nanometers", (400.0, 500.0), None),
        ([0.4, 0.5], " Micrometers ", (400.0, 500.0), None),
        ([0.4, 0.5], "µm", (400.0, 500.0), None),
        ([4e-7, 5e-7], "m", (400.0, 500.0), None),
        ([4000, 5000], "Angstroms", (400.0, 500.0), None),
        (
            [0.4, 0.5],
            None,
            (400.0, 500.0),
            "from 0.4 to 0.5 (no unit); taken as micrometres, judging by their size",
        ),
        (
            [400, 500],
            "Unknown",
            (400.0, 500.0),
            "from 400 to 500 (no unit); taken as nanometres, judging by their size",
        ),
        ([0.4, 500], "nm", None, "mixed units, from 0.4 to 500 (nm); they are not used"),
        ([0.4, 0.5], "nm", None, "from 0.4 to 0.5 (nm) cannot be right; they are not used"),
        (
            [400, 500],
            "GHz",
            None,
            "unknown unit, from 400 to 500 (GHz); they are not used",
        ),
        ([0, 500], "nm", None, "some are not positive numbers; they are not used"),
        ([400], "nm", None, "1 for 2 bands; they are not used"),
    ],
)
def test_units_and_their_spellings(
    values: list[float], unit: str | None, nm: tuple[float, ...] | None, note: str | None
) -> None:
    assert in_nm(values, unit, 2) == (nm, () if note is None else (f"wavelengths: {note}",))
