"""The request that a task made, computed from its inputs as the worker does; it holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, without its headers."""

    method: str
    path: str
    """Below the base URL; the whole address of a task made with Camunda's own template."""
    body: Any = field(default=None, repr=False)


def asked_by(job_type: str, variables: Mapping[str, Any]) -> Asked | None:
    """Return the request of a task with these inputs; None if they are wrong, or meant for another worker."""
    from openai_connector.contract import CAMUNDA_HTTP_JOB_TYPE
    from openai_connector.tasks.operations import OPERATION_INPUT, InvalidInputsError, read_inputs

    if job_type == CAMUNDA_HTTP_JOB_TYPE and isinstance(variables.get("url"), str):
        return Asked(str(variables.get("method", "")).upper(), variables["url"], variables.get("body"))
    if OPERATION_INPUT not in variables:
        return None
    try:
        _, operation = read_inputs(variables)
    except InvalidInputsError:
        return None
    return Asked("POST", operation.asked_path, operation.request_body())


def lines_of(asked: Asked) -> list[tuple[str, str]]:
    """Describe a request in a line or two, each with its name."""
    from openai_connector.tasks.operations.responses_request import PATH as RESPONSES_PATH
    from openai_connector.tools.sandbox.terminal import shortened

    body = asked.body if isinstance(asked.body, Mapping) else {}
    given = body.get("input")
    messages = given if asked.path == RESPONSES_PATH else body.get("messages")
    if (
        not isinstance(messages, list)
        or not all(isinstance(message, Mapping) for message in messages)
        or not messages
    ):
        lines = [("request", f"{asked.method} {asked.path}")]
        return [*lines, ("", f"input: {shortened(given)}")] if given is not None else lines
    roles = ", ".join(str(message.get("role") or message.get("type")) for message in messages)
    model = f" to {body['model']}" if body.get("model") else ""
    last = messages[-1]
    return [
        ("request", f"{asked.method} {asked.path}, {len(messages)} messages ({roles}){model}"),
        ("", f"the last: {shortened(last.get('content', last.get('output')))}"),
    ]
