"""Files of public data sets: from the user's folder, a mirror, or where they are published.

If no checksum is published, the first download's is recorded in a JSON file beside it, and later
downloads are compared with that record. A file in the user's folder is compared with a published
checksum only.
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
from spectrolite.datasets.descriptions import FILES, Dataset, DatasetFile
from spectrolite.errors import DownloadError, ReadError, SettingsError, listed
from spectrolite.files import whole_file
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels

SCHEMES = ("http", "https", "ftp")


def load_scene(
    description: Dataset,
    root: str | Path | None = None,
    mirror_url: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Scene, Labels]:
    """A public scene and its labels.

    Args:
        description: the data set; its shape and the pixels of each class are checked.
        root: a folder that holds the files.
        mirror_url: address of a folder to download them from instead.
        tell: called with messages for the user.

    Raises:
        DownloadError: a file cannot be downloaded, or differs from the first download.
        SettingsError: a mirror that is not an address.
        ReadError: a file is missing in `root`, differs from the published one, or holds another
            scene or other labels.
    """
    name, names = description.name, description.class_names
    counts = dict(zip(names, description.counts.values(), strict=True))
    files = FILES[name]
    if mirror_url is not None and urlsplit(mirror_url).scheme not in SCHEMES:
        raise SettingsError(
            f"--mirror-url: wanted an address such as https://…, got {mirror_url}; for a folder "
            "use --root"
        )
    cube, ids = (_path(name, files[role], root, mirror_url, tell) for role in ("cube", "labels"))
    scene = read_scene(cube, files["cube"].key)
    labels = read_labels(ids, files["labels"].key, names)
    if scene.shape != description.shape:
        raise ReadError(f"{cube}: wanted {name} of shape {description.shape}, got {scene.shape}")
    if labels.counts() != counts:
        differences = [
            f"{i} {names.get(i, 'unknown')}: wanted {counts.get(i, 0)} pixels, got "
            f"{labels.counts().get(i, 0)}"
            for i in sorted({*counts, *labels.counts()})
            if labels.counts().get(i) != counts.get(i)
        ]
        raise ReadError(f"{ids}: not the published labels of {name}: {listed(differences, 4)}")
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


def download_archive(name: str, file: DatasetFile) -> Path:
    """The archive of images in the user's cache, downloaded if it is missing or differs.

    Raises:
        ReadError: it cannot be downloaded, or differs from the published archive.
    """
    import pooch

    checksum = f"sha256:{file.sha256}" if file.sha256 else f"md5:{file.md5}"
    by_hand = f"download it elsewhere and give its folder: --root DIR, or load({name!r}, root=DIR)"
    try:
        cache = pooch.os_cache("spectrolite")
        return Path(pooch.retrieve(file.url, checksum, fname=file.name, path=cache))
    except OSError as error:  # the errors of requests are OSErrors too
        raise ReadError(
            f"{file.url}: cannot be downloaded ({type(error).__name__}); {by_hand}"
        ) from error
    except ValueError as error:
        raise ReadError(
            f"{file.url}: differs from the published archive ({checksum} wanted); {by_hand}"
        ) from error


def _path(
    name: str,
    file: DatasetFile,
    root: str | Path | None,
    mirror_url: str | None,
    tell: Callable[[str], None],
) -> Path:
    """The file in the user's folder, or in the cache after a download if it is not there yet."""
    wanted = " and ".join(f.name for f in FILES[name].values())
    if root is not None:
        path = Path(root) / file.name
        if not path.is_file():
            raise ReadError(f"{path}: no such file; --root wants a folder with {wanted}")
        if file.sha256 is not None and _sha256(path) != file.sha256:
            raise ReadError(
                f"{path}: differs from the published file (sha256 {file.sha256[:12]}… wanted)"
            )
        return path
    by_hand = f"put {wanted} into a folder and give it with --root DIR (root=DIR in Python)"
    url = f"{mirror_url.rstrip('/')}/{file.name}" if mirror_url else file.url
    if url is None:
        raise ReadError(f"{name}: cannot be downloaded; {by_hand}")
    return _downloaded(name, file, url, by_hand, tell)


def _downloaded(
    name: str, file: DatasetFile, url: str, by_hand: str, tell: Callable[[str], None]
) -> Path:
    """The file in the user's cache."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it advises to edit source code that users do not have
    folder = Path(pooch.os_cache("spectrolite")) / name
    record = folder / f"{file.name}.sha256.json"
    wanted, reference = file.sha256, "the published file"
    if wanted is None and record.is_file():
        wanted, reference = _recorded(record), f"the first download, recorded in {record}"
    if not (folder / file.name).is_file():
        tell(f"downloading {url}")
    try:
        path = Path(pooch.retrieve(url, wanted, fname=file.name, path=folder))
    except OSError as error:  # the errors of requests are OSErrors too
        raise DownloadError(
            f"{url}: cannot be downloaded ({type(error).__name__}); {by_hand}, or give another "
            "--mirror-url"
        ) from error
    except ValueError as error:
        recorded = file.sha256 is None
        remedy = f"delete that record to accept the new file, or {by_hand}" if recorded else by_hand
        raise DownloadError(f"{url}: differs from {reference}; {remedy}") from error
    if wanted is None:
        sha256 = _sha256(path)
        date = datetime.now(UTC).isoformat(timespec="seconds")
        with whole_file(record) as part:
            part.write_text(json.dumps({"url": url, "sha256": sha256, "date": date}) + "\n")
        tell(f"{file.name}: no checksum is published; recorded this one in {record}: {sha256}")
    return path


def _recorded(record: Path) -> str:
    try:
        sha256 = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        if isinstance(sha256, str) and len(bytes.fromhex(sha256)) == 32:
            return sha256
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DownloadError(
        f"{record}: damaged, no sha256 in it; delete it to record the checksum anew"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
