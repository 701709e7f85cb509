"""Chat by the Responses API: where each input goes, and what has no place there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.make import sentences_in
from tests.unit.operations.reading import CHAT, chat, chat_request, violations
from tests.unit.operations.responses import BY_RESPONSES

PLAIN = {"model": "gpt-6-luna", "input": [{"role": "user", "content": "Hello"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def request(**inputs: Any) -> dict[str, Any]:
    """Give the body that a task sends by the Responses API."""
    return chat_request(**BY_RESPONSES, **inputs)


def refusals(**inputs: Any) -> list[str]:
    """Give what is wrong with a task that goes by the Responses API."""
    return violations(CHAT | BY_RESPONSES | inputs)


@pytest.mark.parametrize("spelled", ["responses", " Responses ", "RESPONSES"])
def test_a_bare_task_sends_model_and_input_only(spelled: str) -> None:
    """Nothing is added that the task did not give, however the API is spelled."""
    task = chat(api=spelled)
    assert (task.asked_path, task.request_body()) == ("/responses", PLAIN)


@pytest.mark.parametrize("nothing", [None, "", "chatCompletions", "CHATCOMPLETIONS"])
def test_chat_completions_are_the_default(nothing: object) -> None:
    """Without a choice a task goes as it ever did."""
    task = chat(api=nothing)
    assert task.asked_path == "/chat/completions"
    assert task.request_body() == {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"topP": 0.9}, {"top_p": 0.9}),
        ({"maxTokens": 100}, {"max_output_tokens": 100}),
        ({"maxTokens": 100, "maxTokensParameter": "max_completion_tokens"}, {"max_output_tokens": 100}),
        ({"reasoningEffort": "high"}, {"reasoning": {"effort": "high"}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"responseFormat": "json_object"}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"responseFormat": "json_schema", "jsonSchema": SCHEMA, "verbosity": "low"},
            {
                "text": {
                    "format": {"type": "json_schema", "name": "response", "strict": True, "schema": SCHEMA},
                    "verbosity": "low",
                }
            },
        ),
        (
            {"responseFormat": "json_schema", "jsonSchema": {"name": "n", "schema": SCHEMA}},
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        ),
        ({"extraBody": {"store": False, "stream": False}}, {"store": False, "stream": False}),
        (
            {"reasoningEffort": "low", "extraBody": {"reasoning": {"summary": "auto"}}},
            {"reasoning": {"effort": "low", "summary": "auto"}},
        ),
        (
            {"verbosity": "low", "extraBody": {"text": {"format": {"type": "json_object"}}}},
            {"text": {"verbosity": "low", "format": {"type": "json_object"}}},
        ),
        ({"extraBody": {"instructions": "Be brief."}}, {"instructions": "Be brief."}),
        ({"choices": 1, "frequencyPenalty": 0, "presencePenalty": "0"}, {}),
    ],
    ids=lambda value: "+".join(value) if value else "defaults",
)
def test_each_input_has_its_place(inputs: dict[str, Any], sent: dict[str, Any]) -> None:
    """A parameter goes where this API has it; what both the field and the extra body give is joined."""
    assert request(**inputs) == PLAIN | sent


@pytest.mark.parametrize(
    ("inputs", "label"),
    [
        ({"choices": 2}, "Choices to generate"),
        ({"frequencyPenalty": 0.5}, "Frequency penalty"),
        ({"presencePenalty": -1}, "Presence penalty"),
        ({"maxTokensParameter": "max_tokens"}, "Maximum tokens are sent as"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("needed", ["now", "8h"])
def test_an_input_without_a_place_is_refused(inputs: dict[str, Any], label: str, needed: str) -> None:
    """The field is named, and what else may be chosen, also where the API follows from the answer needed."""
    [message] = refusals(answerNeeded=needed, **inputs)
    assert message.startswith(label)
    leave = "INSTEAD_LEAVE" if needed == "now" else "INSTEAD_LEAVE_OR_NOW"
    assert sentences_in(message) >= {"RESPONSES_INPUT", leave}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("stop", ["END"], "INSTEAD_LEAVE"),
        ("seed", 0, "INSTEAD_LEAVE"),
        ("logit_bias", {}, "INSTEAD_LEAVE"),
        ("frequency_penalty", 0.1, "INSTEAD_LEAVE"),
        ("modalities", ["audio"], "INSTEAD_LEAVE"),
        ("prediction", {"type": "content"}, "INSTEAD_LEAVE"),
        ("max_tokens", 5, "INSTEAD_USE"),
        ("max_completion_tokens", 5, "INSTEAD_USE"),
        ("reasoning_effort", "low", "INSTEAD_USE"),
        ("verbosity", "low", "INSTEAD_USE"),
        ("response_format", {"type": "json_object"}, "INSTEAD_USE"),
        ("functions", [], "INSTEAD_USE"),
        ("function_call", "auto", "INSTEAD_SET"),
        ("logprobs", True, "INSTEAD_SET"),
        ("web_search_options", {}, "INSTEAD_SET"),
        ("input", "Hi", "RESPONSES_RESERVED"),
        ("background", True, "RESPONSES_RESERVED"),
        ("background", False, "RESPONSES_RESERVED"),
        ("background_options", {}, "RESPONSES_RESERVED"),
    ],
)
def test_the_extra_body_holds_what_the_api_has(name: str, value: object, said: str) -> None:
    """A parameter of the other API, or one that the worker sets, is named with what to do instead."""
    [message] = refusals(extraBody={name: value})
    assert f" {name}" in message
    assert said in sentences_in(message)


@pytest.mark.parametrize("name", ["model", "messages", "n", "stream"])
def test_the_extra_body_may_not_take_over(name: str) -> None:
    """What is reserved with the one API is reserved with the other."""
    assert len(refusals(extraBody={name: True})) == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"tool_choice": "required"},
        {"metadata": {str(number): "x" for number in range(16)}},
        {"service_tier": "flex"},
        {"previous_response_id": "resp_1", "truncation": "auto"},
        {"vendor_option": [1]},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_other_parameters_pass(extra: dict[str, Any]) -> None:
    """What this API has, or may have one day, is sent as it is."""
    assert request(extraBody=extra) == PLAIN | extra


# Messages


def test_messages_are_input_items_in_their_order() -> None:
    """System message, history and prompt keep their order and roles; a known system message comes once."""
    history = [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2", "refusal": None, "reasoning_content": "hm"},
    ]
    assert request(systemMessage="S", chatHistory=history)["input"] == [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Hello"},
    ]


@pytest.mark.parametrize(
    ("part", "item"),
    [
        ({"type": "text", "text": "a"}, {"type": "input_text", "text": "a"}),
        (
            {"type": "image_url", "image_url": {"url": "https://x"}},
            {"type": "input_image", "image_url": "https://x", "detail": "auto"},
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}},
            {"type": "input_image", "image_url": "data:,", "detail": "low"},
        ),
        (
            {"type": "image_url", "image_url": "https://x"},
            {"type": "input_image", "image_url": "https://x", "detail": "auto"},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:,"},
        ),
        ({"type": "file", "file": {"file_id": "f"}}, {"type": "input_file", "file_id": "f"}),
        ({"type": "input_text", "text": "a"}, {"type": "input_text", "text": "a"}),
        (
            {"type": "input_image", "file_id": "f", "detail": "high"},
            {"type": "input_image", "file_id": "f", "detail": "high"},
        ),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ),
    ],
    ids=["text", "image", "detail", "bare_url", "file", "file_id", "own_text", "own_image", "more_keys"],
)
@pytest.mark.parametrize("place", ["prompt", "systemMessage", "chatHistory"])
def test_content_parts_are_translated(part: dict[str, Any], item: dict[str, Any], place: str) -> None:
    """Each part has the form of this API; one that has it already passes."""
    given = {place: [{"role": "user", "content": [part]}] if place == "chatHistory" else [part]}
    sent = request(**given)["input"][-1 if place == "prompt" else 0]
    assert sent["content"] == [item]


@pytest.mark.parametrize("kind", ["input_audio", "audio", "video_url", "tool_use"])
@pytest.mark.parametrize("place", ["prompt", "systemMessage", "chatHistory"])
def test_content_without_a_place_is_refused(kind: str, place: str) -> None:
    """A part that this API has not, such as audio, is named, and so is the field that holds it."""
    part = {"type": kind, kind: {"data": "PRIVATE"}}
    [message] = refusals(
        **{place: [{"role": "user", "content": [part]}] if place == "chatHistory" else [part]}
    )
    assert kind in message
    assert "PRIVATE" not in message
    assert "RESPONSES_CONTENT" in sentences_in(message)


@pytest.mark.parametrize(
    ("message", "items"),
    [
        ({"content": [{"type": "text", "text": "a"}]}, [{"role": "assistant", "content": "a"}]),
        ({"content": [{"type": "output_text", "text": "a"}]}, [{"role": "assistant", "content": "a"}]),
        ({"content": None, "refusal": "No."}, [{"role": "assistant", "content": "No."}]),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, [{"role": "assistant", "content": "No."}]),
        (
            {"content": "a", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]},
            [
                {"role": "assistant", "content": "a"},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{"},
            ],
        ),
        (
            {"content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
            [{"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a":1}'}],
        ),
        (
            {
                "content": None,
                "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}],
            },
            [{"type": "custom_tool_call", "call_id": "1", "name": "f", "input": "x"}],
        ),
    ],
    ids=["parts", "output_text", "refusal", "refusal_part", "text_and_call", "object", "custom"],
)
def test_what_the_model_said_is_text_and_calls(message: dict[str, Any], items: list[Any]) -> None:
    """An assistant's message becomes its text and an item for each call."""
    history = [{"role": "assistant", **message}]
    assert request(chatHistory=history)["input"][:-1] == items


