"""Mutations of a file: of its bytes, and of the words of a text."""

from __future__ import annotations

import re
from collections.abc import Callable

from numpy.random import Generator

NUMBERS = (
    b"0", b"-1", b"1", b"2", b"255", b"65536", b"2147483647", b"-2147483648", b"4294967296",
    b"9223372036854775807", b"99999999999999999999", b"1e308", b"1e999", b"nan", b"-inf", b"0.5",
    b"", b"none", b"1e-320", b"0x10", b"1,5", b"true",
)  # fmt: skip
WORDS = (
    b"\x1b]0;title\x07", b"\x1b[2J", "\u202egnp.exe".encode(), b"{", b"}", b"[" * 2000,
    b" " * 20000, b"\xff\xfe", "Ma\xefs".encode("latin-1"), b'"', b"'", b"\x00",
    b"../../etc/passwd",
    b"/vsicurl/http://127.0.0.1:9/x.tif", b"http://127.0.0.1:9/", b"/dev/zero", b"\r", b"a" * 5000,
    b"=", b",", b";", b"<!DOCTYPE x>", b"%s%n", b"NaN", b"null",
)  # fmt: skip
SIZES = (0, 1, -1, 127, 255, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1)

Mutation = Callable[[bytes, Generator], bytes]


def mutated(content: bytes, generator: Generator) -> bytes:
    """The file with one to three mutations, which change it."""
    result = content
    for _ in range(generator.integers(1, 4)):
        choices = OF_TEXT if _is_text(result) and generator.random() < 0.8 else OF_BYTES
        result = choices[generator.integers(len(choices))](result, generator)
    return result if result != content else content[: len(content) // 2]


def _is_text(content: bytes) -> bool:
    start = content[:4096]
    return bool(start) and sum(b < 9 or 13 < b < 32 for b in start) == 0


def _place(content: bytes, generator: Generator) -> int:
    """A position, half of the time among the first 512 bytes, where most headers are."""
    end = len(content) + 1
    return int(generator.integers(min(end, 512) if generator.random() < 0.5 else end))


def _cut(content: bytes, generator: Generator) -> bytes:
    return content[: _place(content, generator)]


def _flip(content: bytes, generator: Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(generator.integers(1, 9)):
        place = _place(content, generator)
        if place < len(changed):
            changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def _number(content: bytes, generator: Generator) -> bytes:
    width = (1, 2, 4, 8)[generator.integers(4)]
    value = SIZES[generator.integers(len(SIZES))] % (1 << 8 * width)
    stored = value.to_bytes(width, "little")
    if generator.random() < 0.4:
        stored = stored[::-1]
    place = _place(content, generator)
    return content[:place] + stored + content[place + width :]


def _repeat(content: bytes, generator: Generator) -> bytes:
    place, size = _place(content, generator), int(generator.integers(1, 200))
    return content[:place] + content[place : place + size] * 2 + content[place + size :]


def _remove(content: bytes, generator: Generator) -> bytes:
    place = _place(content, generator)
    return content[:place] + content[place + int(generator.integers(1, 200)) :]


def _noise(content: bytes, generator: Generator) -> bytes:
    place, size = _place(content, generator), int(generator.integers(1, 64))
    return content[:place] + generator.bytes(size) + content[place + size :]


def _replace_number(content: bytes, generator: Generator) -> bytes:
    return _replace(rb"-?\d+(\.\d+)?", NUMBERS, content, generator)


def _replace_word(content: bytes, generator: Generator) -> bytes:
    own = tuple(re.findall(rb"[A-Za-z_]{2,40}", content[:10000]))
    choices = own if own and generator.random() < 0.5 else WORDS
    return _replace(rb"[A-Za-z_]{2,40}", choices, content, generator)


def _replace(
    pattern: bytes, choices: tuple[bytes, ...], content: bytes, generator: Generator
) -> bytes:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    one = found[generator.integers(len(found))]
    return content[: one.start()] + choices[generator.integers(len(choices))] + content[one.end() :]


def _insert_word(content: bytes, generator: Generator) -> bytes:
    place = _place(content, generator)
    return content[:place] + WORDS[generator.integers(len(WORDS))] + content[place:]


def _move_line(content: bytes, generator: Generator) -> bytes:
    lines = content.split(b"\n")
    line = lines.pop(generator.integers(len(lines)))
    lines.insert(int(generator.integers(len(lines) + 1)), line)
    return b"\n".join(lines)


def _drop_line(content: bytes, generator: Generator) -> bytes:
    lines = content.split(b"\n")
    del lines[generator.integers(len(lines))]
    return b"\n".join(lines)


def _double_line(content: bytes, generator: Generator) -> bytes:
    lines = content.split(b"\n")
    place = generator.integers(len(lines))
    return b"\n".join([*lines[:place], lines[place], *lines[place:]])


OF_BYTES: tuple[Mutation, ...] = (_cut, _flip, _flip, _number, _number, _repeat, _remove, _noise)
OF_TEXT: tuple[Mutation, ...] = (
    _replace_number, _replace_number, _replace_word, _replace_word, _insert_word, _move_line,
    _drop_line, _double_line, _cut,
)  # fmt: skip
