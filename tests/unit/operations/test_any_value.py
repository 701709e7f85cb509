"""Whatever a process holds in its variables.

Inputs are read or refused in words, and an answer is never lost.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.document import encode_document, parse_json
from openai_connector.openai_api import encode_body
from openai_connector.tasks.operations import INPUT_NAMES, Chat, InvalidInputsError, read_inputs
from tests.unit.operations.reading import CHAT, chat_request, moderation, variables

texts = st.text(st.characters(codec=None, categories=None), max_size=20)  # lone surrogates too
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
words = st.sampled_from(
    ["chat", "moderation", "custom", "json_schema", "json_object", "user", "assistant", "role", "content", "0.5", "5",
     "PT5S", "https://x/v1", "{{secrets.A}}", "[]", "{}", "null", "\x00", "a\r\nb: c"]
)  # fmt: skip
parts = st.fixed_dictionaries({"type": texts}, optional={"text": texts})
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]) | words},
    optional={
        "content": texts | st.none() | st.lists(parts, max_size=2),
        "refusal": texts,
        "tool_calls": st.just([]),
    },
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | texts, inner, max_size=3),
    max_leaves=8,
)
anything = values | st.lists(messages, max_size=3)


def check(inputs: dict[str, Any]) -> None:
    """Read inputs: the only error is one that says what is wrong; what is accepted can be sent."""
    violations: list[str] = []
    try:
        _, operation = read_inputs(inputs)
    except InvalidInputsError as error:
        violations = error.violations
        assert violations  # either way is fine
    else:
        encode_body(operation.request_body())
        assert all(isinstance(text, str) for text in operation.private_texts())
    assert all(message.strip() and len(message) < 600 for message in violations)


@given(st.dictionaries(st.sampled_from(INPUT_NAMES), anything))
@settings(max_examples=100, deadline=None)
def test_any_inputs_are_read_or_refused(given_: dict[str, Any]) -> None:
    """No JSON value in any input raises anything but InvalidInputsError, and what is accepted can be sent."""
    base = variables(CHAT | {"moderationInput": "x"})
    for inputs in (given_, base | given_):
        check(inputs)


@pytest.mark.parametrize("name", INPUT_NAMES)
@given(value=anything)
@settings(max_examples=10, deadline=None)
def test_any_value_of_one_input_is_read_or_refused(name: str, value: Any) -> None:
    """Beside good inputs, each input alone is read or refused in words."""
    check(variables(CHAT | {"moderationInput": "x"}) | {name: value})


choices = st.fixed_dictionaries(
    {
        "message": st.dictionaries(
            st.sampled_from(["role", "content", "refusal", "tool_calls"]), anything, max_size=4
        )
    },
    optional={"index": scalars, "finish_reason": values},
)


def is_hollow(content: Any) -> bool:
    """Whether content is a list of nulls and of lists of such: nobody can tell what it should be."""
    return (
        isinstance(content, list) and bool(content) and all(item is None or is_list(item) for item in content)
    )


def is_list(item: Any) -> bool:
    """Whether an item is a list in which nothing is said."""
    return isinstance(item, list) and all(inner is None or is_list(inner) for inner in item)


@given(
    answer=st.lists(choices, min_size=1, max_size=3),
    rest=st.dictionaries(st.sampled_from(["usage", "model", "id"]), values),
    history=st.lists(messages, max_size=3),
    prompt=texts | st.lists(parts, min_size=1, max_size=2),
)
@settings(max_examples=100, deadline=None)
def test_the_chat_history_can_always_be_fed_back(answer: Any, rest: Any, history: Any, prompt: Any) -> None:
    """Whatever the server calls an answer, its output is JSON, and its history a good history."""
    try:
        _, task = read_inputs(
            variables(CHAT | {"prompt": prompt, "chatHistory": history, "systemMessage": "S"})
        )
    except InvalidInputsError:
        return
    assert isinstance(task, Chat)
    body = {"choices": answer, **rest}
    if all(is_hollow(choice["message"].get("content")) for choice in answer):
        assert task.missing_in(body) is not None
        return
    assert task.missing_in(body) is None
    output = task.output(task.request_body(), body)
    encode_document(output)
    said = output["chatHistory"]
    assert chat_request(chatHistory=said, systemMessage="S")["messages"] == [
        *said,
        {"role": "user", "content": "Hello"},
    ]
    assert len(output["responses"]) == len(answer)
    assert all(text is None or isinstance(text, str) for text in output["responses"])


@given(values)
@settings(max_examples=60, deadline=None)
def test_any_moderation_answer_is_read_or_refused(result: Any) -> None:
    """A moderation answer of any shape lacks results, or gives an output that is JSON."""
    task = moderation()
    for body in (
        result,
        {"results": [result]},
        {"results": [{"categories": result, "category_scores": result}]},
    ):
        if task.missing_in(body) is None:
            output = task.output(task.request_body(), body)
            assert isinstance(output["flagged"], bool)
            assert (
                parse_json(encode_document(output))["categoryScores"].keys()
                == output["categoryScores"].keys()
            )
