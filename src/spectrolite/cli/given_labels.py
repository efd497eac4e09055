"""The label files of `--split given`, read as those of `--labels`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spectrolite.cli.data_options import labels_on


def with_given_labels(
    data: tuple[Any, Any], parameters: Mapping[str, Any], flags: Mapping[str, Any]
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The data and the parameters of `--split given`, its files read as those of --labels.

    Without --labels, the labels are those of all its files.
    """
    from spectrolite.data.joined_labels import joined, numbered_like, of_one_numbering
    from spectrolite.samples.split_given import file_and_key

    scene, labels = data
    read = {}
    for part in ("train", "validation", "test"):
        text = parameters.get(part)
        if isinstance(text, str):
            file, key = file_and_key(text)
            keys = {} if key is None else {"labels_key": key}
            read[part] = replace(labels_on(scene, file, {**flags, **keys}), name=text)
    if labels is None and read:
        read = dict(zip(read, of_one_numbering(list(read.values())), strict=True))
        labels = joined(list(read.values()), " and ".join(one.name for one in read.values()))
    elif labels is not None:
        read = {part: numbered_like(one, labels) for part, one in read.items()}
    return (scene, labels), {**parameters, **read}
