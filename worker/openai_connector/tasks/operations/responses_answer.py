"""An answer of the Responses API, read as one of Chat Completions: one set of rules judges both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from openai_connector.openai_api import PENDING, state_of
from openai_connector.tasks.operations.chat_answer import FILTERED, OTHER_ITEMS, refusal_of, text_of
from openai_connector.tasks.operations.responses_items import REASONING

_FOR_THE_CALLER: Final = frozenset(
    {
        "image_generation_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)
"""Types of items that are an answer without any text."""
_COMMENTARY: Final = "commentary"
_FINAL: Final = "final_answer"


def pending_id(body: Any) -> str | None:
    """Return the id of a response that is not final yet."""
    identity = body.get("id") if isinstance(body, Mapping) and state_of(body) in PENDING else None
    return identity if isinstance(identity, str) and identity else None


def missing_in(body: Any) -> str | None:
    """Return what an answer lacks: it must have a list of output items, however empty."""
    if not isinstance(body, Mapping):
        return "output"
    items = body.get("output")
    if isinstance(items, list):
        is_readable = not items or any(isinstance(item, Mapping) for item in items)
        return None if is_readable else "item in its output that can be read"
    is_cut_off = items is None and state_of(body) == "incomplete"
    return None if is_cut_off or isinstance(body.get("output_text"), str) else "output"


def as_chat_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer in the shape of Chat Completions."""
    items = _items(body)
    said = _final(items)
    texts = [text for item in said if (text := text_of(item.get("content"))) is not None]
    if not items and isinstance(body.get("output_text"), str):
        texts = [body["output_text"]]
    refusals = [refusal for item in said if (refusal := refusal_of(item)) is not None]
    message = {
        "role": "assistant",
        "content": "".join(texts) if texts and (any(texts) or not refusals) else None,
        "refusal": "".join(refusals) or None,
        "tool_calls": [call for item in items if (call := _call(item)) is not None],
        REASONING: [item for item in items if _is_kept_reasoning(item)],
        OTHER_ITEMS: [item for item in items if str(item.get("type")) in _FOR_THE_CALLER],
    }
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(body, message)}
    return {"choices": [choice], "usage": body.get("usage"), "model": body.get("model")}


def without_encrypted(body: Any) -> Any:
    """Return a body without the encrypted reasoning, which may be large and is of no use to a process."""
    if not isinstance(body, Mapping) or not isinstance(body.get("output"), list):
        return body
    return {**body, "output": [_without_encrypted(item) for item in body["output"]]}


def _without_encrypted(item: Any) -> Any:
    if not isinstance(item, Mapping) or item.get("type") != "reasoning":
        return item
    return {key: value for key, value in item.items() if key != "encrypted_content"}


def _is_kept_reasoning(item: Mapping[str, Any]) -> bool:
    """Check whether an item is reasoning that the task asked for: else nothing encrypted is left of it."""
    return item.get("type") == "reasoning" and isinstance(item.get("encrypted_content"), str)


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    output = body.get("output")
    return [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []


def _final(items: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the messages of the final answer: no commentary, where the model says which is which."""
    messages = [item for item in items if item.get("type", "message") == "message"]
    final = [item for item in messages if item.get("phase") == _FINAL]
    return final or [item for item in messages if item.get("phase") != _COMMENTARY]


def _call(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a call of a function, or of a custom tool, as Chat Completions has it."""
    identity = item.get("call_id") or item.get("id")
    match item.get("type"):
        case "function_call":
            called = {"name": item.get("name"), "arguments": item.get("arguments")}
            return {"id": identity, "type": "function", "function": called}
        case "custom_tool_call":
            called = {"name": item.get("name"), "input": item.get("input")}
            return {"id": identity, "type": "custom", "custom": called}
        case _:
            return None


def _finish_reason(body: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    """Return why the model ended, in the words of Chat Completions."""
    if state_of(body) == "incomplete":
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return "content_filter" if str(reason) in FILTERED else "length"
    return "tool_calls" if message["tool_calls"] else "stop"
