"""The cost of a network by its name.

Independent references: the published counts, `sl.cost` of the same network, the course's example
27 + 12 = 39 against 108, and the pixels of the picture.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import spectrolite as sl
from spectrolite.errors import RunError, SettingsError
from spectrolite.models.cost_pictures import COLOURS, ORDINARY


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "counts", "title"),
    [
        (
            "mobilenet_v1",
            "3x32x32",
            {},
            (3_217_226, 46_354_432),
            "mobilenet_v1 (paper), 10 classes, width 1, relu6, strides for small images",
        ),
        (
            "mobilenet_v1",
            None,
            {"variant": "course", "activation": "relu"},
            (2_142_026, 29_282_304),
            "mobilenet_v1 (course), 10 classes, width 1, relu, strides for small images",
        ),
        (
            "mobilenet_v2",
            (3, 224, 224),
            {"classes": 1000, "small_images": False},
            (3_504_872, 300_774_272),
            "mobilenet_v2 (paper), 1000 classes, width 1, relu6, strides for 224 pixels",
        ),
        (
            "mobilenet_v2",
            [3, 32, 32],
            {"width": 1.4},
            (4_333_706, 170_073_344),
            "mobilenet_v2 (paper), 10 classes, width 1.4, relu6, strides for small images",
        ),
        (
            "hybridsn",
            "30x25x25",
            {"variant": "paper"},
            (5_122_176, 247_683_392),
            "hybridsn (paper), 16 classes",
        ),
        ("hybridsn", None, {}, (5_122_416, 247_683_392), "hybridsn (course), 16 classes"),
        (
            "mobilesn",
            None,
            {},
            (38_608, 2_261_184),
            "mobilesn (plain), 16 classes, width 1, receptive field 13",
        ),
        (
            "mobilesn",
            "60x5x5",
            {"width": 0.5, "receptive_field": 5},
            (10_432, 93_744),
            "mobilesn (plain), 16 classes, width 0.5, receptive field 5",
        ),
        ("depthwise", None, {}, (39, 39), "depthwise-separable convolution"),
    ],
)
def test_published_counts_by_name(
    name: str, shape: Any, arguments: dict[str, Any], counts: tuple[int, int], title: str
) -> None:
    made = sl.explain(name, shape, **arguments)
    assert (made.parameters, made.macs) == counts
    assert made.network == title


def test_the_channels_are_those_of_the_input() -> None:
    assert sl.explain("mobilenet_v1", "1x28x28").layers[0].weights == 9 * 32
    assert sl.explain("hybridsn", "15x25x25", classes=9, variant="paper").parameters == 4_844_793


def test_it_is_the_cost_of_the_network_that_build_model_builds() -> None:
    net = sl.build_model("mobilenet_v2", width=0.5, classes=7, channels=4)
    made, same = (
        sl.explain("mobilenet_v2", "4x40x33", width=0.5, classes=7),
        sl.cost(net, (4, 40, 33)),
    )
    assert made.layers == same.layers


def test_the_example_of_the_course() -> None:
    made = sl.explain("depthwise")
    assert [(row.name, row.weights) for row in made.layers] == [
        ("depthwise", 27),
        ("pointwise", 12),
    ]
    assert (made.ordinary_parameters, made.ordinary_macs) == (108, 108)


def test_the_largest_sizes_take_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = sl.explain("mobilenet_v1", "3x100000x100000", width=8, classes=1_000_000)
    assert made.activation_bytes > 1e14
    assert made.weight_bytes > 1e10
    hybrid = sl.explain("hybridsn", "100000x25x25")
    assert hybrid.weight_bytes > 1e9
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 300_000


KNOWN = "depthwise, hybridsn, mobilesn, mobilenet_v1, mobilenet_v2"
SIZES = (
    "--input: wanted CHANNELSxROWSxCOLS as 3x32x32, bands first for a scene network as 30x25x25, "
    "got "
)


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "message"),
    [
        ("resnet", None, {}, f"explain: wanted one of {KNOWN}, got 'resnet'"),
        ("mobilenet_v1", "3x32", {}, f"{SIZES}'3x32'"),
        ("mobilenet_v1", (3, 32), {}, f"{SIZES}'3x32'"),
        ("mobilenet_v1", "3x32x32x1", {}, f"{SIZES}'3x32x32x1'"),
        ("mobilenet_v1", "3x-2x4", {}, f"{SIZES}'3x-2x4'"),
        ("mobilenet_v1", "", {}, f"{SIZES}''"),
        ("mobilenet_v1", "٣x٣٢x٣٢", {}, f"{SIZES}'٣x٣٢x٣٢'"),
        ("mobilenet_v1", "3x32x32\n", {}, f"{SIZES}'3x32x32\\n'"),
        ("mobilenet_v1", "0x32x32", {}, "--input: wanted sizes from 1 to 100,000, got 0x32x32"),
        (
            "mobilenet_v1",
            "3x9999999x32",
            {},
            "--input: wanted sizes from 1 to 100,000, got 3x9999999x32",
        ),
        (
            "mobilenet_v1",
            "3x7x32",
            {},
            "images: wanted (N, 3, H, W) with at least 8 pixels a side, got (1, 3, 7, 32)",
        ),
        (
            "mobilenet_v1",
            None,
            {"classes": 1_000_001},
            "classes: wanted at most 1,000,000, got 1,000,001",
        ),
        ("mobilenet_v1", None, {"width": 9}, "width: wanted a number from 0.05 to 8, got 9"),
        (
            "hybridsn",
            "12x25x25",
            {},
            "bands: hybridsn's valid spectral kernels need at least 13 bands or components, "
            "got 12; "
            "raise --components, or take --model mobilesn",
        ),
        (
            "depthwise",
            "3x3x3",
            {},
            "explain depthwise: a fixed example; it takes no --input and no flags of networks",
        ),
        (
            "depthwise",
            None,
            {"classes": 4},
            "explain depthwise: a fixed example; it takes no --input and no flags of networks",
        ),
    ],
)
def test_wrong_use(name: str, shape: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.explain(name, shape, **arguments)
    assert str(caught.value) == message


def test_flags_of_another_network_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^model hybridsn: .*'width'"):
        sl.explain("hybridsn", width=0.5)
    with pytest.raises(SettingsError, match=r"^input 30x24x25: HybridSN does not take it "):
        sl.explain("hybridsn", "30x24x25")


# Pictures


def _colours(path: Path) -> set[str]:
    """The colours that fill more than a few pixels, as #rrggbb."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {"#{:02x}{:02x}{:02x}".format(*v) for v in values[counts > 20]}


