"""A folder a class.

References: the arrays that Pillow wrote, put together here by hand; the same files as a folder, a
tar and a zip.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from spectrolite.data.images import ImageSet
from spectrolite.errors import ImagesError, ReadError, SettingsError, SpectroliteError
from spectrolite.readers.images import folders
from spectrolite.readers.images.folders import read_images

Pixels = NDArray[np.uint8]


def image(seed: int, height: int = 6, width: int = 8) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(root: Path, files: dict[str, Pixels | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else png(content))
    return root


PETS: dict[str, Pixels | bytes] = {
    "dog/b.png": image(0),
    "dog/a.png": image(1),
    "cat/1.png": image(2),
    "cat/10.png": image(3),
    "cat/2.png": image(4),
}
ORDER = ["cat/1.png", "cat/10.png", "cat/2.png", "dog/a.png", "dog/b.png"]


def channels_first(names: list[str]) -> Pixels:
    return np.stack([np.asarray(PETS[n]).transpose(2, 0, 1) for n in names])


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write(tmp_path / "pets", PETS)


def message(path: Path, kind: type[SpectroliteError] = ReadError, size: int | None = None) -> str:
    with pytest.raises(kind) as caught:
        read_images(path, size)
    return str(caught.value)


def check(images: ImageSet, path: Path) -> None:
    np.testing.assert_array_equal(images.pixels, channels_first(ORDER))
    assert images.targets.tolist() == [0, 0, 0, 1, 1]
    assert images.class_names == ("cat", "dog")
    assert images.name == path.name
    assert images.source == {"images": str(path), "part": "all"}
    assert images.skipped == ()


# What is read


def test_a_folder_a_class(pets: Path) -> None:
    images, test = read_images(pets)
    check(images, pets)
    assert test is None
    check(read_images(str(pets))[0], pets)


@pytest.mark.parametrize("inside", [".", "pets", "around/pets"])
@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_an_archive_of_it_whatever_its_order_and_the_folders_around(
    pets: Path, inside: str, ending: str
) -> None:
    path = pets.parent / f"packed{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in sorted(PETS, reverse=True):
                archive.write(pets / name, f"{inside}/{name}")
    else:
        with tarfile.open(path, "w:gz" if ending == ".tar.gz" else "w") as tar:
            tar.add(pets, arcname=inside)
    check(read_images(path)[0], path)


def test_the_folders_around_are_stepped_into(pets: Path) -> None:
    (pets.parent / "outer" / "inner").mkdir(parents=True)
    shutil.move(pets, pets.parent / "outer" / "inner" / "pets")
    check(read_images(pets.parent / "outer")[0], pets.parent / "outer")


def test_the_source_is_an_absolute_path(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pets.parent)
    assert read_images("pets", 4)[0].source == {
        "images": str(pets.resolve()),
        "part": "all",
        "image_size": "4",
    }
    monkeypatch.chdir(pets)
    check(read_images(".")[0], pets)


def test_train_and_test_are_two_sets(tmp_path: Path) -> None:
    root = write(
        tmp_path / "pets",
        {f"train/{n}": c for n, c in PETS.items()}
        | {"test/dog/x.png": PETS["dog/a.png"], "test/cat/y.png": PETS["cat/2.png"]},
    )
    train, test = read_images(root)
    assert test is not None
    np.testing.assert_array_equal(train.pixels, channels_first(ORDER))
    np.testing.assert_array_equal(test.pixels, channels_first(["cat/2.png", "dog/a.png"]))
    assert (train.counts(), test.counts()) == ({"cat": 3, "dog": 2}, {"cat": 1, "dog": 1})
    assert (train.name, test.name) == ("pets/train", "pets/test")
    assert [s.source["part"] for s in (train, test)] == ["train", "test"]
    shutil.rmtree(root / "test")
    alone, none = read_images(root)
    assert (alone.sha256, alone.source["part"], none) == (train.sha256, "all", None)


def test_one_image_a_class_is_enough(tmp_path: Path) -> None:
    root = write(tmp_path / "few", {"cat/1.png": image(0), "dog/1.png": image(1)})
    assert read_images(root)[0].counts() == {"cat": 1, "dog": 1}


def test_what_systems_leave_behind_and_notes_beside_the_classes_are_left_alone(pets: Path) -> None:
    write(
        pets,
        {
            ".DS_Store": b"x",
            "cat/.DS_Store": b"x",
            "cat/._1.png": b"x",
            "dog/Thumbs.db": b"x",
            "dog/desktop.ini": b"x",
            "__MACOSX/cat/1.png": b"x",
            ".git/config": b"x",
            "README.md": b"about",
            "labels.csv": b"1,2",
        },
    )
    check(read_images(pets)[0], pets)


def test_images_of_several_sizes_are_resized(pets: Path) -> None:
    write(pets, {"cat/3.png": image(9, 40, 30)})
    images, _ = read_images(pets, image_size=5)
    assert images.shape == (3, 5, 5)
    wide = Image.fromarray(image(2)).resize((7, 5), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(images.pixels[0], np.asarray(wide)[:, 1:6].transpose(2, 0, 1))


# What is refused


def test_nothing_there_and_no_class_folder(tmp_path: Path) -> None:
    assert message(tmp_path / "no") == f"{tmp_path}/no: no such file or folder"
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "empty") == (
        f"{tmp_path}/empty: no class folder in it; wanted one folder per class with its images, "
        "such as daisy/1.jpg"
    )


def test_an_empty_class_folder(pets: Path) -> None:
    (pets / "owl").mkdir()
    assert message(pets) == f"{pets}/owl: a class folder without an image; remove it"
    write(pets, {"owl/.DS_Store": b"x"})
    assert message(pets) == f"{pets}/owl: a class folder without an image; remove it"


def test_an_image_beside_the_class_folders(pets: Path) -> None:
    write(pets, {"lost.JPG": image(0)})
    assert message(pets) == (
        f"{pets}/lost.JPG: an image beside the class folders; move it into one of them"
    )


def test_a_folder_inside_a_class_folder(pets: Path) -> None:
    write(pets, {"cat/more/1.png": image(0)})
    assert message(pets) == (
        f"{pets}/cat/more: a folder inside a class folder; wanted one folder per class with its "
        "images, such as daisy/1.jpg"
    )


def test_a_third_part_beside_train_and_test(tmp_path: Path) -> None:
    root = write(tmp_path / "r", {f"{p}/cat/1.png": image(0) for p in ("train", "test", "val")})
    assert message(root) == (
        f"{root}: wanted only the folders train and test, got also val; move its images into "
        "train, from which a validation part is taken, or move the folder elsewhere"
    )


def test_train_and_test_with_other_classes(tmp_path: Path) -> None:
    names = ["train/cat/1.png", "train/dog/1.png", "test/dog/1.png"]
    root = write(tmp_path / "r", {n: image(0) for n in names})
    wanted = f"{root}: test lacks a class of train: cat; both need the same class folders"
    assert message(root) == wanted
    write(root, {"test/cat/1.png": image(0), "test/owl/1.png": image(0)})
    wanted = f"{root}: train lacks a class of test: owl; both need the same class folders"
    assert message(root) == wanted


def test_class_names_that_differ_only_in_case(pets: Path) -> None:
    write(pets, {"Cat/1.png": image(0)})
    assert message(pets, ImagesError) == (
        f"{pets}: class names 'Cat' and 'cat' read alike; rename or merge them"
    )


def test_an_invalid_class_name_is_refused(pets: Path) -> None:
    Path(f"{pets}/owl\udcff").mkdir()
    assert message(pets) == rf"{pets}: the name 'owl\udcff' is not printable text; rename it"


def test_images_of_several_sizes_name_both(pets: Path) -> None:
    write(pets, {"dog/c.png": image(0, 9, 5)})
    assert message(pets) == (
        f"{pets}: images of several sizes: cat/1.png has 8 x 6 pixels, dog/c.png 5 x 9; resize "
        "them with --image-size"
    )
    with pytest.raises(ReadError):
        read_images(pets, skip_damaged=True)  # it is not damaged


@pytest.mark.parametrize("size", [0, -1, 4097, 32.5])
def test_a_size_out_of_range(pets: Path, size: Any) -> None:
    assert message(pets, SettingsError, size) == (
        f"--image-size: wanted 1 to 4096 pixels, got {size}"
    )


def test_a_link_out_of_the_folder(pets: Path) -> None:
    (pets.parent / "secret.png").write_bytes(png(image(0)))
    (pets / "cat" / "3.png").symlink_to(pets.parent / "secret.png")
    assert message(pets) == (
        f"{pets}/cat/3.png: a link out of {pets}, to {pets.parent.resolve()}/secret.png; replace "
        "it with a copy"
    )


def test_an_archive_with_names_outside_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../cat/1.png", png(image(0)))
    assert message(path) == (
        f"{path}: the name '../cat/1.png' leads out of the archive; pack it again, with names like "
        "folder/file"
    )
    assert not (tmp_path.parent / "cat").exists()


def test_more_than_half_of_the_memory_is_refused_before_it_is_taken(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2 * 5 * 3 * 6 * 8 - 1}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    assert message(pets) == (
        f"{pets}: images (5 x 3 x 6 x 8 uint8) takes 0.0 GiB, more than half of this machine's "
        "0.0 GiB; use fewer, or a smaller --image-size"
    )
    memory["SC_PHYS_PAGES"] += 1
    assert len(read_images(pets)[0]) == 5


# Damaged files

TOO_LARGE = 3000
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "an empty file, 0 bytes"),
    "text.jpg": (
        b"hello, world",
        "not an image of a supported format (BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP); it begins with "
        "b'hello, w'",
    ),
    "cut.png": (png(image(7))[:80], "a damaged image (OSError: image file is truncated)"),
    "large.png": (bytes(TOO_LARGE), "3,000 bytes, more than 2,999; make it smaller"),
}


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_BYTES", TOO_LARGE - 1)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_file_is_named(pets: Path, name: str) -> None:
    content, said = BROKEN[name]
    write(pets, {f"cat/{name}": content})
    assert message(pets) == f"{pets}/cat/{name}: {said}"


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files_are_left_out_and_listed_where_that_is_allowed(
    pets: Path, packed: bool
) -> None:
    write(pets, {f"dog/{name}": content for name, (content, _) in BROKEN.items()})
    write(pets, {"cat/0.png": b""})
    path = pets
    if packed:
        path = pets.parent / "pets.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(pets, arcname="pets")
    images, _ = read_images(path, skip_damaged=True)
    np.testing.assert_array_equal(images.pixels, channels_first(ORDER))
    assert images.targets.tolist() == [0, 0, 0, 1, 1]
    inside = f"{path}/pets" if packed else f"{path}"
    assert images.skipped == (
        f"{inside}/cat/0.png: an empty file, 0 bytes",
        *(f"{inside}/dog/{n}: {BROKEN[n][1]}" for n in sorted(BROKEN)),
    )
    assert images.source["skip_damaged"] == "true"


def test_a_class_with_nothing_but_damaged_files_is_refused_all_the_same(pets: Path) -> None:
    write(pets, {"owl/1.png": b"", "owl/2.png": b"hello"})
    with pytest.raises(ReadError) as caught:
        read_images(pets, skip_damaged=True)
    assert str(caught.value) == (
        f"{pets}: every image of class owl is damaged; the first of 2: {pets}/owl/1.png: an empty "
        "file, 0 bytes"
    )
    shutil.rmtree(pets / "cat")
    shutil.rmtree(pets / "dog")
    with pytest.raises(ReadError, match=r"every image of class owl is damaged"):
        read_images(pets, skip_damaged=True)


def test_damage_of_the_archive_is_never_skipped(pets: Path) -> None:
    path = pets.parent / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in PETS:
            archive.write(pets / name, name)
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read_images(path, skip_damaged=True)
    assert str(caught.value) == (
        f"{path}: a damaged archive (BadZipFile: Bad CRC-32 for file 'dog/b.png'); copy or pack "
        "it again"
    )


def test_a_file_that_cannot_be_opened_is_named(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.open

    def locked(path: Path, *args: object, **more: object) -> object:
        if path.name == "2.png":
            raise PermissionError(13, "Permission denied")
        return whole(path, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", locked)
    assert message(pets) == f"{pets}/cat/2.png: cannot be read (Permission denied)"


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_without_a_test_folder(tmp_path: Path, name: str) -> None:
    for part in ("train", name):
        write(tmp_path / "pets" / part, PETS)
    assert message(tmp_path / "pets") == (
        f"{tmp_path}/pets: holds train and {name}, but no test: rename {name} to test to score on "
        "its images, or move them into train, from which validation and test parts are taken"
    )
