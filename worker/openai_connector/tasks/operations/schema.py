"""JSON schemas: compiled once, nothing fetched, patterns bounded; what breaks one is named without content.

Draft 2020-12 unless the schema names another. Formats are notes, as the drafts have it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from openai_connector.document import depth_of, well_formed

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

CACHED_SCHEMAS = 500
MAX_PATTERN_BYTES = 1_000_000  # of one compiled pattern
MAX_BACKTRACKS = 500  # from one place of a text, where a pattern looks around or back: 1 MB then takes 1.5 s
MAX_EXPLAINED_DEPTH, MAX_REFERENCES = 8, 16  # below which every way through a schema can be followed
SHOWN_CHARACTERS = 60
_LOOKS_AROUND: Final = re.compile(r"\(\?<?[=!]|\\\\[1-9k]")
"""What only a backtracking search of patterns knows, in a schema's JSON text."""
_SHOWN_RULES: Final = (
    "types", "property", "options", "expected_value", "limit", "pattern", "multiple_of"
)  # fmt: skip
"""What a broken rule may show of itself: the schema's own words, never the answer's."""


class SchemaError(ValueError):
    """A JSON schema cannot be used; the message says why."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check that answers can be checked against a schema.

    Raises:
        SchemaError: it is none, refers to another document, or has a pattern that cannot be bounded.
    """
    _compiled(_text(schema))


def broken_rule(schema: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    """Return where a JSON value breaks a schema, and which rule; None where it follows the schema.

    The place is a path such as `items[5].price`. A name that the schema does not know stands in it as `*`:
    it is content.

    Raises:
        SchemaError: the schema cannot be used.
    """
    text = _text(schema)
    try:
        return _broken_rule(_compiled(text), text, value)
    except UnicodeEncodeError:  # a lone surrogate: looked at as it will be sent
        return _broken_rule(_compiled(text), text, json.loads(_text(value)))


def _broken_rule(validator: Validator, text: str, value: Any) -> tuple[str, str] | None:
    if validator.is_valid(value):
        return None
    if _has_endless_ways(text, value):
        return "", ""
    error = _first_error(validator, value)
    return ("", "") if error is None else (_place(error, text), _rule(error))


def _has_endless_ways(schema: str, value: Any) -> bool:
    """Check whether the errors of all ways through a schema can be too many: with references they double."""
    references = schema.count('"$ref"') + schema.count('"$dynamicRef"')
    if not references or not ('"anyOf"' in schema or '"oneOf"' in schema):
        return False
    return references > MAX_REFERENCES or depth_of(value) > MAX_EXPLAINED_DEPTH


def _text(value: Any) -> str:
    return well_formed(json.dumps(value, ensure_ascii=False, default=dict))


@lru_cache(maxsize=CACHED_SCHEMAS)
def _compiled(text: str) -> Validator:
    import jsonschema_rs  # only where a task asks for a schema

    schema = json.loads(text)
    patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
    patterns = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES)  # in linear time
    if _LOOKS_AROUND.search(text):
        patterns = jsonschema_rs.FancyRegexOptions(MAX_BACKTRACKS, MAX_PATTERN_BYTES)
    try:
        return jsonschema_rs.validator_for(schema, offline=True, mask="it", pattern_options=patterns)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"/{step}" for step in error.instance_path)
        problem = _cut(error.message.splitlines()[0], 200)
        raise SchemaError(f"{problem}, at {place}" if place else problem) from None
    except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        raise SchemaError(_cut(str(error), 200) or type(error).__name__) from None


def _first_error(validator: Validator, value: Any) -> ValidationError | None:
    """Return the error to show: of several ways that a schema allows, that of the one followed farthest."""
    import jsonschema_rs

    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        found = error
        while found.kind.name in ("anyOf", "oneOf"):
            context = getattr(found.kind, "context", [])
            ways = [errors[0] for errors in context if errors]
            deepest = max((len(way.instance_path) for way in ways), default=0)
            farthest = [way for way in ways if len(way.instance_path) == deepest]
            if len(farthest) != 1 or deepest <= len(found.instance_path):
                break  # one way is as good as the other
            found = farthest[0]
        return found
    return None


def _place(error: ValidationError, schema: str) -> str:
    path = ""
    for step in error.instance_path:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            is_known = f"{json.dumps(step, ensure_ascii=False)}: " in schema
            path += f".{_cut(step, SHOWN_CHARACTERS) if is_known else '*'}"
    return path.removeprefix(".")


def _rule(error: ValidationError) -> str:
    """Return a rule as the schema has it, such as `type: integer`."""
    shown = [
        json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
        for name, value in error.kind.as_dict().items()
        if name in _SHOWN_RULES
    ]
    text = f"{error.kind.name}: {', '.join(shown)}" if shown else error.kind.name
    return _cut(text, SHOWN_CHARACTERS)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
