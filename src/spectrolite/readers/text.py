"""Texts that others wrote, in whatever encoding."""

from __future__ import annotations

import codecs


def decoded(raw: bytes) -> tuple[str, tuple[str, ...]]:
    r"""The text of a file, and a note if its encoding is a guess.

    UTF-8 with or without a byte order mark, UTF-16 with one; anything else is taken as
    Windows-1252, the usual encoding of older programs, in which every byte of Latin-1 that is a
    letter means the same.

    Examples:
        >>> decoded(b"Ma\xefs")[0]
        'Maïs'
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace"), ()
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
        return text, (
            "it is not in UTF-8; read as Windows-1252: if letters are wrong, save it as UTF-8",
        )
