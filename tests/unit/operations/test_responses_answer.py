"""Answers of the Responses API: the same output as of a chat, judged by the same rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.tasks.operations import Chat
from openai_connector.tasks.operations.operation import ReadAnswer
from tests.unit.operations.reading import chat, chat_request
from tests.unit.operations.responses import BY_RESPONSES, body_of, called, refused, said, thought

USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def read(body: Any, **inputs: Any) -> ReadAnswer:
    """Read an answer as a task that goes by this API does."""
    task = chat(**BY_RESPONSES, **inputs)
    assert task.missing_in(body) is None
    asked = task.request_body()
    return task.read_answer(asked, task.kept(asked, body))


def output(body: Any, **inputs: Any) -> dict[str, Any]:
    """Give the output of an answer."""
    return read(body, **inputs).output


def condition(body: Any, **inputs: Any) -> str:
    """Give the condition of an answer."""
    return str(output(body, **inputs)["condition"])


def test_the_output_has_the_keys_of_a_chat() -> None:
    """All keys of a plain answer."""
    body = body_of(thought(), said("42"))
    got = output(body)
    assert set(got) == set(Chat.outputs())
    assert got == {
        "text": "42",
        "responses": ["42"],
        "chatHistory": [USER, {"role": "assistant", "content": "42"}],
        "finishReason": "stop",
        "usage": body["usage"],
        "model": "gpt-6-luna",
        "json": None,
        "refusal": None,
        "condition": "AS_ASKED",
        "calls": 1,
        "toolCalls": [],
        "tokens": {
            "input": 1200,
            "output": 300,
            "total": 1500,
            "cached": 1024,
            "cacheWrite": 0,
            "reasoning": 256,
        },
    }


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([said("a")], "a"),
        ([said("a"), said("b")], "ab"),
        ([said("thinking aloud", phase="commentary"), said("a", phase="final_answer")], "a"),
        ([said("a", phase="final_answer"), said("later", phase="commentary")], "a"),
        ([said("x"), said("a", phase="final_answer")], "a"),
        ([said("aloud", phase="commentary"), said("a")], "a"),
        ([said("a", phase="some_new_phase")], "a"),
        ([{"role": "assistant", "content": "a"}], "a"),
        ([{"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "new"}]}], "a"),
        ([{"type": "web_search_call", "id": "ws_1"}, None, said("a")], "a"),
    ],
    ids=[
        "one",
        "several",
        "commentary",
        "late_commentary",
        "phase_wins",
        "no_final",
        "new",
        "bare",
        "parts",
        "other",
    ],
)
def test_text_is_that_of_the_final_answer(items: list[Any], text: str) -> None:
    """Messages of the final answer are joined; what the model says on the way is none of it."""
    assert output(body_of(*items))["text"] == text


@pytest.mark.parametrize(
    ("body", "inputs", "finish", "wanted"),
    [
        (body_of(said("a")), {}, "stop", "AS_ASKED"),
        (body_of(), {}, "stop", "ANSWER_EMPTY"),
        (body_of(thought()), {}, "stop", "ANSWER_EMPTY"),
        (body_of(said(" ")), {}, "stop", "ANSWER_EMPTY"),
        (body_of(said("aloud", phase="commentary")), {}, "stop", "ANSWER_EMPTY"),
        (body_of(called()), {}, "tool_calls", "AS_ASKED"),
        (body_of(said("a"), called()), {"responseFormat": "json_object"}, "tool_calls", "AS_ASKED"),
        (body_of(refused("No.")), {}, "stop", "ANSWER_REFUSED"),
        (body_of(said("a"), refused("No.")), {}, "stop", "ANSWER_REFUSED"),
        (body_of(said("no JSON")), {"responseFormat": "json_object"}, "stop", "ANSWER_NOT_JSON"),
        (body_of(said("[1]")), {"responseFormat": "json_object"}, "stop", "ANSWER_OFF_SCHEMA"),
        (
            body_of(said('{"n": "x"}')),
            {"responseFormat": "json_schema", "jsonSchema": SCHEMA},
            "stop",
            "ANSWER_OFF_SCHEMA",
        ),
        (
            body_of(said('{"n": "x"}')),
            {"extraBody": {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}}},
            "stop",
            "ANSWER_OFF_SCHEMA",
        ),
        (
            body_of(said("```json\n{\"n\": 1}\n```")),
            {"responseFormat": "json_schema", "jsonSchema": SCHEMA},
            "stop",
            "AS_ASKED",
        ),
        (body_of({"type": "image_generation_call", "result": "AA=="}), {}, "stop", "AS_ASKED"),
    ],
    ids=[
        "text", "nothing", "reasoning_alone", "blank", "commentary_alone", "call", "call_and_text", "refusal",
        "refusal_and_text", "not_json", "no_object", "off_schema", "off_own_schema", "fenced", "image",
    ],
)  # fmt: skip
def test_a_completed_answer_is_judged_as_a_chat(
    body: Any, inputs: dict[str, Any], finish: str, wanted: str
) -> None:
    """Finish reason and condition of an answer that is complete."""
    got = output(body, **inputs)
    assert (got["finishReason"], got["condition"]) == (finish, wanted)


@pytest.mark.parametrize(
    ("reason", "finish", "wanted"),
    [
        ("max_output_tokens", "length", "ANSWER_TRUNCATED"),
        ("content_filter", "content_filter", "ANSWER_FILTERED"),
        ("max_messages", "length", "ANSWER_TRUNCATED"),
        ("something new", "length", "ANSWER_TRUNCATED"),
        (None, "length", "ANSWER_TRUNCATED"),
    ],
    ids=str,
)
@pytest.mark.parametrize("items", [[said("half an ans")], [], None], ids=["begun", "nothing", "no_output"])
def test_an_incomplete_answer_is_cut_off_or_filtered(
    reason: str | None, finish: str, wanted: str, items: list[Any] | None
) -> None:
    """What is incomplete is an answer, which is paid for; the reason is told in the words of a chat."""
    body = body_of(*(items or ()), status="incomplete", incomplete_details={"reason": reason})
    if items is None:
        body["output"] = None
    got = output(body)
    assert (got["finishReason"], got["condition"]) == (finish, wanted)


def test_an_answer_without_a_status_or_with_a_new_one_is_an_answer() -> None:
    """A server that leaves out the status, or has one of its own, has answered all the same."""
    bare = {"output": [said("a")]}
    assert condition(bare) == condition(body_of(said("a"), status="archived")) == "AS_ASKED"
    assert output({"output_text": "a"})["text"] == "a"


@pytest.mark.parametrize(
    "body",
    [None, "text", [], {}, {"output": {}}, {"output": ["a"]}, {"output": None}, {"choices": []}],
    ids=str,
)
def test_what_has_no_output_is_no_answer(body: object) -> None:
    """A body without output items cannot be read."""
    assert chat(**BY_RESPONSES).missing_in(body)


def test_a_refusal_stands_in_the_history() -> None:
    """A refusal is its own output, and the history has its words."""
    got = output(body_of(refused("I must not.")))
    assert (got["refusal"], got["text"]) == ("I must not.", None)
    assert got["chatHistory"][-1] == {
        "role": "assistant",
        "content": "I must not.",
        "refusal": "I must not.",
    }


@pytest.mark.parametrize("api", ["chatCompletions", "responses"])
def test_the_history_goes_on_with_either_api(api: str) -> None:
    """The chat history of an answer with calls, and results for them, is a good input of both APIs."""
    history = output(body_of(said("a moment"), called()), systemMessage="S")["chatHistory"]
    results = [{"id": "call_1", "content": {"state": "sent"}}]
    sent = chat_request(chatHistory=history, toolResults=results, prompt=None, systemMessage="S", api=api)
    if api == "responses":
        assert sent["input"] == [
            {"role": "system", "content": "S"},
            USER,
            {"role": "assistant", "content": "a moment"},
            {"type": "function_call", "call_id": "call_1", "name": "find_order", "arguments": '{"id":"A1"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": '{"state":"sent"}'},
        ]
    else:
        function = {"name": "find_order", "arguments": '{"id":"A1"}'}
        assert sent["messages"][2:] == [
            {
                "role": "assistant",
                "content": "a moment",
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": '{"state":"sent"}'},
        ]


def test_reasoning_that_was_asked_for_goes_back_to_the_api_that_gave_it() -> None:
    """Encrypted reasoning stands before what it led to; the other API never sees it."""
    extra = {"include": ["reasoning.encrypted_content"]}
    history = output(body_of(thought("gBBB"), called()), extraBody=extra)["chatHistory"]
    results = [{"id": "call_1", "content": "sent"}]
    sent = chat_request(**BY_RESPONSES, chatHistory=history, toolResults=results, prompt=None)["input"]
    assert [item.get("type") for item in sent] == [None, "reasoning", "function_call", "function_call_output"]
    assert sent[1] == thought("gBBB")
    other = chat_request(chatHistory=history, toolResults=results, prompt=None)["messages"]
    assert "gBBB" not in json.dumps(other)
    assert [message["role"] for message in other] == ["user", "assistant", "tool"]


def test_reasoning_alone_is_nothing_said() -> None:
    """Reasoning that led to no answer does not begin a message."""
    extra = {"include": ["reasoning.encrypted_content"]}
    assert output(body_of(thought()), extraBody=extra)["chatHistory"] == [USER]


def test_asking_again_shows_the_answer_and_what_was_wrong() -> None:
    """The second request is the first with the answer, and what was wrong, as input items."""
    task = chat(**BY_RESPONSES, responseFormat="json_object", repair=True)
    asked = task.request_body()
    answer = task.read_answer(asked, body_of(said("no JSON")))
    assert answer.shortfall is not None
    again = task.body_to_ask_again(asked, answer.output, answer.shortfall)
    assert again is not None
    assert again["input"][:2] == [USER, {"role": "assistant", "content": "no JSON"}]
    assert again["input"][2]["role"] == "user"
    assert again | {"input": []} == asked | {"input": []}


ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "content", "phase", "call_id", "name", "arguments", "text", "refusal", "role"]
            ),
            inner | st.sampled_from(["message", "function_call", "output_text", "refusal", "final_answer"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(ITEMS, max_size=4), st.sampled_from(["completed", "incomplete", "x"]))
def test_any_output_is_read_or_refused(items: list[Any], status: str) -> None:
    """Whatever a server puts into its output, it is no answer, or it is read, and its history goes on."""
    body = body_of(*items, status=status)
    if chat(**BY_RESPONSES).missing_in(body) is None:
        history = output(body)["chatHistory"]
        for api in ("chatCompletions", "responses"):
            chat_request(chatHistory=history, api=api)
