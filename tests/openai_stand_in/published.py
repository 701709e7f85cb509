"""The published API: the types of the `openai` package, closed.

As the package uses them they let through what they do not know, and look into a list only when somebody reads it.
Here an unknown key is an error, lists are read to the end, and a number in quotation marks is no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails, SchemaValidator, ValidationError

from tests.openai_stand_in.errors import InvalidRequestError

TYPES: Final = {
    # requests
    "responses": "responses.response_create_params.ResponseCreateParamsNonStreaming",
    "chat": "chat.completion_create_params.CompletionCreateParamsNonStreaming",
    "moderations": "ModerationCreateParams",
    "embeddings": "EmbeddingCreateParams",
    "batches": "BatchCreateParams",
    "files": "file_create_params.ExpiresAfter",
    "batch list": "BatchListParams",
    "file list": "FileListParams",
    "input item list": "responses.InputItemListParams",
    "response retrieval": "responses.response_retrieve_params.ResponseRetrieveParamsNonStreaming",
    # answers
    "response": "responses.Response",
    "chat.completion": "chat.ChatCompletion",
    "moderation": "ModerationCreateResponse",
    "embedding": "CreateEmbeddingResponse",
    "batch": "Batch",
    "file": "FileObject",
    "file deleted": "FileDeleted",
    "model": "Model",
    "input items": "responses.ResponseItemList",
    "error": "shared.ErrorObject",
}
"""Where in `openai.types` each stands."""


class DriftError(AssertionError):
    """An answer of the stand-in is none that the published API gives."""


def check_request(kind: str, body: object) -> None:
    """Check a request.

    Raises:
        InvalidRequestError: it does not fit.
    """
    try:
        validator(kind).validate_python(body, strict=True)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False), body) from None


def check_answer(kind: str, body: object) -> None:
    """Check an answer.

    Raises:
        DriftError: it does not fit.
    """
    try:
        validator(kind).validate_python(_as_declared(kind, body), strict=True)
    except ValidationError as error:
        raise DriftError(f"not a {kind}: {error}") from None


def _as_declared(kind: str, body: Any) -> Any:
    """Return an answer without what is known to be sent, and is not declared."""
    if kind == "error":
        return body["error"]
    if kind == "embedding":  # base64 is declared for requests alone
        return body | {"data": [one | {"embedding": []} for one in body["data"]]}
    if kind == "response" and body["error"] is not None:  # more codes occur than are declared
        return body | {"error": body["error"] | {"code": "server_error"}}
    return body


@cache
def validator(kind: str) -> SchemaValidator:
    """Return what validates a type, closed."""
    module, _, name = f"openai.types.{TYPES[kind]}".rpartition(".")
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(import_module(module), name))
    adapter.rebuild(force=True)  # the package puts it off
    return SchemaValidator(_closed(dict(adapter.core_schema)))


def _closed(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_closed(value) for value in node)
    if not isinstance(node, Mapping):
        return node
    kind = node.get("type")
    if kind == "json-or-python":
        return _closed(node["json_schema"])
    closed = {
        key: value if key in ("metadata", "serialization") else _closed(value) for key, value in node.items()
    }
    if kind == "generator":
        closed["type"] = "list"
    if kind in ("typed-dict", "model-fields"):
        closed["extra_behavior"] = "forbid"
    if kind == "model":
        closed["config"] = {**closed.get("config", {}), "extra_fields_behavior": "forbid"}
    return closed


def _refusal(errors: list[ErrorDetails], body: object) -> InvalidRequestError:
    """Return what is wrong, from all that the members of a union say: what the nearest member misses."""
    elsewhere = {error["loc"][:-1] for error in errors if error["loc"][-1:] in (("type",), ("role",))}
    near = [error for error in errors if error["loc"][:-1] not in elsewhere] or errors
    error = max(near, key=lambda one: len(_path(one, body)))
    param = _written(_path(error, body))
    match error["type"]:
        case "extra_forbidden":
            return InvalidRequestError(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
        case "missing":
            return InvalidRequestError(
                f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
            )
        case "literal_error":
            return InvalidRequestError(f"Invalid value for '{param}': {error['msg']}", param, "invalid_value")
    return InvalidRequestError(f"Invalid type for '{param}': {error['msg']}", param, "invalid_type")


def _path(error: ErrorDetails, body: object) -> list[str | int]:
    """Return the place in the body: without the names of the types on the way."""
    path: list[str | int] = []
    for step in error["loc"]:
        is_key = isinstance(body, dict) and step in body
        if is_key or (isinstance(body, list) and isinstance(step, int) and step < len(body)):
            body = body[step]  # type: ignore[index]
        elif not (error["type"] == "missing" and step is error["loc"][-1]):
            continue
        path.append(step)
    return path


def _written(path: list[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