@pytest.mark.parametrize("name", ["depthwise", "hybridsn", "mobilenet_v1"])
def test_a_picture_shows_every_kind(name: str, tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "cost.png"
    made = sl.explain(name, picture=path)
    shown = _colours(path)
    assert {COLOURS[kind] for kind in made.kinds()} <= shown
    assert (ORDINARY in shown) == bool(made.pairs)
    others = set(COLOURS) - set(made.kinds()) - {"grouped"}  # its grey is in every letter
    assert not {COLOURS[kind] for kind in others} & shown
    assert [p.name for p in path.parent.iterdir()] == ["cost.png"]


def test_a_picture_is_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "cost.png"
    path.write_text("mine")
    with pytest.raises(RunError) as caught:
        sl.explain("depthwise", picture=path)
    assert str(caught.value) == (
        f"{path} exists; take another --picture, or replace it with --overwrite"
    )
    assert path.read_text() == "mine"
    sl.explain("depthwise", picture=path, overwrite=True)
    assert _colours(path)


def test_a_picture_is_a_png_and_comes_with_a_count(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.explain("depthwise", picture=tmp_path / "cost.jpg")
    assert str(caught.value) == (
        f"--picture: wanted a name that ends in .png, got {tmp_path / 'cost.jpg'}"
    )
    with pytest.raises(SettingsError):
        sl.explain("mobilenet_v1", "3x7x7", picture=tmp_path / "cost.png")
    assert list(tmp_path.iterdir()) == []
