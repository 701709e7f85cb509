"""A chat history may come from either API, and go on with either."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.operations.responses_items import as_messages
from openai_connector.tasks.operations.responses_request import input_items
from tests.unit.operations.reading import CHAT, chat_request, violations
from tests.unit.operations.responses import called, refused, said, thought

USER = {"role": "user", "content": "Hello"}


def call(name: str = "find_order", arguments: str = '{"id":"A1"}', call: str = "call_1") -> dict[str, Any]:
    """Make a call as Chat Completions has it."""
    return {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: Any, content: Any = None, **more: Any) -> dict[str, Any]:
    """Make an assistant's message with calls."""
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def output(text: Any = "sent", call: str = "call_1") -> dict[str, Any]:
    """Make an item with a tool's result."""
    return {"type": "function_call_output", "call_id": call, "output": text}


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([said("Hi")], [{"role": "assistant", "content": "Hi"}]),
        ([{"type": "message", "role": "user", "content": "Hi"}], [{"role": "user", "content": "Hi"}]),
        ([refused("No.")], [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]),
        ([called(), output()], [calling(call()), {"role": "tool", "tool_call_id": "call_1", "content": "sent"}]),
        (
            [said("One moment."), called(), called(call="call_2")],
            [calling(call(), call(call="call_2"), content="One moment.")],
        ),
        (
            [called(), output(), called(call="call_2")],
            [
                calling(call()),
                {"role": "tool", "tool_call_id": "call_1", "content": "sent"},
                calling(call(call="call_2")),
            ],
        ),
        ([thought(), called()], [calling(call(), reasoning_items=[thought()])]),
        (
            [thought("a"), called(), thought("b"), called(call="call_2")],
            [
                calling(call(), reasoning_items=[thought("a")]),
                calling(call(call="call_2"), reasoning_items=[thought("b")]),
            ],
        ),
        ([thought()], []),
        (
            [{"type": "custom_tool_call", "call_id": "1", "name": "f", "input": "x"}],
            [calling({"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}})],
        ),
        (
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "a"},
                        {"type": "input_image", "image_url": "https://x", "detail": "low"},
                        {"type": "input_file", "file_id": "f"},
                    ],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
                        {"type": "file", "file": {"file_id": "f"}},
                    ],
                }
            ],
        ),
    ],
    ids=[
        "said", "user", "refusal", "result", "calls_after_text", "two_turns", "reasoning", "reasoning_twice",
        "reasoning_alone", "custom", "parts",
    ],
)  # fmt: skip
def test_items_are_messages_for_chat_completions(items: list[Any], messages: list[Any]) -> None:
    """Each kind of item has its message; reasoning is sent to the API that gave it, and to no other."""
    assert as_messages(items) == messages
    sent = chat_request(chatHistory=items)["messages"]
    assert sent == [
        *({key: part for key, part in message.items() if key != "reasoning_items"} for message in messages),
        USER,
    ]


def test_the_output_of_an_answer_is_a_history() -> None:
    """What the API gave goes back to it, without the ids of its items, whole as far as it is reasoning."""
    items = [USER, thought(), said("One moment."), called(), output()]
    assert chat_request(api="responses", chatHistory=items, prompt="And?")["input"] == [
        USER,
        thought(),
        {"role": "assistant", "content": "One moment."},
        {"type": "function_call", "call_id": "call_1", "name": "find_order", "arguments": '{"id":"A1"}'},
        output(),
        {"role": "user", "content": "And?"},
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1"},
        {"type": "message", "content": "a"},
        {"type": ["function_call"]},
        {"type": None},
        {},
        {"type": "item_reference", "id": "x"},
    ],
    ids=str,
)
def test_other_items_are_refused_as_ever(item: dict[str, Any]) -> None:
    """An item that is no message, and cannot be one, is a violation that names its place."""
    [message] = violations(CHAT | {"chatHistory": [USER, item]})
    assert "message 2 must have the role" in message


def test_tool_results_find_calls_among_items() -> None:
    """A process that keeps the API's own items gives results for them, too."""
    sent = chat_request(
        chatHistory=[called()], toolResults=[{"id": "call_1", "content": "sent"}], prompt=None
    )
    assert [message["role"] for message in sent["messages"]] == ["assistant", "tool"]


TEXTS = st.text(min_size=1, max_size=5).filter(str.strip)
CALLS = st.builds(call, TEXTS, TEXTS, TEXTS)
MESSAGES = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "user"]), TEXTS
    )
    | st.builds(lambda content: {"role": "assistant", "content": content}, TEXTS)
    | st.builds(
        lambda calls, content: calling(*calls, content=content),
        st.lists(CALLS, min_size=1, max_size=3),
        TEXTS,
    )
    | st.builds(lambda of, content: {"role": "tool", "tool_call_id": of, "content": content}, TEXTS, TEXTS),
    max_size=6,
)


@given(MESSAGES)
def test_there_and_back_is_the_same(messages: list[Any]) -> None:
    """Messages that are made items, as the API gives them back, are the same messages again."""
    items = [{"type": "message", **item} if "role" in item else item for item in input_items(messages)]
    assert as_messages(items) == messages


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "call_id", "name", "output", "text", "image_url"]),
            inner
            | st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "assistant"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(ANY, max_size=4), st.sampled_from(["chatCompletions", "responses"]))
def test_any_history_is_sent_or_refused(items: list[Any], api: str) -> None:
    """Whatever a history holds, the task says what is wrong with it, or can be sent."""
    with contextlib.suppress(InvalidInputsError):
        chat_request(chatHistory=items, api=api)
