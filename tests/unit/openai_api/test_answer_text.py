"""JSON of an answer as servers write it: an answer that was paid for is read wherever it can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.document import MAX_READ_DEPTH, NestedTooDeepError, encode_document, parse_answer
from openai_connector.openai_api import ApiClient
from tests.make import ANSWER
from tests.stand_in import Answer, StandIn
from tests.unit.openai_api.conftest import ask

GOOD = json.dumps(ANSWER)
BEFORE = [
    pytest.param(": OPENROUTER PROCESSING\n\n", id="comment"),
    pytest.param(": a\n\n: b\n\n:\n: c: {}\n", id="several"),
    pytest.param(": a\r\n\r\n", id="carriage-returns"),
    pytest.param("\ufeff", id="byte-order-mark"),
    pytest.param("\ufeff: a\n", id="mark-and-comment"),
    pytest.param("\n\n \t\r\n", id="blank-lines"),
    pytest.param(":\n" * 100_000 + "\n" * 100_000, id="many"),
]


@pytest.mark.parametrize("before", BEFORE)
def test_what_may_stand_before_an_answer(before: str) -> None:
    """Comments, blank lines and a byte order mark are no part of it."""
    assert parse_answer(before + GOOD) == ANSWER


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400])
def test_a_number_that_cannot_be_kept_is_null(written: str) -> None:
    """The rest of the answer is read, and can be sent to the engine."""
    got = parse_answer(f'{{"text": "NaN", "logprobs": [-0.5, {written}, {{"x": {written}}}]}}')
    assert got == {"text": "NaN", "logprobs": [-0.5, None, {"x": None}]}
    assert encode_document(got)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"a": 1, "a": 2}', {"a": 2}, id="key-twice"),
        pytest.param('{"a": "\\ud800x"}', {"a": "\ud800x"}, id="lone-surrogate"),
        pytest.param('{"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="pair"),
        pytest.param('{"a": ": no comment\\n"}', {"a": ": no comment\n"}, id="colon-in-a-text"),
        pytest.param('{"a": 12345678901234567890}', {"a": 12345678901234567890}, id="integer"),
    ],
)
def test_unusual_json(text: str, value: object) -> None:
    """It is read as most readers do."""
    assert parse_answer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        ": only a comment\n",
        "x: y\n{}",
        "{}: x",
        "nan",
        "{'a': 1}",
        '{"a": NAN}',
        "\ufeff\ufeff{}",
    ],
)
def test_what_is_no_json_stays_none(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r".+"):
        parse_answer(text)


def test_depth_is_bounded() -> None:
    """An answer is read as deep as other JSON."""
    with pytest.raises(NestedTooDeepError):
        parse_answer(":x\n" + "[" * (MAX_READ_DEPTH + 1) + "]" * (MAX_READ_DEPTH + 1))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def without_odd_numbers(value: Any) -> Any:
    """Return a value with null for what JSON has not."""
    text = json.dumps(value)
    return json.loads(text, parse_constant=lambda _: None)


@given(values, st.lists(st.sampled_from([":", ": x", "", "  ", ":: {", "\t"]), max_size=5))
def test_any_json_after_any_comments(value: Any, lines: list[str]) -> None:
    """What Python writes, NaN included, is read, whatever comments stand before it."""
    text = "".join(f"{line}\n" for line in lines) + json.dumps(value)
    assert parse_answer(text) == without_odd_numbers(value)


@given(st.text(max_size=50))
def test_any_text_is_read_or_a_value_error(text: str) -> None:
    """No text raises anything but ValueError."""
    try:
        parse_answer(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n{GOOD}", id="comments"),
        pytest.param(f"\ufeff{GOOD}", id="byte-order-mark"),
        pytest.param(GOOD.replace("3", "NaN"), id="nan"),
    ],
)
async def test_by_the_client(client: ApiClient, api: StandIn, content: str) -> None:
    """The client reads answers so."""
    api.answer(Answer(content=content.encode(), headers=(("Content-Type", "application/json"),)))
    body = (await ask(client, api.base_url)).body
    assert body["choices"] == ANSWER["choices"]
