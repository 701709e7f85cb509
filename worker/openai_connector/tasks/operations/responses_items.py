"""Items of the Responses API, as a chat history may hold them, read as messages of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

REASONING: Final = "reasoning_items"
"""Key of an assistant's message: encrypted reasoning that the Responses API gave, and takes back."""
_CALLS: Final = {
    "function_call": ("function", "arguments"),
    "custom_tool_call": ("custom", "input"),
}
"""Types of calls, their type in Chat Completions, and what both call the text that is handed over."""
_RESULTS: Final = ("function_call_output", "custom_tool_call_output")
_TEXTS: Final = ("input_text", "output_text")

Message = dict[str, Any]


def as_messages(history: list[Any]) -> list[Any]:
    """Return a history whose items of the Responses API are messages; all else in it stays as it is.

    The calls of one turn become one message, together with what was said before them and the reasoning that
    led to them.
    """
    messages: list[Any] = []
    thought: list[Any] = []
    is_open = False  # the last message is the model's, of this turn
    for item in history:
        kind = _kind(item)
        if kind == "reasoning":
            thought.append(dict(item))
            is_open = False
            continue
        message = _message(item, kind)
        if kind in _CALLS and is_open:
            messages[-1].setdefault("tool_calls", []).extend(message["tool_calls"])
            continue
        if thought and isinstance(message, dict) and message.get("role") == "assistant":
            message[REASONING] = thought
            thought = []
        messages.append(message)
        is_open = kind is not None and isinstance(message, dict) and message.get("role") == "assistant"
    return messages


def _kind(item: Any) -> str | None:
    """Return the type of an item of the Responses API; None for anything else."""
    if not isinstance(item, Mapping):
        return None
    kind = item.get("type")
    if kind == "message":
        return kind if "role" in item else None
    known = kind in _CALLS or kind in _RESULTS or kind == "reasoning" if isinstance(kind, str) else False
    return str(kind) if known and "role" not in item else None


def _message(item: Any, kind: str | None) -> Any:
    if kind is None:
        return item
    if kind in _CALLS:
        of, text = _CALLS[kind]
        called = {"name": item.get("name"), text: item.get(text)}
        call = {"id": item.get("call_id") or item.get("id"), "type": of, of: called}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if kind in _RESULTS:
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": _content(item.get("output"))}
    return {"role": item["role"], "content": _content(item.get("content"))}


def _content(content: Any) -> Any:
    """Return a content with its parts as Chat Completions has them; one text alone is a text."""
    if not isinstance(content, list):
        return content
    parts = [_part(part) for part in content]
    is_one_text = len(parts) == 1 and isinstance(parts[0], Mapping) and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if is_one_text else parts


def _part(part: Any) -> Any:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in _TEXTS:
        return {"type": "text", "text": part.get("text")}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"]} | ({"detail": part["detail"]} if "detail" in part else {})
        return {"type": "image_url", "image_url": image}
    if kind == "input_file" and "file_url" not in part:
        return {"type": "file", "file": {key: value for key, value in part.items() if key != "type"}}
    return part
