"""Which form of answer a request asks for: text, JSON, or JSON that follows a schema, however spelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from openai_connector.document import parse_json
from openai_connector.tasks.operations.fields import kind_of
from openai_connector.tasks.operations.schema import SchemaError, check_schema

JSON_OBJECT: Final = "json_object"
JSON_SCHEMA: Final = "json_schema"
ANSWER_NAME: Final = "response"  # of a schema without a usable title
MOST_IN_NAMES: Final = 64  # characters
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]+")  # what the API wants of a schema's name (API reference)
_OF_WRAPPERS: Final = frozenset({"name", "description", "strict", "schema", "parameters"})
_KEYWORDS: Final = re.compile(
    r"\$(ref|dynamicRef|recursiveRef|defs)|definitions|type|enum|const|(all|any|one)Of|not|if|required|format"
    r"|properties|(pattern|additional|unevaluated)Properties|propertyNames|dependent\w+|pattern|multipleOf"
    r"|(prefix|additional|unevaluated)?[iI]tems|contains|(exclusive)?[mM](in|ax)imum|(min|max)\w+|uniqueItems"
)
"""Of JSON Schema: without any of them a schema would take everything."""


def response_format_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response format of a schema, given bare, with its name, or as a whole format.

    Raises:
        SchemaError: answers cannot be checked against it.
    """
    named = _unwrapped(given)
    schema = _inner(named) if _is_wrapper(named) else dict(named)
    if not _is_wrapper(named):
        named = {}
    check(schema)
    if isinstance(named.get("name"), str) and isinstance(named.get("schema"), Mapping):
        return {"type": JSON_SCHEMA, "json_schema": dict(named)}
    rest = {key: value for key, value in named.items() if key not in ("schema", "parameters")}
    return {
        "type": JSON_SCHEMA,
        "json_schema": {"name": _name_of(schema), "strict": True, **rest, "schema": schema},
    }


def check(schema: Mapping[str, Any]) -> None:
    """Check that a schema says something, and that answers can be checked against it.

    Raises:
        SchemaError: it does not, or they cannot.
    """
    if schema and not any(_KEYWORDS.fullmatch(key) for key in schema):
        raise SchemaError("it has no keyword of JSON Schema, such as type or properties")
    check_schema(schema)


def format_asked(request_body: Mapping[str, Any]) -> str | None:
    """Return the JSON format that a request asks for; None where it asks for text."""
    asked = _format_of(request_body)
    if isinstance(asked, Mapping):
        kind = str(asked.get("type")).strip().lower()
        if kind == JSON_SCHEMA or "schema" in asked or JSON_SCHEMA in asked:
            return JSON_SCHEMA
        if kind in (JSON_OBJECT, "json"):
            return JSON_OBJECT
    return None if _guided(request_body) is None else JSON_SCHEMA


def schema_asked(request_body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that a request asks for, where it asks for one.

    Raises:
        SchemaError: there is none in its place.
    """
    if format_asked(request_body) != JSON_SCHEMA:
        return None
    asked = _format_of(request_body)
    if not isinstance(asked, Mapping):
        return _schema(_guided(request_body))
    given = asked.get(JSON_SCHEMA)
    if given is None:
        return _schema(asked.get("schema"))
    return _inner(given) if isinstance(given, Mapping) and _is_wrapper(given) else _schema(given)


def flat(response_format: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response format as the Responses API has it: the schema's name stands beside its type."""
    named = response_format.get(JSON_SCHEMA)
    rest = {key: value for key, value in response_format.items() if key != JSON_SCHEMA}
    return rest | dict(named) if isinstance(named, Mapping) else rest


def is_schema_name(name: str) -> bool:
    """Check whether the API takes this name of a schema."""
    return 0 < len(name) <= MOST_IN_NAMES and not _NOT_IN_NAMES.search(name)


def _format_of(request_body: Mapping[str, Any]) -> Any:
    """Return the response format where either API has it."""
    text = request_body.get("text")
    asked = request_body.get("response_format")
    return text.get("format") if asked is None and isinstance(text, Mapping) else asked


def _guided(request_body: Mapping[str, Any]) -> Any:
    """Return the schema that vLLM is given beside the response format."""
    outputs = request_body.get("structured_outputs")
    guided = outputs.get("json") if isinstance(outputs, Mapping) else None
    return request_body.get("guided_json") if guided is None else guided


def _unwrapped(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands in a whole response format."""
    inner = given.get(JSON_SCHEMA)
    is_whole = given.get("type", JSON_SCHEMA) == JSON_SCHEMA and isinstance(inner, Mapping)
    return inner if is_whole and isinstance(inner, Mapping) else given


def _is_wrapper(named: Mapping[str, Any]) -> bool:
    """Check whether this is a name with a schema, not a schema."""
    return bool(named) and _OF_WRAPPERS.issuperset(named) and not named.keys() <= {"description"}


def _inner(named: Mapping[str, Any]) -> dict[str, Any]:
    return _schema(named["schema"] if "schema" in named else named.get("parameters"))


def _schema(given: Any) -> dict[str, Any]:
    """Return a schema that may be given as JSON text.

    Raises:
        SchemaError: it is no JSON object.
    """
    if isinstance(given, str):
        try:
            given = parse_json(given)
        except ValueError:
            raise SchemaError("the schema in it is a text, but no JSON") from None
    if not isinstance(given, Mapping):
        raise SchemaError(f"the schema in it is {kind_of(given)}, not a JSON object")
    return dict(given)


def _name_of(schema: Mapping[str, Any]) -> str:
    """Return a name for a bare schema: its title."""
    title = schema.get("title")
    name = _NOT_IN_NAMES.sub("_", title).strip("_")[:MOST_IN_NAMES] if isinstance(title, str) else ""
    return name or ANSWER_NAME
