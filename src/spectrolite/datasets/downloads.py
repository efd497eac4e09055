"""Files of public scenes: from a folder, a mirror, or where they are published.

Where no checksum is published, the first download is recorded in a JSON beside it, and later ones
are held against that record. A file in a folder of the user's is held against a published checksum
only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.datasets.scenes import FILES, UPV_URL, Dataset, RemoteFile
from spectrolite.errors import DownloadError, ReadError, SettingsError, listed
from spectrolite.files import whole_file
from spectrolite.readers import read_labels, read_scene

SCHEMES = ("http", "https", "ftp")


def load_scene(
    known: Dataset,
    root: str | Path | None = None,
    mirror_url: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Scene, Labels]:
    """A public scene and its labels.

    Args:
        known: the data set, one of `FILES`; its shape and its labelled pixels are checked.
        root: a folder that holds the files.
        mirror_url: where they are downloaded from instead.
        tell: called with each thing that the user should know.

    Raises:
        DownloadError: a file cannot be downloaded, or has other bytes than before.
        SettingsError: a mirror that is no address.
        ReadError: a file is missing in `root`, has other bytes than the published ones, or holds
            another scene or other labels.
    """
    name, names = known.name, known.class_names
    counts = dict(zip(names, known.counts.values(), strict=True))
    files = FILES[name]
    if mirror_url is not None and urlsplit(mirror_url).scheme not in SCHEMES:
        raise SettingsError(
            f"--mirror-url: wanted an address such as https://…, got {mirror_url}; a folder goes "
            "with --root"
        )
    paths = [_path(name, file, root, mirror_url, tell) for file in files]
    scene = read_scene(paths[0], files[0].key)
    labels = read_labels(paths[1], files[1].key, names)
    if scene.shape != known.shape:
        raise ReadError(f"{paths[0]}: wanted {name} of shape {known.shape}, got {scene.shape}")
    if labels.counts() != counts:
        differs = [
            f"{i} {names.get(i, 'unknown')}: {labels.counts().get(i, 0)} pixels, known are "
            f"{counts.get(i, 0)}"
            for i in sorted({*counts, *labels.counts()})
            if labels.counts().get(i) != counts.get(i)
        ]
        raise ReadError(f"{paths[1]}: not the known labels of {name}: {listed(differs, 4)}")
    source = {"data": name}
    if root is not None:
        source["root"] = str(Path(root).resolve())
    if mirror_url is not None:
        source["mirror_url"] = mirror_url
    return (
        Scene(
            scene.cube, name, scene.wavelengths_nm, scene.crs, scene.transform, source, scene.valid
        ),
        Labels(labels.array, names, name=name, source=source),
    )


def _path(
    name: str,
    file: RemoteFile,
    root: str | Path | None,
    mirror_url: str | None,
    tell: Callable[[str], None],
) -> Path:
    """Where the file lies, after a download where it is needed."""
    wanted = " and ".join(f.name for f in FILES[name])
    if root is not None:
        path = Path(root) / file.name
        if not path.is_file():
            raise ReadError(f"{path}: no such file; --root wants a folder with {wanted}")
        if file.sha256 is not None and _sha256(path) != file.sha256:
            raise ReadError(
                f"{path}: other bytes than the published file (sha256 {file.sha256[:12]}… wanted)"
            )
        return path
    by_hand = f"put {wanted} into a folder and give it with --root DIR (root=DIR in Python)"
    if mirror_url is None and not file.folder:
        raise ReadError(f"{name}: it is not downloaded; {by_hand}")
    url = (
        f"{mirror_url.rstrip('/')}/{file.name}"
        if mirror_url
        else f"{UPV_URL}{file.folder}{file.name}"
    )
    return _downloaded(name, file, url, by_hand, tell)


def _downloaded(
    name: str, file: RemoteFile, url: str, by_hand: str, tell: Callable[[str], None]
) -> Path:
    """The file in the user's cache."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it advises to edit a source that users do not have
    folder = Path(pooch.os_cache("spectrolite")) / name
    record = folder / f"{file.name}.sha256.json"
    known, why = file.sha256, "than the published file"
    if known is None and record.is_file():
        known, why = _recorded(record), f"than the first download had, as {record} recorded"
    if not (folder / file.name).is_file():
        tell(f"downloading {url}")
    try:
        path = Path(pooch.retrieve(url, known, fname=file.name, path=folder))
    except OSError as error:  # those of requests are of this kind too
        raise DownloadError(
            f"{url}: no download ({type(error).__name__}); {by_hand}, or another --mirror-url"
        ) from error
    except ValueError as error:
        recorded = file.sha256 is None
        remedy = f"delete that record to accept them, or {by_hand}" if recorded else by_hand
        raise DownloadError(f"{url}: other bytes {why} ({remedy})") from error
    if known is None:
        sha256 = _sha256(path)
        date = datetime.now(UTC).isoformat(timespec="seconds")
        with whole_file(record) as part:
            part.write_text(json.dumps({"url": url, "sha256": sha256, "date": date}) + "\n")
        tell(
            f"{file.name}: no checksum is published; recorded that of this download, {sha256}, in "
            f"{record}"
        )
    return path


def _recorded(record: Path) -> str:
    try:
        sha256 = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        if isinstance(sha256, str) and len(bytes.fromhex(sha256)) == 32:
            return sha256
    except (ValueError, KeyError, TypeError):
        pass
    raise DownloadError(f"{record}: damaged: no sha256 in it; delete it to record anew")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
