"""Chat completions, moderations and embeddings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openai_stand_in import published
from tests.openai_stand_in.answers import answer_to, filled
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import Asker
from tests.openai_stand_in.test_published import CHAT, RESPONSES

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture
def asker() -> Asker:
    """Who asks a stand-in whose time stands still."""
    return Asker(OpenAI(scale=0))


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    """Return a request."""
    return {"model": "gpt-6-luna", "messages": [{"role": "user", "content": prompt}], **more}


def test_each_prompt_has_its_own_answer(asker: Asker) -> None:
    """Proves that an answer in the wrong hands is seen."""
    [choice] = asker.post("/chat/completions", chat("What?"))["choices"]

    assert choice["message"]["content"] == answer_to("What?") != answer_to("what?")
    assert choice["finish_reason"] == "stop"


def test_a_format_is_kept(asker: Asker) -> None:
    """Proves that JSON comes where it was asked for, with what the schema names."""
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}

    [shaped] = asker.post("/chat/completions", chat("Who?", response_format=wanted))["choices"]
    [free] = asker.post("/chat/completions", chat("JSON?", response_format={"type": "json_object"}))[
        "choices"
    ]

    assert json.loads(shaped["message"]["content"]) == {"name": answer_to("Who?"), "age": 1}
    assert json.loads(free["message"]["content"]) == {"answer": answer_to("JSON?")}


@pytest.mark.parametrize(
    ("mark", "finish"),
    [
        pytest.param("[incomplete]", "length", id="cut off"),
        pytest.param("[incomplete: content_filter]", "content_filter", id="filtered"),
        pytest.param("[refuse]", "stop", id="refused"),
    ],
)
def test_a_prompt_may_wish_how_it_ends(asker: Asker, mark: str, finish: str) -> None:
    """Proves each end of a completion; all of them are paid."""
    answer = asker.post("/chat/completions", chat(f"Wish {mark}"))

    assert answer["choices"][0]["finish_reason"] == finish
    assert asker.api.ledger.count == 1
    published.check_answer("chat.completion", answer)


def test_a_failure_is_an_error_of_http_and_free(asker: Asker) -> None:
    """Proves that chat has no failed answers, but errors."""
    reply = asker.ask("POST", "/chat/completions", chat("Wish [fail: server_is_overloaded]"))

    assert reply.status == 503
    assert asker.api.ledger.count == 0


def test_tools_are_called_one_by_one_or_together(asker: Asker) -> None:
    """Proves calls of tools that are named, and broken arguments where they are wished for."""
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("first", "second")
    ]

    def called(prompt: str, **more: Any) -> list[tuple[str, str]]:
        [choice] = asker.post("/chat/completions", chat(prompt, tools=tools, **more))["choices"]
        calls = choice["message"].get("tool_calls", [])
        return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]

    assert called("Ask first and second") == [("first", "{}"), ("second", "{}")]
    assert called("Ask first and second", parallel_tool_calls=False) == [("first", "{}")]
    assert called("Ask nobody") == []
    assert called("Ask nobody", tool_choice="required") == [("first", "{}"), ("second", "{}")]
    assert called("Ask first", tool_choice="none") == []
    assert called("Ask first [broken arguments]") == [("first", "{")]
    named: Any = {"type": "function", "function": {"name": "second"}}
    assert called("Ask first", tool_choice=named) == [("second", "{}")]


def test_moderation_has_a_result_for_each_text_and_one_for_all_parts(asker: Asker) -> None:
    """Proves the shapes of both inputs."""
    texts = asker.post("/moderations", {"input": ["I love you", "I kill you"]})
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "I kill you"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
    ]
    together = asker.post("/moderations", {"input": parts})

    assert [result["flagged"] for result in texts["results"]] == [False, True]
    assert [result["flagged"] for result in together["results"]] == [True]
    assert together["results"][0]["category_applied_input_types"]["violence"] == ["text", "image"]
    assert asker.api.ledger.cost == 0


def test_embeddings_are_of_the_size_asked_for_and_each_text_has_its_own(asker: Asker) -> None:
    """Proves that vectors can be told apart."""
    body = {"model": "text-embedding-3-small", "input": ["a", "b"]}

    usual = asker.post("/embeddings", body)["data"]
    small = asker.post("/embeddings", body | {"dimensions": 8})["data"]

    assert [len(one["embedding"]) for one in usual + small] == [1536, 1536, 8, 8]
    assert small[0]["embedding"] != small[1]["embedding"]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": []}, id="no type"),
        pytest.param({"type": "text"}, id="an unknown type"),
        pytest.param({"$ref": "#/$defs/a"}, id="a reference to nothing"),
        pytest.param({"$ref": "https://example.org/a"}, id="a reference to elsewhere"),
        pytest.param({"required": "a"}, id="a name in place of a list"),
    ],
)
def test_what_is_no_schema_is_refused_by_chat_and_responses_as_format_and_as_tool(
    asker: Asker, schema: dict[str, Any]
) -> None:
    """Proves that a schema is read wherever there is one."""
    tool = {"name": "a", "parameters": schema, "strict": None}
    shape = {"name": "a", "schema": schema}
    asked = [
        ("/chat/completions", chat("a", tools=[{"type": "function", "function": tool}])),
        ("/chat/completions", chat("a", response_format={"type": "json_schema", "json_schema": shape})),
        ("/responses", {"model": "gpt-6-luna", "input": "a", "tools": [{"type": "function", **tool}]}),
        (
            "/responses",
            {"model": "gpt-6-luna", "input": "a", "text": {"format": {"type": "json_schema", **shape}}},
        ),
    ]

    assert [asker.ask("POST", path, body).status for path, body in asked] == [400] * 4


def pieces(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where something stands that may be changed."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(*path, key), *pieces(inner, (*path, key))]]


PLACES = [
    (path, body, place)
    for path, body in (("/chat/completions", CHAT), ("/responses", RESPONSES))
    for place in pieces(body)
]
CHANGES: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "a", 0, -1, 1.5, True, [], {}, ["a"], {"type": "text"}, [{}]]
)


@settings(max_examples=200)
@given(where=st.sampled_from(PLACES), change=CHANGES)
def test_no_request_upsets_the_stand_in(
    where: tuple[str, dict[str, Any], tuple[str | int, ...]], change: Any
) -> None:
    """Proves that any change of a request is answered or refused as the API would, and never with an error here."""
    path, original, place = where
    asker = Asker(OpenAI(scale=0))
    body = json.loads(json.dumps(original))
    part: Any = body
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = change

    reply = asker.ask("POST", path, body)

    assert reply.status in (200, 400, 404), reply.body
    assert not asker.api.drifted


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1], id="an array"),
        pytest.param({"enum": ["red", "green"]}, "red", id="a choice"),
        pytest.param({"anyOf": [{"const": 7}, {"type": "null"}]}, 7, id="one of several"),
        pytest.param({"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}, "text", id="a reference"),
        pytest.param({"type": ["null", "string"]}, None, id="null"),
        pytest.param({"type": "string", "maxLength": 2}, "te", id="a short text"),
        pytest.param({"type": "number", "minimum": 5}, 5, id="a large number"),
        pytest.param({"type": "boolean"}, True, id="a boolean"),
        pytest.param(True, "text", id="anything"),
        pytest.param({"$ref": "#"}, None, id="itself"),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/$defs/a~1b"}, "$defs": {"a/b": {"const": 2}}},
            [2],
            id="an escaped name",
        ),
    ],
)
def test_a_schema_is_filled(schema: Any, value: Any) -> None:
    """Proves what stands where a schema leaves it open."""
    assert filled(schema, "text") == value
