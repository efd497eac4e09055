"""Pages from the templates of this folder: one self-contained HTML file each.

Jinja2 escapes every value that a template shows. No value is ever marked as safe: pictures are
data addresses, which are plain text.
"""

from __future__ import annotations

import base64
import io
import math
import re

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray
from PIL import Image


def render(template: str, **values: object) -> str:
    """A page as text; names in `values` are escaped where the template ends in `.html`."""
    return ENVIRONMENT.get_template(template).render(values)


def percent(value: float) -> str:
    """A fraction as a percentage, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{100 * value:.2f} %"


def number(value: float | None) -> str:
    """A measured number with three significant digits, or a dash."""
    return "–" if value is None else f"{value:.3g}"


def thousands(value: float) -> str:
    """A count with separators."""
    return f"{value:,.0f}"


def plain_markdown(text: str) -> str:
    """Text on one line that Markdown prints as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#&])", r"\\\1", " ".join(text.split()))


def png(image: NDArray[np.uint8]) -> str:
    """`(rows, cols, 3)` uint8 as the address of an `img` element."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return data_address("png", buffer.getvalue())


def data_address(kind: str, content: bytes) -> str:
    """A picture as the address of an `img` element, so that the page needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


ENVIRONMENT = Environment(
    loader=PackageLoader("spectrolite.pages"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.filters.update(
    percent=percent, number=number, thousands=thousands, plain=plain_markdown
)
