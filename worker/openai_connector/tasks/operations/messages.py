"""The messages of a conversation.

System message, history and prompt, made into the list that the API takes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator

from openai_connector import wording
from openai_connector.document import parse_json
from openai_connector.tasks.operations.fields import (
    SHOWN_CHARACTERS,
    is_content_parts,
    is_given,
    kind_of,
    violation,
)
from openai_connector.tasks.operations.responses_items import REASONING, as_messages
from openai_connector.tasks.operations.tools import with_results

ROLES = ("system", "developer", "user", "assistant", "tool")
STANDS_FOR_CONTENT = ("tool_calls", "refusal", "function_call", "audio")
"""Keys of an assistant's message with which its content may be null."""

_NOT_PRIVATE = ("type", "tool_call_id", "call_id", REASONING)
"""Keys whose values an error may well name, or that nobody can read."""

Message = dict[str, Any]


def _read_history(value: Any) -> list[Message] | None:
    if not is_given(value):
        return None
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError as error:
            raise violation(wording.HISTORY_NO_JSON(problem=error), private=True) from None
    if not isinstance(value, list):
        hint = "; put it into brackets: =[message]" if isinstance(value, dict) else ""
        raise violation(
            'must be a list of messages such as {role: "user", content: "..."}, not ' + kind_of(value) + hint,
            private=True,
        )
    value = as_messages(value)
    for position, message in enumerate(value, 1):
        problem = _problem(message)
        if problem:
            raise violation(wording.HISTORY_MESSAGE(position=position, problem=problem), private=True)
    return [dict(message) for message in value]


def _problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return wording.MESSAGE_KIND(kind=kind_of(message))
    role = message.get("role")
    if role not in ROLES:
        got = f"'{role[:SHOWN_CHARACTERS]}'" if isinstance(role, str) else kind_of(role)
        return wording.MESSAGE_ROLE(roles=f"{', '.join(ROLES[:-1])} or {ROLES[-1]}", shown=got)
    content = message.get("content")
    if isinstance(content, str) or is_content_parts(content):
        return None
    if content is None:
        if any(is_given(message.get(key)) for key in STANDS_FOR_CONTENT):
            return None
        return wording.MESSAGE_NO_CONTENT()
    return wording.MESSAGE_CONTENT(kind=kind_of(content))


history = BeforeValidator(_read_history)
"""A chat history: a list of messages of either API, or its JSON text. Unknown keys of a message pass."""


def conversation(
    system: Any, history: list[Message] | None, prompt: Any, results: list[Message] | None = None
) -> list[Message]:
    """Return the conversation as messages; there may be results of tools in place of a prompt.

    A system message that already stands in the history, word for word, stays there and is not sent twice: a
    history that an earlier task gave back as `output.chatHistory` begins with it.
    """
    messages = with_results(history or [], results) if results else list(history or ())
    if system is not None and not any(m["role"] == "system" and m.get("content") == system for m in messages):
        messages.insert(0, {"role": "system", "content": system})
    if prompt is not None or not results:
        messages.append({"role": "user", "content": prompt})
    return messages


def without_reasoning(messages: list[Message]) -> list[Message]:
    """Return messages as Chat Completions takes them: it knows no reasoning items."""
    return [
        {key: value for key, value in message.items() if key != REASONING}
        if REASONING in message
        else message
        for message in messages
    ]


def texts_of(messages: list[Message]) -> list[str]:
    """Collect every text of the messages, however deep (tool calls, content parts)."""
    texts: list[str] = []
    pending: list[Any] = [{key: part for key, part in m.items() if key != "role"} for m in messages]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            pending.extend(part for key, part in value.items() if key not in _NOT_PRIVATE)
        elif isinstance(value, list):
            pending.extend(value)
    return texts
