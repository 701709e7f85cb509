"""What a span says of a call, by OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from openai_connector.observe.events import Call, Content
from openai_connector.observe.metrics import provider_of
from openai_connector.observe.tracing import names as n

Value = str | int | float | bool | Sequence[str]

LONGEST: Final = 1000
"""Characters of a name, a code or an id."""
MOST_REASONS: Final = 16
MOST_CONTENT: Final = 32_000
"""Characters of an attribute with content; the last messages are kept, for they tell most."""
LEAST_PART: Final = 50
"""Characters that a part counts at least."""
LARGEST_READ: Final = 32_768
"""Bytes of a request that is read for its parameters alone."""
PARAMETERS: Final[Mapping[str, str]] = {
    "temperature": n.TEMPERATURE,
    "top_p": n.TOP_P,
    "max_tokens": n.MAX_TOKENS,
    "max_completion_tokens": n.MAX_TOKENS,
    "max_output_tokens": n.MAX_TOKENS,
    "frequency_penalty": n.FREQUENCY_PENALTY,
    "presence_penalty": n.PRESENCE_PENALTY,
    "n": n.CHOICES,
}
_LARGEST: Final = 2**63


def short(text: str) -> str:
    """Return a text that can be sent: not too long, and without halves of characters."""
    if len(text) <= LONGEST and text.isascii():
        return text
    return text[:LONGEST].encode("utf-8", "replace").decode()


def name_of(call: Call) -> str:
    """Return the name of a call's span."""
    return short(f"{call.operation} {call.model}".strip() or "call")


@lru_cache(maxsize=1000)
def of_call(call: Call) -> Mapping[str, Value]:
    """Return what is known of a call before it is sent."""
    provider = provider_of(call.host)
    known: dict[str, Value] = {n.OPERATION: call.operation, n.PROVIDER: provider, n.SYSTEM: provider}
    if call.model:
        known[n.MODEL] = short(call.model)
    try:
        parts = urlsplit(f"//{call.host}")
        known[n.SERVER] = short(parts.hostname or "")
        if parts.port is not None:
            known[n.PORT] = parts.port
    except ValueError:
        known.setdefault(n.SERVER, short(call.host))
    return known


def of_request(content: Content, *, is_shown: bool) -> Mapping[str, Value]:
    """Return what a request asks for, with its content where that is shown."""
    body = _read(content.body, LARGEST_READ if not is_shown else None)
    found: dict[str, Value] = {}
    for key in PARAMETERS.keys() & body:
        if (value := _number(body[key])) is not None:
            found[PARAMETERS[key]] = value
    if is_shown:
        masked = content.redaction.value(body)
        instructions = masked.get("instructions")
        if isinstance(instructions, str):
            found[n.INSTRUCTIONS] = _json(list(_parts(instructions)))
        asked = masked.get("messages", masked.get("input"))
        if asked is not None:
            found[n.MESSAGES_IN] = _json(_fitting(list(_messages(asked))))
    return found


def of_answer(
    content: Content, counted: tuple[int | None, int | None], *, is_shown: bool
) -> Mapping[str, Value]:
    """Return what an answer tells, with its content where that is shown."""
    found: dict[str, Value] = {}
    for name, count in zip((n.TOKENS_IN, n.TOKENS_OUT), counted, strict=True):
        if count is not None:
            found[name] = count
    body = content.body
    if not isinstance(body, Mapping):
        return found
    for name, text in ((n.RESPONSE_ID, body.get("id")), (n.RESPONSE_MODEL, body.get("model"))):
        if isinstance(text, str):
            found[name] = short(content.redaction.text(text[:LONGEST]))
    reasons = [short(content.redaction.text(text)) for text in _reasons(body)]
    if reasons:
        found[n.FINISH_REASONS] = reasons
    found |= _details(body.get("usage"))
    if is_shown:
        found[n.MESSAGES_OUT] = _json(_fitting(list(_answers(content.redaction.value(body)))))
    return found


