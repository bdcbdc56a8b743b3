"""One value has one spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence.canonical import MAX_DEPTH, MAX_INTEGER, Fields, canonical, parse_canonical
from evidence.errors import Malformed

ASCII = st.text(st.characters(max_codepoint=0x7F), max_size=12)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_writes_what_an_independent_implementation_of_rfc_8785_writes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_canonical(canonical(value), "value") == value


@given(st.binary(max_size=64) | TEXT.map(str.encode))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        value = parse_canonical(data, "value")
    except Malformed:
        return
    assert canonical(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"[1.0]",
        b"[1e3]",
        b"[-0]",
        b"[NaN]",
        b"[9007199254740992]",
        b"[" + b"9" * 5000 + b"]",
        b'"\\u0041"',
        b'"\\ud800"',
        b'{"\xc3\xa9":1}',
        b"[1] ",
        b"\xef\xbb\xbf[1]",
        b"[1",
        b"",
        b'"\xff"',
    ],
)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_canonical(data, "value")


def test_depth_is_bounded_before_the_reader_recurses() -> None:
    assert parse_canonical(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "value") is not None
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(Malformed, match="deeper"):
            parse_canonical(b"[" * depth + b"]" * depth, "value")


def test_brackets_inside_text_are_not_depth() -> None:
    assert parse_canonical(canonical(["[{" * 50, '\\"[[[']), "value") == ["[{" * 50, '\\"[[[']


@given(st.text('[]{}"\\ab', max_size=40), st.integers(0, 3))
def test_text_of_quotes_backslashes_and_brackets_hides_no_depth(text: str, spare: int) -> None:
    """Many brackets, so that the depth is looked at: at the bound it is read, one level beyond it is refused."""
    filling: list[Any] = [[] for _ in range(MAX_DEPTH)]
    value: Any = [text, filling]
    for _ in range(MAX_DEPTH - 3 + (spare == 0)):
        value = [value, text]
    if spare:
        assert parse_canonical(canonical(value), "value") == value
    else:
        with pytest.raises(Malformed, match="deeper"):
            parse_canonical(json.dumps(value, separators=(",", ":")).encode(), "value")


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1: 2}, {"é": 1}, MAX_INTEGER + 1, "\ud800", {1, 2}])
def test_what_json_cannot_hold_exactly_is_not_written(value: object) -> None:
    with pytest.raises(Malformed):
        canonical(value)


def test_fields_name_the_member_that_is_wrong() -> None:
    with pytest.raises(Malformed, match="unknown member 'extra'"):
        Fields({"a": 1, "extra": 2}, "thing", ["a"])
    with pytest.raises(Malformed, match="lacks the member 'b'"):
        Fields({"a": 1}, "thing", ["a", "b"])
    fields = Fields({"a": True, "b": None, "t": "\x00", "i": "Gate 1"}, "thing", ["a", "b", "t", "i"])
    with pytest.raises(Malformed, match="'a' is not an integer"):
        fields.integer("a")
    with pytest.raises(Malformed, match="'t' is not text"):
        fields.text("t")
    with pytest.raises(Malformed, match="'i' is not an id"):
        fields.ident("i")
    assert fields.optional("b", fields.integer) is None
