"""README.zh.md says what README.md says: the same commands, and the same numbers in order.

The reference is README.md itself, without its lists of pages and rooms. Whoever
changes a command or a number there is told here which one the Chinese page still lacks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e-\d+)?")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(text: str) -> list[tuple[str, str]]:
    """Language and lines of the blocks that are typed, without comments, which are translated."""
    return [
        (language, re.sub(r" *#.*", "", block))
        for language, block in BLOCK.findall(text)
        if language != "text"
    ]


def shared(text: str) -> list[str]:
    """The lines outside code, without the sections that list pages and rooms."""
    sections = re.split(r"^## ", BLOCK.sub("", text), flags=re.MULTILINE)
    left_out = ("Documentation", "接着读", "The rooms")
    return [line for s in sections if not s.startswith(left_out) for line in s.splitlines()]


def table_rows(text: str) -> list[list[str]]:
    """The numbers of each row of each table."""
    return [NUMBER.findall(line) for line in shared(text) if line.startswith("|")]


def prose_numbers(text: str) -> list[str]:
    """The numbers in the prose, sorted; those of code and of links left out."""
    prose = " ".join(line for line in shared(text) if not line.startswith("|"))
    return sorted(NUMBER.findall(re.sub(r"\]\([^)]*\)|`[^`]*`", "]", prose)))


def differences(one: str, other: str) -> list[str]:
    """What the second text lacks, or has beyond the first."""
    found = []
    for what, read in (("block", commands), ("row", table_rows), ("number", prose_numbers)):
        mine, theirs = (list(map(repr, read(text))) for text in (one, other))
        found += [f"{what} {value} is missing" for value in mine if value not in theirs]
        found += [f"{what} {value} is not in README.md" for value in theirs if value not in mine]
        if not found and mine != theirs:
            found.append(f"{what}s stand in another order or number of times")
    return found


def test_the_chinese_page_has_the_commands_and_numbers_of_the_english_one() -> None:
    english, chinese = text_of("README.md"), text_of("README.zh.md")
    assert len(commands(english)) >= 6
    assert sum(map(len, table_rows(english))) > 20
    assert differences(english, chinese) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("98.61 ± 0.30", "98.62 ± 0.30", "row ['13', '32,008', '98.62',"),
        ("--seed 0 --out runs/ip", "--seed 1 --out runs/ip", "block ('sh', 'spectrolite train"),
        ("[in 584 MiB]", "[in 585 MiB]", "number '585' is missing"),
        ("with the same numbers", "with the same 4711 numbers", "number '4711' is missing"),
    ],
)
def test_a_change_of_the_english_page_is_seen(old: str, new: str, said: str) -> None:
    english = text_of("README.md")
    assert old in english
    found = differences(english.replace(old, new), text_of("README.zh.md"))
    assert any(line.startswith(said) and "missing" in line for line in found), found


def test_links_of_the_chinese_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", text_of("README.zh.md")):
        assert (ROOT / target).exists(), target
