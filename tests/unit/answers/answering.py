"""Makes answers of a model, and reads them as a chat task does."""

from __future__ import annotations

from typing import Any

from openai_connector.tasks.operations.operation import ReadAnswer
from tests.unit.operations.reading import chat

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "stops": {
            "type": "array",
            "items": {"type": "object", "properties": {"minutes": {"type": "integer"}}},
        },
    },
    "required": ["city"],
    "additionalProperties": False,
}
AS_OBJECT: dict[str, Any] = {"responseFormat": "json_object"}
AS_SCHEMA: dict[str, Any] = {"responseFormat": "json_schema", "jsonSchema": SCHEMA}


def choice_of(content: Any, finish_reason: Any = "stop", **message: Any) -> dict[str, Any]:
    """Make a choice."""
    said = {"role": "assistant", "content": content, **message}
    return {"index": 0, "message": said, "finish_reason": finish_reason}


def body_of(*choices: Any) -> dict[str, Any]:
    """Make the body of a response."""
    return {"model": "m", "choices": list(choices), "usage": {"total_tokens": 3}}


def read(body: Any, **inputs: Any) -> ReadAnswer:
    """Read an answer as a chat task with these inputs does."""
    task = chat(**inputs)
    assert task.missing_in(body) is None
    return task.read_answer(task.request_body(), body)


def read_content(content: Any, finish_reason: Any = "stop", **inputs: Any) -> ReadAnswer:
    """Read an answer with one choice of this content."""
    return read(body_of(choice_of(content, finish_reason)), **inputs)
