"""The lines of a batch's files are read whatever their shape, and however they arrive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.openai_api import ApiResponse
from openai_connector.waiting.lines import (
    Names,
    Refused,
    Splitter,
    custom_id,
    line_of,
    mark,
    name_in,
    read_line,
)

FINGERPRINT = "0123456789abcdef" * 4
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=9), part, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 1000), max_size=20))
def test_lines_are_the_same_however_they_arrive(parts: list[bytes], places: list[int]) -> None:
    """Each with its place in the file; blank ones are none."""
    data = b"\n".join(parts)
    found: list[tuple[bytes, int]] = []
    splitter = Splitter(lambda line, begins: found.append((line, begins)))
    for chunk in cut(data, places):
        splitter.write(chunk)
    splitter.close()
    assert [line for line, _ in found] == [line for line in data.split(b"\n") if line.strip()]
    assert all(data[begins : begins + len(line)] == line for line, begins in found)


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=3), st.text(max_size=20), st.randoms())
def test_a_lines_name_is_its_own_and_no_other_in_it(body: dict[str, Any], name: str, dice: Any) -> None:
    """In whatever order its keys come, and whatever its body repeats."""
    body = {**body, "custom_id": "another", "metadata": {"custom_id": "another"}}
    entry = {"id": "batch_req_1", "custom_id": name, "response": {"body": body}, "error": None}
    items = list(entry.items())
    dice.shuffle(items)
    assert name_in(json.dumps(dict(items)).encode()) == name


@given(JSON)
def test_a_line_that_has_no_name_is_passed_over(entry: Any) -> None:
    """Files may grow lines that nobody knows yet."""
    if not isinstance(entry, dict) or "custom_id" not in entry:
        assert name_in(json.dumps(entry).encode()) is None


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b'{"custom_id": 7}', b"[]"], ids=repr)
def test_a_line_that_is_none_has_no_name(line: bytes) -> None:
    """And breaks nothing."""
    assert name_in(line) is None
    assert isinstance(read_line(line), Refused)


def test_the_name_of_a_line_is_the_same_for_the_same_purchase() -> None:
    """Of job and request; each purchase after a failed one has its own."""
    assert custom_id(7, FINGERPRINT, 0) == "7-0123456789abcdef"
    assert len({custom_id(7, FINGERPRINT, spent) for spent in range(5)}) == 5
    assert custom_id(8, FINGERPRINT, 0) != custom_id(7, FINGERPRINT, 0)
    assert custom_id(7, "f" + FINGERPRINT, 0) != custom_id(7, FINGERPRINT, 0)


def test_input_lines_are_as_the_api_wants_them() -> None:
    """One object a line; their names are read again in their order."""
    names = [custom_id(key, FINGERPRINT, 0) for key in (3, 1, 2)]
    written = b"".join(piece for name in names for piece in line_of(name, "/v1/responses", b'{"a":"\\n"}'))
    entries = [json.loads(line) for line in written.splitlines()]
    assert entries[0] == {
        "custom_id": names[0],
        "method": "POST",
        "url": "/v1/responses",
        "body": {"a": "\n"},
    }
    read = Names()
    read.write(written)
    read.close()
    assert list(read.marks) == [mark(name) for name in names]


RESPONSES: list[Any] = [
    pytest.param({"response": {"status_code": 200, "request_id": "r", "body": {"a": 1}}}, 200, id="answer"),
    pytest.param({"response": {"status_code": 400, "body": {"error": {}}}, "error": None}, 400, id="refusal"),
    pytest.param({"response": {"status_code": 429, "body": {}}, "error": {"code": "x"}}, 429, id="both"),
    pytest.param({"response": {"status_code": 200, "body": '{"a": 1}'}}, 200, id="body_as_text"),
]


@pytest.mark.parametrize(("entry", "status"), RESPONSES)
def test_a_response_of_a_line_is_one_of_a_plain_call(entry: dict[str, Any], status: int) -> None:
    """Its request id stands where a plain call has it."""
    response = read_line(json.dumps({"custom_id": "a", **entry}).encode())
    assert isinstance(response, ApiResponse)
    assert response.status == status
    assert isinstance(response.body, dict)
    assert response.header("x-request-id") == entry["response"].get("request_id", "")


REFUSALS: list[Any] = [
    pytest.param(
        {"response": None, "error": {"code": "batch_expired", "message": "m"}}, "batch_expired", id="error"
    ),
    pytest.param(
        {"response": {"status_code": 0, "request_id": "", "body": ""}, "error": None}, "", id="status_zero"
    ),
    pytest.param({"response": {"status_code": "200", "body": {}}}, "", id="status_is_no_number"),
    pytest.param({"response": None, "error": None}, "", id="neither"),
    pytest.param({"response": None, "error": {"code": None}}, "", id="no_code"),
    pytest.param({}, "", id="nothing"),
]


@pytest.mark.parametrize(("entry", "code"), REFUSALS)
def test_a_line_without_a_response_says_what_it_can(entry: dict[str, Any], code: str) -> None:
    """It is no answer, and nothing to fall over."""
    refused = read_line(json.dumps({"custom_id": "a", **entry}).encode())
    assert isinstance(refused, Refused)
    assert refused.code == code
