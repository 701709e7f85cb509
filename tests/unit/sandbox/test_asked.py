"""What the sandbox and `try` show of the request that a task made."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.contract import JOB_TYPE
from openai_connector.tools.sandbox.asked import asked_by, lines_of
from tests.unit.operations.reading import CHAT, MODERATION, variables

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HISTORY = [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
RESULTS = [{"id": "1", "content": "sent"}]


@pytest.mark.parametrize(
    ("inputs", "path", "roles", "last"),
    [
        (CHAT, "/chat/completions", "1 messages (user) to gpt-6-luna", "Hello"),
        (CHAT | {"api": "responses"}, "/responses", "1 messages (user) to gpt-6-luna", "Hello"),
        (CHAT | {"answerNeeded": "8h"}, "/responses", "1 messages (user) to gpt-6-luna", "Hello"),
        (
            CHAT | {"chatHistory": HISTORY, "toolResults": RESULTS, "prompt": None, "api": "responses"},
            "/responses",
            "2 messages (function_call, function_call_output) to gpt-6-luna",
            "sent",
        ),
        (
            CHAT | {"chatHistory": HISTORY, "toolResults": RESULTS, "prompt": None},
            "/chat/completions",
            "2 messages (assistant, tool) to gpt-6-luna",
            "sent",
        ),
    ],
    ids=["chat", "responses", "kept", "results", "results_by_chat"],
)
def test_a_chat_is_shown_by_the_path_that_it_takes(
    inputs: dict[str, Any], path: str, roles: str, last: str
) -> None:
    """Path, number and kinds of the messages, and the last of them, whichever API the task goes by."""
    asked = asked_by(JOB_TYPE, variables(inputs))
    assert asked is not None
    assert lines_of(asked) == [("request", f"POST {path}, {roles}"), ("", f"the last: {last}")]


def test_a_moderation_is_shown_by_its_input() -> None:
    """A request without messages shows what it is about."""
    asked = asked_by(JOB_TYPE, variables(MODERATION | {"answerNeeded": "day"}))
    assert asked is not None
    assert lines_of(asked) == [("request", "POST /moderations"), ("", "input: Hello")]
