"""Sample answers and errors, on which expressions are tried before they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openai_connector.contract import (
    ANSWER_EMPTY,
    ANSWER_FILTERED,
    ANSWER_NOT_JSON,
    ANSWER_OFF_SCHEMA,
    ANSWER_REFUSED,
    ANSWER_TRUNCATED,
)
from openai_connector.outcome.mapping import error_object
from openai_connector.tasks.operations import Chat, Moderation
from openai_connector.tasks.task_type import AnswerError
from openai_connector.tools.diagrams.reads import Path

_CALL: Mapping[str, Any] = {"id": "call_1", "name": "stand-in", "arguments": {}, "argumentsValid": True}
# Of each operation, without the parts that are contexts: an expression that reads it has a value of the same
# type as with a real answer. The first is an ordinary one; no condition on an answer holds for all of them.
_ANSWERS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    Chat.name: tuple(
        {
            "body": {"choices": [{"message": {"content": text}, "finish_reason": reason}]},
            "output": {
                "text": text,
                "responses": [text],
                "finishReason": reason,
                "model": "stand-in",
                "condition": condition,
                "calls": calls,
                "toolCalls": [_CALL] if reason == "tool_calls" else [],
            },
        }
        for text, reason, condition, calls in (
            ("stand-in", "stop", "AS_ASKED", 1),
            ("yes", "length", "ANSWER_TRUNCATED", 2),
            ("no", "content_filter", "ANSWER_FILTERED", 1),
            ("", "tool_calls", "ANSWER_EMPTY", 2),
        )
    ),
    Moderation.name: tuple(
        {
            "body": {"results": [{"flagged": flagged}]},
            "output": {"flagged": flagged, "flaggedCategories": ["hate"] if flagged else []},
        }
        for flagged in (False, True)
    ),
}
_CONDITIONS = (
    ANSWER_EMPTY,
    ANSWER_TRUNCATED,
    ANSWER_REFUSED,
    ANSWER_FILTERED,
    ANSWER_NOT_JSON,
    ANSWER_OFF_SCHEMA,
)
_ERRORS = (("400", "Bad Request"), ("401", "Unauthorized"), ("429", "Too Many Requests"), ("500", "Error"))


def answers(operation: str) -> list[dict[str, Any]]:
    """Return sample responses of an operation; one of another operation, or of none, has no parts."""
    known = _ANSWERS.get(operation, ({},))
    return [{"status": 200, "headers": {}, "body": {}, "output": {}, **parts} for parts in known]


def errors(operation: str) -> Iterator[dict[str, Any]]:
    """Yield sample errors, as expressions see them: of calls, and of answers not as asked."""
    for status, phrase in _ERRORS:
        body = {"error": {"message": phrase, "type": "stand-in", "param": None, "code": None}}
        response = {"status": int(status), "headers": {}, "body": body}
        yield error_object("ApiStatusError", status, f"The API answered {status} {phrase}", response)
    if operation == Chat.name:
        for condition in _CONDITIONS:
            response = answers(operation)[0]
            yield error_object(AnswerError.__name__, condition, "The answer is not as asked", response)


def is_in_errors(path: Path) -> bool:
    """Check whether sample errors have what is at a path just as real errors have it, null among it."""
    path = path[1:] if path[0] == "response" else path
    if path[:3] == ("error", "variables", "response"):
        path = path[3:]
    return not (len(path) > 1 and path[0] in ("body", "headers"))


def is_in_unexpected_answers(path: Path) -> bool:
    """Check whether sample answers that are not as asked have what is at a path just as real ones have it."""
    inner = path[1:] if path[0] == "response" else path
    return inner[:1] != ("output",) or is_in_answers(inner, Chat.name)


def is_in_answers(path: Path, operation: str) -> bool:
    """Check whether sample answers have what is at a path just as real answers have it."""
    path = path[1:] if path[0] == "response" else path
    match path:
        case () | ("status" | "headers" | "body" | "output",) | ("job" | "error", *_):
            return True
        case ("output", key):
            return key in answers(operation)[0]["output"]
    return False
