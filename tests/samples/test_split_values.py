"""Methods, keywords and values that `split` accepts or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samples.label_maps import DRAWN, scattered
from spectrolite.errors import SplitError
from spectrolite.samples.split_grammar import METHODS
from spectrolite.samples.split_scene import split


@pytest.mark.parametrize(
    ("method", "hint"),
    [("quarters", ""), ("block", "; did you mean blocks?"), ("Field", "; did you mean fields?")],
)
def test_an_unknown_method_lists_the_known_ones(method: str, hint: str) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method)
    assert str(caught.value) == (
        "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
        f"scenes, given, got {method!r}{hint}"
    )


@pytest.mark.parametrize(
    ("method", "parameters", "start", "hint"),
    [
        ("random", {"side": 4, "n": 3}, "no keyword n, side; wanted train", ""),
        ("per_class", {"train": 0.1}, "no keyword train; wanted n", ""),
        ("blocks", {"sid": 4}, "no keyword sid; wanted train, side", "; did you mean side?"),
        ("blocks_by_class", {"n": 4}, "no keyword n; wanted train, side", ""),
        ("fields", {"gaurd": 4}, "no keyword gaurd; wanted train", "; did you mean guard?"),
        ("polygons", {"n": 4}, "no keyword n; wanted train", ""),
    ],
)
def test_an_unknown_keyword_lists_the_known_ones(
    method: str, parameters: dict[str, Any], start: str, hint: str
) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, **parameters)
    assert str(caught.value) == f"{method}: {start}, seed, guard, validation, allow_missing{hint}"


@pytest.mark.parametrize("method", ["random", "blocks", "blocks_by_class", "fields", "polygons"])
@pytest.mark.parametrize(
    "train",
    [
        0,
        1,
        0.0,
        1.0,
        -0.1,
        2,
        float("nan"),
        "much",
        True,
        None,
        np.float32(1),
        np.float64(0),
        np.int64(0),
        np.True_,
        [0.3],
    ],
)
def test_train_is_a_share(method: str, train: object) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, train=train)
    assert str(caught.value) == f"train: wanted a share above 0 and below 1, got {train!r}"


@pytest.mark.parametrize(
    ("method", "key", "wanted", "value"),
    [
        ("random", "seed", "from 0 to 4294967295", -1),
        ("random", "seed", "from 0 to 4294967295", 1.5),
        ("random", "seed", "from 0 to 4294967295", True),
        ("random", "seed", "from 0 to 4294967295", None),
        ("random", "seed", "from 0 to 4294967295", 2**32),
        ("per_class", "seed", "from 0 to 4294967295", 2**32),
        ("blocks", "seed", "from 0 to 4294967295", np.uint64(2**63)),
        ("blocks_by_class", "seed", "from 0 to 4294967295", 10**30),
        ("given", "seed", "from 0 to 4294967295", 2**32),
        ("random", "guard", "from 0 up", -1),
        ("random", "guard", "from 0 up", "wide"),
        ("given", "guard", "from 0 up", 0.5),
        ("per_class", "n", "from 1 up", 0),
        ("per_class", "n", "from 1 up", 0.5),
        ("blocks", "side", "from 1 up", 0),
        ("blocks", "side", "from 1 up", np.float64(4)),
        ("blocks_by_class", "side", "from 1 up", True),
    ],
)
def test_numbers_are_whole(method: str, key: str, wanted: str, value: object) -> None:
    keywords: dict[str, Any] = {key: value}
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, **keywords)
    assert str(caught.value) == f"{key}: wanted a whole number {wanted}, got {value!r}"


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("value", [0, 1, "no", "yes", None, np.True_, 1.0])
def test_allow_missing_is_true_or_false(method: str, value: Any) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, allow_missing=value)
    assert str(caught.value) == f"allow_missing: wanted true or false, got {value!r}"


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
@pytest.mark.parametrize(
    "validation", [-0.1, 1, 1.5, float("nan"), True, False, "v.npy", None, np.float32(1), np.True_]
)
def test_validation_is_a_share(method: str, parameters: dict[str, Any], validation: Any) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, validation=validation, **parameters)
    assert str(caught.value) == (
        f"validation: wanted a share from 0 to below 1, got {validation!r}"
    )


def test_numbers_may_be_numpys() -> None:
    one = split(scattered(), "per_class", n=np.int64(5), seed=3)
    assert one.sha256 == split(scattered(), "per_class", n=5, seed=3).sha256


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_shares_may_be_numpys(kind: Any) -> None:
    one = split(scattered(), "random", train=kind(0.25), validation=kind(0.5), seed=3)
    plain = split(scattered(), "random", train=0.25, validation=0.5, seed=3)
    assert one.sha256 == plain.sha256
    assert one.text == plain.text == "random,train=0.25,seed=3,validation=0.5"
    assert {type(one.parameters[key]) for key in ("train", "validation")} == {float}
    assert split(scattered(), "random", validation=kind(0)).text == "random,train=0.1,seed=0"
