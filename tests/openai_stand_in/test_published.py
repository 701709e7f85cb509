"""Requests and answers are held against the published types, closed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_stand_in import published
from tests.openai_stand_in.errors import InvalidRequestError

TOOL = {"type": "function", "name": "find_order", "strict": None, "parameters": None}
RESPONSES: dict[str, Any] = {
    "model": "gpt-6-luna",
    "background": True,
    "background_options": {"completion_window": "2h"},
    "instructions": "Answer in German.",
    "metadata": {"job": "1"},
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "auto"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,JVBERi0=",
                },
            ],
        },
        {"role": "assistant", "content": "A picture."},
        {"type": "function_call", "call_id": "call_1", "name": "find_order", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "{}"},
    ],
    "text": {
        "format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low"},
    "tools": [TOOL],
    "tool_choice": {"type": "function", "name": "find_order"},
}
CHAT: dict[str, Any] = {
    "model": "gpt-6-luna",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Compare."}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "{}"},
    ],
    "tools": [{"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
}
REQUESTS = {
    "responses": RESPONSES,
    "chat": CHAT,
    "moderations": {"input": [{"type": "text", "text": "a"}], "model": "omni-moderation-latest"},
    "embeddings": {"input": ["a"], "model": "text-embedding-3-small", "encoding_format": "float"},
    "batches": {"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
}
FREE = ("metadata", "schema", "parameters")
"""Parts in which any key may stand."""


def objects_in(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where objects stand whose keys are declared."""
    found: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        found.append(path)
        for name, inner in value.items():
            found += [] if name in FREE else objects_in(inner, (*path, name))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found += objects_in(inner, (*path, index))
    return found


PLACES = [(kind, path) for kind, body in REQUESTS.items() for path in objects_in(body)]


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in REQUESTS])
def test_a_request_as_it_is_published_is_taken(kind: str) -> None:
    """Proves that what the documentation shows passes."""
    published.check_request(kind, REQUESTS[kind])


@given(place=st.sampled_from(PLACES), value=st.sampled_from([None, 1, "a", {}, []]))
def test_an_unknown_key_is_refused_wherever_it_stands(
    place: tuple[str, tuple[str | int, ...]], value: Any
) -> None:
    """Proves that no part of a request is left open, and that lists are read to the end."""
    kind, path = place
    body = deepcopy(REQUESTS[kind])
    part: Any = body
    for step in path:
        part = part[step]
    part["no_such_key"] = value

    with pytest.raises(InvalidRequestError):
        published.check_request(kind, body)


@pytest.mark.parametrize(
    ("kind", "change", "param", "code"),
    [
        pytest.param("responses", {"n": 2}, "n", "unknown_parameter", id="a field of chat"),
        pytest.param(
            "responses",
            {"tools": [{"type": "function", "function": {"name": "a"}}]},
            "tools[0].name",
            "missing_required_parameter",
            id="a tool nested as in chat",
        ),
        pytest.param(
            "responses",
            {"max_output_tokens": "20"},
            "max_output_tokens",
            "invalid_type",
            id="a number as string",
        ),
        pytest.param(
            "responses", {"metadata": {"job": 1}}, "metadata.job", "invalid_type", id="a number in metadata"
        ),
        pytest.param(
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "txt": "a"}]}]},
            "input[0].content[0].text",
            "missing_required_parameter",
            id="a part without its text",
        ),
        pytest.param(
            "responses",
            {"background_options": {"completion_window": "4h"}},
            "background_options.completion_window",
            "invalid_value",
            id="a window that is not sold",
        ),
        pytest.param(
            "chat", {"background": True}, "background", "unknown_parameter", id="a field of responses"
        ),
        pytest.param(
            "batches",
            {"completion_window": "8h"},
            "completion_window",
            "invalid_value",
            id="a batch in eight hours",
        ),
    ],
)
def test_the_refusal_names_what_is_wrong(kind: str, change: dict[str, Any], param: str, code: str) -> None:
    """Proves that an error leads to the part of the request that is meant."""
    with pytest.raises(InvalidRequestError) as caught:
        published.check_request(kind, REQUESTS[kind] | change)

    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param(
            "file deleted", {"id": "a", "object": "file", "deleted": True, "more": 1}, id="more than declared"
        ),
        pytest.param("file deleted", {"id": "a", "object": "file"}, id="less than declared"),
        pytest.param(
            "file deleted", {"id": "a", "object": "file", "deleted": "true"}, id="a boolean as string"
        ),
        pytest.param(
            "error", {"error": {"message": "m", "type": "t", "status": 400}}, id="an error with its status"
        ),
    ],
)
def test_an_answer_that_is_not_published_is_noticed(kind: str, answer: dict[str, Any]) -> None:
    """Proves that the stand-in cannot drift from the published API unseen."""
    with pytest.raises(published.DriftError):
        published.check_answer(kind, answer)
