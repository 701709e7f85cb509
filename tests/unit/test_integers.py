"""Whole numbers as the engine keeps them, from an API's answer to a variable and from a variable to a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.document import encode_document, parse_json
from openai_connector.job import Completed
from openai_connector.openai_api import ApiResponse
from tests.make import ANSWER, FakeApi, connector, job

KEPT = [2**63 - 1, 2**63, 12345678901234567890, 2**64 - 1, -(2**63), 0]
numbers = st.integers(-(2**63), 2**64 - 1)
documents = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def same(one: Any, other: Any) -> bool:
    """Check that two values are written the same way: 1 is not 1.0."""
    return json.dumps(one) == json.dumps(other)


async def arriving(body: Any, **headers: str) -> dict[str, Any]:
    """Return the variables of a task whose API answers with a text of JSON, as the engine gets them."""
    response = ApiResponse(200, {}, parse_json(json.dumps({**ANSWER, **body})))
    outcome = await connector(FakeApi([response])).work(job(headers))
    assert isinstance(outcome, Completed)
    variables: dict[str, Any] = json.loads(encode_document(outcome.variables))
    return variables


@given(documents)
def test_what_the_engine_keeps_is_kept(value: Any) -> None:
    """Reading and writing change no whole number, however deep it lies."""
    assert same(parse_json(encode_document({"v": value}))["v"], value)


@given(st.integers())
def test_any_whole_number_that_is_read_can_be_sent(number: int) -> None:
    """What the engine would refuse becomes a double of about the same value."""
    value = parse_json(str(number))
    assert parse_json(encode_document({"v": value}))["v"] == value
    assert value == (number if -(2**63) <= number < 2**64 else float(number))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_stay_doubles(number: float) -> None:
    """A double is no integer even where its value is whole."""
    back = parse_json(encode_document({"v": number}))["v"]
    assert isinstance(back, float)
    assert same(back, number)


@pytest.mark.parametrize("number", KEPT)
async def test_from_an_answer_to_a_variable(number: int) -> None:
    """A result variable and JSONPath pass the number on, in lists and contexts too."""
    body = {"id": number, "deep": [{"ids": [number, 0.5]}]}
    got = await arriving(body, resultVariable="r")
    assert same(got["r"]["body"]["deep"], body["deep"])
    got = await arriving(body, resultExpression='{"id": "$.body.id", "all": "$.body.deep[*].ids[0]"}')
    assert same(got, {"id": number, "all": [number]})


async def test_feel_gives_what_camundas_runtime_gives() -> None:
    """FEEL compares and calculates exactly, and gives a double beyond the whole numbers of Java."""
    got = await arriving(
        {"id": 12345678901234567890, "long": 2**63 - 1},
        resultExpression="={id: body.id, long: body.long, text: string(body.id), "
        "same: body.id = 12345678901234567890, other: body.id = 12345678901234567891}",
    )
    assert same(
        got,
        {
            "id": 1.2345678901234567e19,
            "long": 2**63 - 1,
            "text": "12345678901234567890",
            "same": True,
            "other": False,
        },
    )


@pytest.mark.parametrize("number", KEPT)
async def test_from_a_variable_to_a_request(number: int) -> None:
    """A number goes into the request as it is, and into a text with all its digits."""
    api = FakeApi()
    extra, prompt = {"seed": number, "more": [number]}, number
    await connector(api).work(job(extraBody=extra, prompt=prompt))
    asked = api.requests[0]["body"]
    assert same({"seed": asked["seed"], "more": asked["more"]}, extra)
    assert asked["messages"][-1]["content"] == str(number)
