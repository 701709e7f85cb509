"""What the API refuses although the types let it through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jsonschema_rs

from tests.openai_stand_in.answers import is_reasoning
from tests.openai_stand_in.errors import ApiError, InvalidRequestError
from tests.openai_stand_in.prices import PRICES

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
SAMPLING: Final = ("temperature", "top_p")
"""What a model that reasons does not take, unless its effort is none."""
PENALTIES: Final = ("frequency_penalty", "presence_penalty", "max_tokens")
"""What it never takes."""


def check_model(model: object, kind: str = "gpt") -> None:
    """Check that there is such a model.

    Raises:
        ApiError: there is none.
    """
    if not isinstance(model, str) or not model:
        raise InvalidRequestError("you must provide a model parameter", "model", "missing_required_parameter")
    if model not in PRICES or not model.startswith(kind):
        message = f"The model '{model}' does not exist or you do not have access to it."
        raise ApiError(404, message, code="model_not_found", param="model")


def check_sampling(body: Mapping[str, Any], effort: str | None) -> None:
    """Check that the model takes the parameters.

    Raises:
        InvalidRequestError: it does not.
    """
    model = str(body["model"])
    if not is_reasoning(model):
        return
    refused = [name for name in PENALTIES if body.get(name) is not None]
    if effort != "none":
        refused += [name for name in SAMPLING if body.get(name) is not None]
    for name in refused:
        raise InvalidRequestError(
            f"Unsupported parameter: '{name}' is not supported with this model.",
            name,
            "unsupported_parameter",
        )


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Check the size of metadata.

    Raises:
        InvalidRequestError: there is too much.
    """
    pairs = metadata or {}
    if len(pairs) > 16:
        raise InvalidRequestError(
            "Invalid 'metadata': too many properties.", "metadata", "object_above_max_properties"
        )
    for key, value in pairs.items():
        if len(key) > 64 or len(value) > 512:
            param = f"metadata.{key[:64]}"
            raise InvalidRequestError(
                f"Invalid '{param}': string too long.", param, "string_above_max_length"
            )


def check_format(wanted: Mapping[str, Any] | None, text: str, param: str) -> None:
    """Check the format of the answer, `wanted` being flat.

    Raises:
        InvalidRequestError: the API would not take it.
    """
    if wanted is None:
        return
    if wanted["type"] == "json_object" and "json" not in text.lower():
        raise InvalidRequestError(
            f"'messages' must contain the word 'json' in some form, to use '{param}' of type 'json_object'.",
            param,
        )
    if wanted["type"] == "json_schema":
        check_name(wanted["name"], f"{param}.name")
        schema = wanted.get("schema", {})
        check_schema(schema, f"{param}.schema", is_strict=bool(wanted.get("strict")))


def check_name(name: str, param: str) -> None:
    """Check the name of a tool or a schema.

    Raises:
        InvalidRequestError: it has other characters, or too many.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"Invalid '{param}': string does not match pattern.", param, "invalid_value"
        )


def check_schema(schema: Any, param: str, *, is_strict: bool = False) -> None:
    """Check that something is a JSON schema, whose references lead somewhere in it.

    Raises:
        InvalidRequestError: it is none, or is to be strict and is not.
    """
    try:
        jsonschema_rs.validator_for(schema, offline=True)
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        raise InvalidRequestError(f"Invalid schema: {error}", param, "invalid_json_schema") from None
    if is_strict:
        check_strict(schema, param)


def check_strict(schema: Any, param: str) -> None:
    """Check that a schema is strict: every object closed, all of its properties required.

    Raises:
        InvalidRequestError: it is not.
    """
    if isinstance(schema, list):
        for inner in schema:
            check_strict(inner, param)
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if schema.get("type") == "object" and isinstance(properties, dict | None):
        is_closed = schema.get("additionalProperties") is False
        if not is_closed or set(schema.get("required", ())) != set(properties or ()):
            raise InvalidRequestError(
                "Invalid schema: 'additionalProperties' is required to be false, and 'required' to name every key.",
                param,
                "invalid_json_schema",
            )
    for inner in schema.values():
        check_strict(inner, param)


def check_tool_round(calls: Iterable[str], results: Iterable[str], param: str) -> None:
    """Check that each result belongs to a call, and each call has its result.

    Raises:
        InvalidRequestError: one does not.
    """
    called, answered = set(calls), set(results)
    for name in sorted(answered - called):
        raise InvalidRequestError(f"No tool call found for function call output with call_id {name}.", param)
    for name in sorted(called - answered):
        raise InvalidRequestError(f"No tool output found for function call {name}.", param)