def _read(body: Any, most: int | None) -> Mapping[str, Any]:
    """Read a request; empty where it is no JSON object, or too large to be read for little."""
    if not isinstance(body, bytes) or (most is not None and len(body) > most):
        return {}
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _number(value: Any) -> int | float | None:
    """Return a number that can be sent."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, float) or -_LARGEST <= value < _LARGEST else None


def _reasons(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a model ended: of each choice, or of a response of the Responses API."""
    choices = body.get("choices")
    for choice in choices[:MOST_REASONS] if isinstance(choices, list) else ():
        reason = choice.get("finish_reason") if isinstance(choice, Mapping) else None
        if isinstance(reason, str):
            yield reason[:LONGEST]
    details, status = body.get("incomplete_details"), body.get("status")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    if isinstance(reason, str):
        yield reason[:LONGEST]
    elif isinstance(status, str):
        yield status[:LONGEST]


def _details(usage: Any) -> dict[str, Value]:
    """Return how many of the tokens were cached, and thought with."""
    found: dict[str, Value] = {}
    for name, key, sides in (
        (n.TOKENS_CACHED, "cached_tokens", ("prompt_tokens_details", "input_tokens_details")),
        (n.TOKENS_REASONING, "reasoning_tokens", ("completion_tokens_details", "output_tokens_details")),
    ):
        for side in sides:
            details = usage.get(side) if isinstance(usage, Mapping) else None
            count = _number(details.get(key)) if isinstance(details, Mapping) else None
            if count is not None:
                found[name] = int(count)
    return found


# Content


def _messages(asked: Any) -> Iterator[dict[str, Any]]:
    """Yield messages as the conventions write them, of Chat Completions and the Responses API."""
    for item in asked if isinstance(asked, list) else [asked]:
        given: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
        match item:
            case str():
                yield {"role": "user", "parts": list(_parts(item))}
            case {"type": "function_call_output"}:
                yield {"role": "tool", "parts": [_result(given.get("call_id"), given.get("output"))]}
            case {"type": "function_call"}:
                yield {"role": "assistant", "parts": [_tool_call(given.get("call_id"), given)]}
            case {"role": "tool"}:
                yield {"role": "tool", "parts": [_result(given.get("tool_call_id"), given.get("content"))]}
            case {"role": str(role)}:
                yield {"role": role, "parts": [*_parts(given.get("content")), *_tool_calls(given)]}
            case Mapping():
                yield {"role": "user", "parts": list(_parts([item]))}


def _answers(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a model has answered as the conventions write it."""
    choices, output = body.get("choices"), body.get("output")
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if isinstance(message, Mapping):
            parts = [*_parts(message.get("content")), *_parts(message.get("refusal")), *_tool_calls(message)]
            yield {"role": "assistant", "parts": parts, "finish_reason": choice.get("finish_reason")}
    if isinstance(output, list):
        reason = next(_reasons(body), None)
        said = [item for item in output if isinstance(item, Mapping) and item.get("type") != "reasoning"]
        yield from ({**message, "finish_reason": reason} for message in _messages(said))


def _parts(content: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a message; pictures, sounds and files are named, not shown."""
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str():
                yield {"type": "text", "content": part}
            case {"text": str(text)} | {"refusal": str(text)}:
                yield {"type": "text", "content": text}
            case {"type": str(kind)}:
                yield {"type": kind}


def _tool_calls(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield _tool_call(call.get("id"), function)


def _tool_call(id_: Any, function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": id_,
        "name": function.get("name"),
        "content": str(function.get("arguments")),
    }


def _result(id_: Any, content: Any) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {"type": "tool_call_response", "id": id_, "content": text}


CONTENT_KEYS: Final[Mapping[str, str]] = {"tool_call": "arguments", "tool_call_response": "response"}
"""What the conventions call the content of a part, where that is not its name."""


def _fitting(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last messages that fit, with texts cut where they must be."""
    left = MOST_CONTENT
    kept: list[dict[str, Any]] = []
    for message in reversed(messages):
        if left <= 0:
            break
        parts: list[dict[str, Any]] = []
        for part in message["parts"]:
            if left <= 0:
                break
            text = part.pop("content", None)
            if text is not None:
                part[CONTENT_KEYS.get(part["type"], "content")] = (
                    text if len(text) <= left else text[:left] + "…"
                )
            left -= max(len(text or ""), LEAST_PART)
            parts.append(part)
        kept.append({**message, "parts": parts})
    return kept[::-1]


def _json(value: Any) -> str:
    """Write a value; what is half a character cannot be sent."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
