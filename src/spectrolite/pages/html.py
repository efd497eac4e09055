"""What the pages of scenes and of images are made of: one self-contained HTML file each."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STYLE = """
:root { --ink: #1c2126; --soft: #5d6770; --line: #dfe3e6; --paper: #ffffff; --accent: #1f6f8b;
  --good: #1e7d4f; --good-paper: #e9f6ef; --warn: #9a5b00; --warn-paper: #fff5e2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 32px 28px 64px; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 28px; } h2 { margin: 40px 0 12px; font-size: 19px; }
.soft { color: var(--soft); } code { font-size: 13px; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 16px; margin: 24px 0; }
.figure { flex: 1 1 170px; border: 1px solid var(--line); border-radius: 8px; padding: 14px 18px; }
.figure b { display: block; font-size: 30px; line-height: 1.2; font-weight: 650; }
.verdict { border-left: 5px solid var(--warn); background: var(--warn-paper); border-radius: 4px;
  padding: 12px 20px; } .verdict.clean { border-color: var(--good); background: var(--good-paper); }
.verdict h2 { margin: 0 0 6px; color: var(--warn); } .verdict.clean h2 { color: var(--good); }
.verdict ul { margin: 0; padding-left: 20px; }
.bars { display: grid; grid-template-columns: fit-content(40%) 1fr 64px; gap: 6px 14px;
  align-items: center; } .bars div.bar { background: #eef1f3; border-radius: 3px; }
.bars div.bar i { display: block; height: 16px; border-radius: 3px; background: #9fb3c0; }
.bars div.bar i.own { background: var(--accent); } .bars .value { text-align: right; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 18px; }
.maps figure { margin: 0; } .maps img { width: 100%; image-rendering: pixelated; display: block;
  border-radius: 4px; border: 1px solid var(--line); }
.maps.small { grid-template-columns: repeat(auto-fill, minmax(110px, 1fr)); }
figcaption { font-size: 13px; color: var(--soft); margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 0; padding: 0;
  list-style: none; font-size: 13px; } .chip { display: inline-block; width: 12px; height: 12px;
  border-radius: 2px; margin-right: 6px; border: 1px solid rgba(0, 0, 0, .25);
  vertical-align: -1px; }
table { border-collapse: collapse; font-size: 14px; } th { text-align: left; font-weight: 600; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } .confusion td, .confusion th { padding: 3px 5px; text-align: right;
  border: 1px solid #fff; min-width: 34px; font-size: 12px; font-variant-numeric: tabular-nums; }
.facts td { overflow-wrap: anywhere; } .facts td:first-child { color: var(--soft);
  vertical-align: top; min-width: 110px; overflow-wrap: normal; }
img.curve { width: 100%; max-width: 760px; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """The whole page as text; `parts` are HTML, the title is not."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def percent(value: float) -> str:
    """A fraction as a percentage, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{100 * value:.2f} %"


def boxes(figures: Iterable[tuple[str, str, str]]) -> str:
    """Large figures side by side: name, value, note."""
    cells = "".join(
        f'<div class="figure">{name}<b>{value}</b><span class="soft">{note}</span></div>'
        for name, value, note in figures
    )
    return f'<div class="figures">{cells}</div>'


def bars(rows: Iterable[tuple[str, float, str]]) -> str:
    """Accuracies as bars: name, value from 0 to 1, kind (`own` stands out)."""
    cells = "".join(
        f'<span>{escape(name)}</span><div class="bar"><i class="{kind}" '
        f'style="width:{100 * value:.1f}%"></i></div><span class="value">{percent(value)}</span>'
        for name, value, kind in rows
    )
    return f'<div class="bars">{cells}</div>'


def confusion_table(
    ids: Sequence[int], names: Sequence[str], confusion: Sequence[Sequence[int]]
) -> str:
    """The confusion matrix as a table, shaded."""
    head = "<th></th>" + "".join(
        f'<th title="{escape(name)}">{i}</th>' for i, name in zip(ids, names, strict=True)
    )
    rows = []
    for i, true, row in zip(ids, names, confusion, strict=True):
        total = max(sum(row), 1)
        cells = []
        for j, called, n in zip(ids, names, row, strict=True):
            colour = "31,111,139" if i == j else "200,60,40"
            strength = 0.75 * (n / total) ** 0.5
            cells.append(
                f'<td style="background:rgba({colour},{strength:.2f})" '
                f'title="{escape(true)} called {escape(called)}">{n or ""}</td>'
            )
        rows.append(f"<tr><th>{i} {escape(true)}</th>{''.join(cells)}</tr>")
    return (
        '<p class="soft">Truth along the rows, prediction along the columns; shades are shares of '
        f'a row.</p><div class="wide"><table class="confusion"><tr>{head}</tr>{"".join(rows)}'
        "</table></div>"
    )


def facts_table(rows: Iterable[tuple[str, object]]) -> str:
    """Names and values, a row each."""
    body = "".join(f"<tr><td>{k}</td><td>{escape(str(v))}</td></tr>" for k, v in rows)
    return f'<table class="facts">{body}</table>'


def png(image: NDArray[np.uint8]) -> str:
    """`(rows, cols, 3)` uint8 as the address of an `img` element."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
