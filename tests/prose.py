"""Numbers of a page in their context, so that tests hold figures and leave sentences free."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e-\d+)?")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def passages(page: str) -> list[str]:
    """Paragraphs, list items and table rows of a page of the project, white space folded."""
    text = FENCED.sub("", (ROOT / page).read_text(encoding="utf-8"))
    blocks = re.split(r"\n\s*\n|\n(?=\||[-*] |#)", text)
    return [" ".join(block.split()) for block in blocks if block.strip()]


def numbers_near(page: str, *words: str) -> list[str]:
    """The numbers of the one passage that holds all the words, in their order.

    >>> numbers_near("README.md", "Python", "or newer")
    ['3.11']
    """
    found = [p for p in passages(page) if all(word.lower() in p.lower() for word in words)]
    assert len(found) == 1, f"{page}: {len(found)} passages hold {', '.join(words)}"
    return NUMBER.findall(re.sub(r"\]\([^)]*\)", "]", found[0]))
