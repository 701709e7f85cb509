"""JSON read strictly, and documents that the engine takes."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.document import (
    MAX_BYTES,
    MAX_DEPTH,
    DocumentError,
    NestedTooDeepError,
    encode_document,
    parse_json,
    well_formed,
)

texts = st.text(st.characters(codec=None, categories=None), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def nested(levels: int) -> Any:
    """Make a list in a list …"""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "[NaN]", '{"a": -Infinity}', "1e999", "-1e999", "1" * 400]
)
def test_numbers_that_json_has_not_are_refused(text: str) -> None:
    """NaN and what is beyond a double is an error, not null."""
    with pytest.raises(ValueError, match=r"not JSON|beyond the range"):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", 2**63),
        ("12345678901234567890", 12345678901234567890),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("99999999999999999999", 1e20),
        ("-9223372036854775809", -(2.0**63)),
        ("1" + "0" * 300, 1e300),
        ("-0", 0),
        ("1.0", 1.0),
        ("1e19", 1e19),
        ("12345678901234567890.0", 12345678901234567890.0),
        ("1.2345678901234567890123", 1.2345678901234567),
    ],
)
def test_integers_that_the_engine_cannot_keep_become_doubles(text: str, value: object) -> None:
    """From -2^63 to 2^64-1 a number stays an integer; what is written as a decimal is a double."""
    got = parse_json(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "text", ["", " ", "{", "{'a': 1}", "[1,]", "01", '"\n"', b"\xff", "[" * 100_000, '{"a":' * 100_000]
)
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    """Anything else, however deep, is an ordinary error."""
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_millions_of_digits_are_read_at_once() -> None:
    """A number of any length is a double or an error, without Python's limit on digits."""
    with pytest.raises(ValueError, match="beyond the range of a double"):
        parse_json("9" * 5_000_000)
    assert parse_json("0." + "3" * 1_000_000) == pytest.approx(1 / 3)


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_read_or_a_value_error(text: str | bytes) -> None:
    """No text raises anything but ValueError."""
    try:
        parse_json(text)
    except ValueError:
        return


@given(values)
@settings(max_examples=150)
def test_any_value_is_encoded_or_a_document_error(value: Any) -> None:
    """What is encoded can be sent as UTF-8, and is read back the same but for lone surrogates."""
    try:
        text = encode_document({"v": value})
    except DocumentError:
        return
    back = parse_json(text.encode("utf-8"))
    assert encode_document(back) == text
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert back == {"v": value}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "variable 'a' has a number that JSON cannot carry (nan)"),
        ([float("-inf")], "variable 'a' has a number that JSON cannot carry (-inf)"),
        (2**64, "variable 'a' has an integer beyond 64 bits"),
        ([[{"b": 10**30}]], "variable 'a' has an integer beyond 64 bits"),
        ({"b": -(2**63) - 1}, "variable 'a' has an integer beyond 64 bits"),
        (object(), "variable 'a' has a value that is not JSON (object)"),
        ({1: 2}, "variable 'a' has a key that is no text"),
        (b"x", "variable 'a' has a value that is not JSON (bytes)"),
        (nested(100_000), "variable 'a' is nested deeper than 200 levels"),
    ],
)
def test_what_the_engine_cannot_take_is_named(value: object, says: str) -> None:
    """The message names the variable and what is wrong with it."""
    with pytest.raises(DocumentError) as caught:
        encode_document({"x": 1, "a": value})
    assert str(caught.value) == says


def test_the_depth_that_is_taken() -> None:
    """200 levels with the document itself pass, 201 do not."""
    assert encode_document({"a": nested(MAX_DEPTH - 1)})
    with pytest.raises(DocumentError):
        encode_document({"a": nested(MAX_DEPTH)})


@pytest.mark.parametrize("innermost", [[], {}], ids=["list", "context"])
def test_an_empty_container_is_a_level_too(innermost: object) -> None:
    """The engine counts it: what holds nothing is nested as deep as what holds something."""
    value: object = innermost
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    with pytest.raises(DocumentError, match="nested deeper"):
        encode_document({"a": value})


def test_the_size_that_is_taken() -> None:
    """1.5 MB of UTF-8 pass, a byte more does not; the message says both sizes and what to do."""
    room = MAX_BYTES - len('{"a":""}')
    assert len(encode_document({"a": "ä" * (room // 2)}).encode()) <= MAX_BYTES
    with pytest.raises(
        DocumentError, match=r"1\.6 MB of JSON; the engine is sent at most 1\.6 MB\. Map only what"
    ):
        encode_document({"a": "x" * (room + 1)})


def test_what_is_too_large_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of numbers are refused by their size, not looked at one by one while all other jobs wait."""
    monkeypatch.setattr("openai_connector.document._check", None)
    with pytest.raises(DocumentError, match="MB of JSON"):
        encode_document({"v": [0] * MAX_BYTES})


def test_what_cannot_be_written_is_never_sent_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the writer fail where no fault is found in the values, the result must not get lost."""
    monkeypatch.setattr("openai_connector.document._written", lambda _: ("", 0))
    with pytest.raises(DocumentError, match="cannot be written"):
        encode_document({"v": 1})


def test_short_decimals_take_more_room_in_the_engine() -> None:
    """The engine stores a double in 9 bytes: 1.4 MB of "0.5," are refused there, and so before."""
    assert encode_document({"a": [0.5] * 220_000})
    assert encode_document({"a": [0.123456789012] * 95_000})
    with pytest.raises(DocumentError, match=r"so many decimal numbers that they are 3\.2 MB to the engine"):
        encode_document({"a": [0.5] * 350_000})


def test_names_must_be_text() -> None:
    """A variable's name is text."""
    with pytest.raises(DocumentError, match="name must be text, not int"):
        encode_document({1: 2})  # type: ignore[dict-item]


def test_mappings_and_tuples_are_objects_and_lists() -> None:
    """Read-only mappings and tuples are written as JSON has them."""
    assert (
        encode_document(MappingProxyType({"a": MappingProxyType({"b": (1, None)})})) == '{"a":{"b":[1,null]}}'
    )


def test_lone_surrogates_are_replaced() -> None:
    """UTF-8 cannot carry them; pairs and other characters stay."""
    assert encode_document({"\ud800": "a\udfff😀"}) == '{"\ufffd":"a\ufffd😀"}'
    assert well_formed("\ud83d\ude00") == "😀"
    assert well_formed("ä") == "ä"


@pytest.mark.parametrize(("levels", "is_read"), [(500, True), (501, False), (5_000, False), (100_000, False)])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_bounded_the_same_on_every_python(
    opening: str, closing: str, levels: int, is_read: bool
) -> None:
    """Text nested 500 levels deep is read, text one deeper is refused, however deep Python itself could read."""
    text = opening * levels + "1" + closing * levels
    if is_read:
        assert parse_json(text)
    else:
        with pytest.raises(NestedTooDeepError):
            parse_json(text)
