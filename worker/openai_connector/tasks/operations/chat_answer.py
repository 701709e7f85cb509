"""A chat answer: what its choices say, and whether that is what was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import (
    ANSWER_EMPTY,
    ANSWER_FILTERED,
    ANSWER_NOT_JSON,
    ANSWER_OFF_SCHEMA,
    ANSWER_REFUSED,
    ANSWER_TRUNCATED,
)
from openai_connector.document import parse_json
from openai_connector.openai_api import is_failed_choice
from openai_connector.tasks.operations.fields import (
    is_content_parts,
    is_given,
    json_text,
    kind_of,
    scalar_text,
)
from openai_connector.tasks.operations.messages import ROLES, Message
from openai_connector.tasks.operations.operation import Shortfall
from openai_connector.tasks.operations.response_format import JSON_OBJECT, format_asked, schema_asked
from openai_connector.tasks.operations.responses_items import REASONING
from openai_connector.tasks.operations.schema import broken_rule
from openai_connector.tasks.operations.tools import calls_of

TRUNCATED: Final = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "max_length",
        "model_length",
        "context_length",
        "context_length_exceeded",
        "model_context_window_exceeded",
        "token_limit",
        "abort",
        "aborted",
        "cancelled",
        "canceled",
        "interrupted",
        "insufficient_system_resource",
    }
)
"""`finish_reason` of an answer that is cut off: OpenAI's, and those of other vendors."""
FILTERED: Final = frozenset(
    {
        "content_filter",
        "content_filtered",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "guardrail_intervened",
        "sensitive",
    }
)
REFUSED: Final = frozenset({"refusal", "refused"})
_NOT_SAID: Final = ("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text", "refusal")
"""Types of content parts whose text is no part of the answer's."""
_TEXT_PARTS: Final = ("text", "output_text")
_PARTS: Final = frozenset(
    {
        *_NOT_SAID,
        *_TEXT_PARTS,
        *(
            f"{way}{kind}"
            for way in ("", "input_", "output_")
            for kind in ("image", "audio", "video", "file")
        ),
        *("image_url", "video_url", "audio_url", "file_url", "tool_use", "tool_call", "function_call"),
    }
)
"""Types of content parts."""
OTHER_ITEMS: Final = "other_items"
"""Key of what an answer of the Responses API holds for the caller beside messages and calls of functions."""
_CALLS: Final = ("tool_calls", "function_call")
_FENCES: Final = ("```", "~~~")
_LABEL: Final = re.compile(r"[ \t]*([A-Za-z.]|\{[ \t]*[.#]|\r?$)")
"""What may stand behind the opening fence: `json`, `json title="x"`, `{.json}`."""


def message_of(choice: Any) -> Mapping[str, Any] | None:
    """Return a choice's message; None where it has none that can be read, or an error instead."""
    if not isinstance(choice, dict) or is_failed_choice(choice):
        return None
    message = choice.get("message")
    if not isinstance(message, dict) or not _is_understood(message.get("content")):
        return None
    return message


def finish_reason(choice: Mapping[str, Any]) -> str:
    """Return why the model ended, in small letters; empty where that is not told."""
    reason = choice.get("finish_reason")
    return reason.strip().lower() if isinstance(reason, str) else ""


def in_order(choices: list[Any]) -> list[Mapping[str, Any]]:
    """Return the choices in the order of their index, or as they came."""

    def position(numbered: tuple[int, Mapping[str, Any]]) -> tuple[float, int]:
        place, choice = numbered
        index = choice.get("index")
        return (index if isinstance(index, int) else place, place)

    readable = [choice if isinstance(choice, dict) else {} for choice in choices]
    return [choice for _, choice in sorted(enumerate(readable), key=position)]


def _is_understood(content: Any) -> bool:
    """Check whether content is a text, a scalar, an object, or a list with something of these in it."""
    return (
        not isinstance(content, list) or not content or is_json_content(content) or any(map(_says, content))
    )


def _says(item: Any) -> bool:
    """Check whether an item of a list is a part of a message, or a piece of its text."""
    return (
        scalar_text(item) is not None
        or isinstance(item, dict)
        or (isinstance(item, list) and any(map(_says, item)))
    )


def text_of(content: Any) -> str | None:
    """Return the text of a message's content, whatever type a server gives it.

    Numbers and booleans are written as JSON has them, an object as JSON text; of content parts, the texts
    are joined (not those of a model's thinking).
    """
    if isinstance(content, str):
        return content
    if is_json_content(content):
        return json_text(content)
    if isinstance(content, dict):
        return _part_text(content)
    if isinstance(content, list):
        texts = [_part_text(part) if isinstance(part, dict) else text_of(part) for part in content]
        return "".join(text for text in texts if text is not None)
    return scalar_text(content)


def is_json_content(content: Any) -> bool:
    """Check whether content is a JSON object or array of its own, not made of parts of a message."""
    if isinstance(content, dict):
        return content.get("type") not in _TEXT_PARTS or _part_text(content) is None
    return isinstance(content, list) and bool(content) and all(map(_is_data, content))


def _is_data(item: Any) -> bool:
    """Check whether an item of a list is JSON of its own: a number, or an object that is no known part."""
    if isinstance(item, dict):
        return str(item.get("type")) not in _PARTS and _part_text(item) is None
    return isinstance(item, (int, float))


def _part_text(part: Any) -> str | None:
    """Return the text of a content part: `text`, or `text.value` as some servers have it."""
    if not isinstance(part, dict) or part.get("type") in _NOT_SAID:
        return None
    text = part.get("text")
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else None


