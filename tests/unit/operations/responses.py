"""Makes answers of the Responses API, and the inputs of tasks that go by it."""

from __future__ import annotations

from typing import Any

BY_RESPONSES = {"api": "responses"}


def body_of(*items: Any, **more: Any) -> dict[str, Any]:
    """Make the body of a response with these output items."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795651200,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-6-luna",
        "output": list(items),
        "usage": {
            "input_tokens": 1200,
            "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 256},
            "total_tokens": 1500,
        },
        **more,
    }


def failed(code: Any, message: str = "m", **more: Any) -> dict[str, Any]:
    """Make the body of a response that failed."""
    return body_of(status="failed", error={"code": code, "message": message}, **more)


def said(text: str, **more: Any) -> dict[str, Any]:
    """Make an item in which the model says something."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [part], **more}


def refused(text: str) -> dict[str, Any]:
    """Make an item in which the model refuses."""
    part = {"type": "refusal", "refusal": text}
    return {"type": "message", "id": "msg_2", "role": "assistant", "content": [part]}


def thought(encrypted: str = "gAAA") -> dict[str, Any]:
    """Make an item of reasoning."""
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted}


def called(name: str = "find_order", arguments: Any = '{"id":"A1"}', call: str = "call_1") -> dict[str, Any]:
    """Make an item in which the model calls a tool."""
    return {"type": "function_call", "id": "fc_1", "call_id": call, "name": name, "arguments": arguments}
