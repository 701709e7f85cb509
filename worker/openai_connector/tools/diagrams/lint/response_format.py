"""Rules for the response format: what the API wants of JSON, and of a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from openai_connector.tasks.operations.response_format import MOST_IN_NAMES, is_schema_name
from openai_connector.tools.diagrams.lint.subject import Finding, Subject

_MESSAGE_INPUTS = ("openai_prompt", "openai_systemMessage", "openai_chatHistory")


def check(subject: Subject, body: Mapping[str, Any], unknown: frozenset[str]) -> Iterator[Finding]:
    """Check the response format of a request.

    Args:
        subject: the task.
        body: the request's body.
        unknown: inputs whose value only the process knows.
    """
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, Mapping) else body.get("response_format")
    if not isinstance(wanted, Mapping):
        return
    kind = wanted.get("type")
    if kind == "json_object" and not unknown.intersection(_MESSAGE_INPUTS):
        if "json" not in json.dumps(body.get("messages") or body.get("input"), ensure_ascii=False).lower():
            message = "Response format is JSON object, but no message has the word JSON: the API refuses that"
            yield Finding("json-not-said", "error", message, subject.line_of("openai_responseFormat"))
    elif kind == "json_schema" and "openai_jsonSchema" not in unknown:
        schema = wanted.get("json_schema", wanted)
        if isinstance(schema, Mapping):
            yield from _schema(schema, subject.line_of("openai_jsonSchema"))


def _schema(schema: Mapping[str, Any], line: int) -> Iterator[Finding]:
    name = schema.get("name")
    if isinstance(name, str) and not is_schema_name(name):
        message = (
            f"JSON schema: its name must be made of at most {MOST_IN_NAMES} letters, digits, _ and -, "
            f"got '{name[:100]}': the API wants that"
        )
        yield Finding("bad-schema-name", "error", message, line)
    if schema.get("strict") is True:
        for path in _loose_objects(schema.get("schema")):
            message = (
                f'JSON schema: {path} must have "additionalProperties": false and every property in '
                '"required": the API wants that'
            )
            yield Finding("loose-schema", "error", message, line)


def _loose_objects(root: Any) -> Iterator[str]:
    """Yield the path of each object in a schema that a strict schema must not have."""
    pending: list[tuple[Any, str]] = [(root, "the schema")]
    while pending:
        schema, path = pending.pop()
        if isinstance(schema, Mapping):
            if _is_loose(schema):
                yield path
            pending += _inner(schema, path)


def _is_loose(schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties")
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if not isinstance(properties, Mapping) and "object" not in kinds:
        return False
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    named = properties if isinstance(properties, Mapping) else {}
    return schema.get("additionalProperties") is not False or any(name not in listed for name in named)


def _inner(schema: Mapping[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    """Yield the schemas directly in a schema, each with its path."""
    for key in ("properties", "$defs", "definitions"):
        part = schema.get(key)
        if isinstance(part, Mapping):
            yield from ((value, name) for name, value in part.items())
    yield schema.get("items"), f"items of {path}"
    any_of = schema.get("anyOf")
    if isinstance(any_of, list):
        yield from ((value, path) for value in any_of)