def _stands_for_text(message: Mapping[str, Any]) -> bool:
    """Check whether a message is an answer without any text: a call, sound, images, or what else was made."""
    function, audio = message.get("function_call"), message.get("audio")
    return (
        any(
            isinstance(item, dict) and item
            for key in ("tool_calls", "images", OTHER_ITEMS)
            for item in _items(message, key)
        )
        or (isinstance(function, dict) and is_given(function.get("name")))
        or (isinstance(audio, dict) and any(is_given(audio.get(key)) for key in ("id", "data", "transcript")))
    )


def _items(message: Mapping[str, Any], key: str) -> list[Any]:
    value = message.get(key)
    return value if isinstance(value, list) else []


def refusal_of(message: Mapping[str, Any]) -> str | None:
    """Return the words of a refusal; compatible servers send an empty text where there is none."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return refusal
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    said = [part.get("refusal") for part in parts if isinstance(part, dict) and part.get("type") == "refusal"]
    return "".join(text for text in said if isinstance(text, str)) or None


def said_in(message: Mapping[str, Any]) -> Message | None:
    """Return an answer as the next chat history takes it; None when nothing was said or called."""
    role = message.get("role")
    content = message.get("content")
    if not is_content_parts(content):
        content = text_of(content)
    refusal = refusal_of(message)
    calls = calls_of(message)
    if content is None and refusal is None and not calls:
        return None
    said = {
        "role": role if role in ROLES and not calls else "assistant",
        "content": content if content or refusal is None else refusal,
    }
    if refusal is not None:
        said["refusal"] = refusal
    if calls:
        said["tool_calls"] = calls
    return said | {REASONING: message[REASONING]} if message.get(REASONING) else said


# JSON


def read_json(text: str) -> Any:
    """Read the JSON that a text is: after a byte order mark, or with a Markdown fence around the whole.

    Raises:
        ValueError: it is none.
    """
    bare = text.strip("\ufeff \t\r\n")
    return parse_json(_without_fence(bare))


def _without_fence(text: str) -> str:
    mark = text[:3]
    if mark not in _FENCES:
        return text
    length = len(text) - len(text.lstrip(mark[0]))
    fence = mark[0] * length
    if len(text) < 2 * length or not text.endswith(fence):
        return text
    inside = text[length:-length]
    first, _, rest = inside.partition("\n")
    if not rest:  # all on one line
        first, rest = "", inside.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    is_label = _LABEL.match(first) is not None
    return (rest if is_label else inside).strip("\ufeff \t\r\n" + mark[0])


# Conditions


def shortfall_of(
    request_body: Mapping[str, Any],
    choice: Mapping[str, Any],
    message: Mapping[str, Any],
    text: str | None,
    value: Any,
    problem: str | None,
) -> Shortfall | None:
    """Return how the first choice of an answer is other than it was asked for.

    Args:
        request_body: what was asked.
        choice: the choice.
        message: its message.
        text: what it says.
        value: the same, read as JSON, where that was asked for.
        problem: why it could not be read as JSON.
    """
    reason = finish_reason(choice)
    if reason in FILTERED:
        return Shortfall(ANSWER_FILTERED, wording.ANSWER_FILTERED(reason=reason))
    if reason in REFUSED or refusal_of(message) is not None:
        return Shortfall(ANSWER_REFUSED, wording.ANSWER_REFUSED())
    if reason in TRUNCATED:
        said = wording.ANSWER_TRUNCATED if is_given(text) else wording.ANSWER_TRUNCATED_UNSAID
        return Shortfall(ANSWER_TRUNCATED, said(reason=reason), can_ask_again=True)
    if _stands_for_text(message) and (reason in _CALLS or not is_given(text)):
        return None
    if not is_given(text):
        return Shortfall(ANSWER_EMPTY, wording.ANSWER_EMPTY(), can_ask_again=True)
    return None if format_asked(request_body) is None else _of_json(request_body, value, problem)


def _of_json(request_body: Mapping[str, Any], value: Any, problem: str | None) -> Shortfall | None:
    if problem is not None:
        return Shortfall(ANSWER_NOT_JSON, wording.ANSWER_NOT_JSON(problem=problem), can_ask_again=True)
    schema = schema_asked(request_body)
    if schema is not None:
        broken = broken_rule(schema, value)
        return None if broken is None else _off_schema(*broken)
    if format_asked(request_body) == JSON_OBJECT and not isinstance(value, dict):
        said = wording.ANSWER_NO_OBJECT(kind=kind_of(value))
        return Shortfall(ANSWER_OFF_SCHEMA, said, can_ask_again=True)
    return None


def _off_schema(place: str, rule: str) -> Shortfall:
    if not rule:
        said = wording.ANSWER_OFF_SCHEMA()
    elif not place:
        said = wording.ANSWER_BREAKS_RULE(rule=rule)
    else:
        said = wording.ANSWER_BREAKS_RULE_AT(place=place, rule=rule)
    return Shortfall(ANSWER_OFF_SCHEMA, said, can_ask_again=True)


HOW_TO_DO_BETTER: Final[Mapping[str, Callable[..., str]]] = {
    ANSWER_EMPTY: wording.AGAIN_EMPTY,
    ANSWER_TRUNCATED: wording.AGAIN_TRUNCATED,
    ANSWER_NOT_JSON: wording.AGAIN_JSON,
    ANSWER_OFF_SCHEMA: wording.AGAIN_JSON,
}
"""What the model is told when it is asked again."""
