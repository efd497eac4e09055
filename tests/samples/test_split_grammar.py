"""The grammar of `--split`: text to method and keywords."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.label_maps import SMALL
from spectrolite.errors import SplitError
from spectrolite.samples.split_grammar import METHODS, parse_split
from spectrolite.samples.split_scene import split


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("random", ("random", {})),
        (
            "blocks,train=0.3,side=20,guard=6,seed=1,allow_missing",
            (
                "blocks",
                {"train": 0.3, "side": 20, "guard": 6, "seed": 1, "allow_missing": True},
            ),
        ),
        (" per_class , n=20 ", ("per_class", {"n": 20})),
        ("given,train=a=b.npy,test=b.mat", ("given", {"train": "a=b.npy", "test": "b.mat"})),
        ("random,train=1e-3", ("random", {"train": 0.001})),
        ("blocks,allow_missing=false", ("blocks", {"allow_missing": False})),
        ("blocks,allow_missing=False,seed=3", ("blocks", {"allow_missing": False, "seed": 3})),
        ("blocks,allow_missing=true", ("blocks", {"allow_missing": True})),
        ("blocks,allow_missing=TRUE", ("blocks", {"allow_missing": True})),
        ("blocks,allow_missing=no", ("blocks", {"allow_missing": "no"})),
    ],
)
def test_the_grammar(text: str, parsed: tuple[str, dict[str, Any]]) -> None:
    assert parse_split(text) == parsed
    kinds = [type(v) for v in parse_split(text)[1].values()]
    assert kinds == [type(v) for v in parsed[1].values()]


KEYWORDS = ["train", "test", "n", "side", "seed", "guard", "validation", "allow_missing"]


@SMALL
@given(
    st.dictionaries(
        st.sampled_from(KEYWORDS),
        st.integers() | st.floats(allow_nan=False) | st.booleans() | st.text("xyz./_", min_size=1),
    )
)
def test_what_is_written_in_the_grammar_is_read_back(parameters: dict[str, Any]) -> None:
    words = (k if v is True else f"{k}={v}" for k, v in parameters.items())
    method, back = parse_split(",".join(["random", *words]))
    assert (method, back) == ("random", parameters)
    assert [type(v) for v in back.values()] == [type(v) for v in parameters.values()]


def test_the_grammar_knows_every_keyword_of_every_method_and_no_other() -> None:
    named = inspect.signature(split).parameters.values()
    common = {p.name for p in named if p.kind is p.KEYWORD_ONLY}
    of_methods = {keyword for keywords in METHODS.values() for keyword in keywords}
    assert {*common, *of_methods, "test"} == set(KEYWORDS)
    text = ",".join(["blocks", *(f"{keyword}=1" for keyword in KEYWORDS)])
    assert parse_split(text) == ("blocks", dict.fromkeys(KEYWORDS, 1))


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("random,method=blocks", "method", ""),
        ("random,labels=gt.npy", "labels", ""),
        ("random,parameters=3", "parameters", ""),
        ("random,method", "method", ""),
        ("blocks,sid=4", "sid", "; did you mean side?"),
        ("given,train=a.npy,tset=b.npy", "tset", "; did you mean test?"),
        ("random,Train=0.1", "Train", "; did you mean train?"),
    ],
)
def test_a_keyword_that_no_method_has_is_refused_when_it_is_read(
    text: str, key: str, hint: str
) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == (
        f"--split: no keyword {key}; wanted one of train, test, n, side, seed, guard, validation, "
        f"allow_missing{hint}"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("random,train=0.1,train=0.2", "train"),
        ("random,seed=1,train=0.1,seed=1", "seed"),
        ("blocks,allow_missing,allow_missing=false", "allow_missing"),
    ],
)
def test_a_keyword_that_is_given_twice(text: str, key: str) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == f"--split: {key} is given twice in {text!r}"


@pytest.mark.parametrize(
    ("text", "word"), [("random,", ""), ("random,=3", "=3"), ("random,b=", "b=")]
)
def test_broken_grammar(text: str, word: str) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == (
        f"--split: wanted key=value or a bare word, got {word!r} in {text!r}"
    )
