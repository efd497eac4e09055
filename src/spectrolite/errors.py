"""The errors that a caller can catch, and the exit codes of the command line.

    SpectroliteError          exit code 1
    ├── TrainingError         the loss is no longer finite
    ├── DownloadError         a file that cannot be downloaded
    ├── VerifyError           a run that differs from its manifest, or from its retraining
    └── InputError            exit code 2; also a ValueError
        ├── SceneError        a cube that is not a scene
        ├── LabelsError       a map that is not a label map, or not one of this scene
        ├── ImagesError       images of several shapes, or targets that do not match them
        ├── ReadError         a file that cannot be read, or holds something else
        ├── SplitError        a split that cannot be drawn
        ├── SettingsError     a setting out of its range, or an unknown name
        ├── RunError          a run folder that is missing, damaged, newer or in the way
        └── MissingExtraError an optional package is not installed; also an ImportError

A message says what was wanted, what came, where (file, key, flag), and what to do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

KEPT = "\n\t\u200c\u200d"  # line ends and tabs; joiners, which Persian and Hindi are written with


class SpectroliteError(Exception):
    """Root of the errors that this package raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        return shortened(super().__str__())


class TrainingError(SpectroliteError):
    """Training cannot go on."""


class VerifyError(SpectroliteError):
    """A run that differs from its manifest, or from its retraining."""


class DownloadError(SpectroliteError):
    """A file that cannot be downloaded."""


class InputError(SpectroliteError, ValueError):
    """Wrong use or bad input."""

    exit_code = 2


class SceneError(InputError):
    """A cube that is not a scene."""


class LabelsError(InputError):
    """A map that is not a label map, or not one of this scene."""


class ImagesError(InputError):
    """Images of several shapes, or targets that do not match them."""


class ReadError(InputError):
    """A file that cannot be read, or holds something else."""


class SplitError(InputError):
    """A split that cannot be drawn."""


class SettingsError(InputError):
    """A setting out of its range, or an unknown name."""


class RunError(InputError):
    """A run folder that is missing, damaged, newer or in the way."""


class MissingExtraError(InputError, ImportError):
    """An optional package is not installed."""


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known name that resembles it most.

    Examples:
        >>> did_you_mean("hybridns", ["hybridsn", "mobilesn"])
        '; did you mean hybridsn?'
        >>> did_you_mean("resnet", ["hybridsn", "mobilesn"])
        ''
    """
    names = list(known)
    nearest = get_close_matches(value.lower(), names, n=1) if isinstance(value, str) else []
    return f"; did you mean {nearest[0]}?" if nearest else ""


def wanted_one_of(known: Iterable[str], value: object) -> str:
    """What a message about an unknown name says after the flag.

    Examples:
        >>> wanted_one_of(["pca", "mnf"], "pcaa")
        "wanted one of pca, mnf, got 'pcaa'; did you mean pca?"
    """
    names = list(known)
    return f"wanted one of {', '.join(names)}, got {value!r}{did_you_mean(value, names)}"


def shortened(text: str, most: int = 2000) -> str:
    """A text for a message without its middle, if it has more than `most` characters.

    Examples:
        >>> shortened("from the first to the last", 20)
        'from the  ... e last'
    """
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[: half - 1]} ... {text[4 - half :]}"


def printable(text: str) -> str:
    r"""A text of others, which may neither steer a terminal nor turn the direction of a line.

    Characters that do are written as Python writes them; line ends and tabs stay.

    Examples:
        >>> printable(chr(27) + "]0;title") == r"\x1b]0;title"
        True
    """
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or c in KEPT or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def listed(numbers: Sequence[object], most: int = 10) -> str:
    """Numbers or words for a message, the first few of many."""
    shown = ", ".join(shortened(str(n), 300) for n in numbers[:most])
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def why_no_file(path: Path, endings: Iterable[str]) -> str:
    """What a message about a missing file says after the path; a folder lists what it holds.

    Args:
        path: where no file is.
        endings: of the files that are wanted, in lower case.
    """
    if not path.is_dir():
        return "no such file"
    wanted = set(filter(None, endings))
    names = [p.name for p in sorted(path.iterdir()) if p.suffix.lower() in wanted]
    if names:
        return f"this is a folder; name a file in it: {listed(names, 3)}"
    return "this is a folder without such a file; folders of pictures go with --images"


def ranges(numbers: list[int]) -> str:
    """`[3, 4, 5, 9]` as `3-5,9`."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def in_our_words(message: str) -> str:
    """A message of pydantic as ours begin: `wanted ...`.

    Examples:
        >>> in_our_words("Input should be less than 1")
        'wanted a number less than 1'
    """
    for theirs, ours in (
        ("Value error, ", ""),
        ("Input should be greater", "wanted a number greater"),
        ("Input should be less", "wanted a number less"),
        ("Input should be ", "wanted "),
    ):
        if message.startswith(theirs):
            return ours + message.removeprefix(theirs)
    return message