@pytest.mark.parametrize(
    ("calls", "kind"),
    [
        ([{"id": "1", "function": {"name": "f", "arguments": "{}"}}], "function_call_output"),
        ([{"id": "1", "type": "custom", "custom": {"name": "f", "input": ""}}], "custom_tool_call_output"),
    ],
    ids=["function", "custom"],
)
def test_results_in_the_history_are_outputs_of_their_calls(calls: list[Any], kind: str) -> None:
    """A message of a tool becomes the output of its call, of the same kind."""
    history = [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
    ]
    assert request(chatHistory=history)["input"][1] == {"type": kind, "call_id": "1", "output": "4"}


def test_a_result_of_no_call_is_refused() -> None:
    """A message of a tool that does not say which call it answers cannot be sent."""
    [message] = refusals(chatHistory=[{"role": "tool", "content": "4"}])
    assert "tool_call_id" in message


def test_the_audio_of_an_earlier_answer_is_refused() -> None:
    """An assistant's message that refers to sound has no place either."""
    [message] = refusals(chatHistory=[{"role": "assistant", "content": None, "audio": {"id": "a"}}])
    assert "RESPONSES_CONTENT" in sentences_in(message)


@pytest.mark.parametrize("needed", ["now", "nowKept", "day"])
def test_azure_has_no_such_choice(needed: str) -> None:
    """A deployment of Azure goes by Chat Completions, now; anything else is refused with the way that there is."""
    azure = {"azureResource": "r", "azureDeployment": "d", "azureApiVersion": "v"}
    given = {"operation": "chat", "prompt": "Hello", "answerNeeded": needed, **azure}
    [message] = violations(given | ({"api": "responses"} if needed == "now" else {}))
    assert sentences_in(message) & {"RESPONSES_AZURE", "AZURE_NOW"}
