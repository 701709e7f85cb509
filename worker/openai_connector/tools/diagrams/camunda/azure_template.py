"""Carrying the inputs of Camunda's template for Azure OpenAI over."""

from __future__ import annotations

from typing import Any

from openai_connector.tasks.operations import OPERATION_INPUT, Chat
from openai_connector.tools.diagrams.camunda.carried import Carried, NotCarriedError, literal, shown
from openai_connector.tools.diagrams.camunda.request import Request, mark, number, require_same, require_url
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_EXTRAS,
    AZURE_INPUTS,
    AZURE_PARAMETERS,
    LABELS,
)
from openai_connector.tools.diagrams.constants import NOT_CONSTANT, value_of
from openai_connector.tools.diagrams.tasks import Task

_STREAM = "chatCompletion_stream"


def carry_azure(task: Task) -> Carried:
    """Carry a task over.

    Raises:
        NotCarriedError: it asks something that this connector does not, or cannot be read.
    """
    carried = Carried(is_azure=True)
    operation = literal(task, "operation")
    if operation != "chatCompletion":
        raise NotCarriedError(
            f"the operation is {operation or 'missing'}: this connector knows Azure's chat completions only"
        )
    request = Request.of(task)
    request.require_auth({"type": "apiKey", "apiKeyLocation": "headers", "name": "api-key"}, token="value")
    role = literal(task, "chatCompletion_messageRole") or "user"
    if role != "user":
        raise NotCarriedError(f"Message role is {role}: here, the prompt is always the user's")
    for name in ("messageContent", "resourceName", "deploymentId", "apiVersion"):
        if task.input(f"chatCompletion_{name}") is None:
            raise NotCarriedError(f"{LABELS[AZURE_INPUTS[f'chatCompletion_{name}']]} is missing")
    sent = request.body()
    require_same(task, sent, _expected(task))
    require_url(task, request.url, _expected_url())
    request.require_post()
    request.require_headers(organization=task.input("internal_organization") is not None)
    _carry_targets(task, carried)
    carried.sources[OPERATION_INPUT] = Chat.name
    if task.input("chatCompletion_maxTokens") is not None:
        carried.sources["openai_maxTokensParameter"] = "max_tokens"  # as it was sent
    _carry_extras(task, carried)
    _name_stream(task, carried)
    return carried


def _expected(task: Task) -> dict[str, Any]:
    """Return the body that this connector would send."""
    history = "chatCompletion_messages"
    expected: dict[str, Any] = {
        "messages": [
            *(mark(history) if task.input(history) is not None else []),
            {"role": "user", "content": mark("chatCompletion_messageContent")},
        ]
    }
    for name, key in AZURE_EXTRAS.items():
        if task.input(name) is not None:
            expected[key] = mark(name)
    for name, key in AZURE_PARAMETERS.items():
        if task.input(name) is not None:
            expected[key] = number(mark(name))
    return expected


def _expected_url() -> str:
    resource, deployment, version = (
        mark(f"chatCompletion_{name}") for name in ("resourceName", "deploymentId", "apiVersion")
    )
    return (
        f"https://{resource}.openai.azure.com/openai/deployments/{deployment}/chat/completions"
        f"?api-version={version}"
    )


def _carry_targets(task: Task, carried: Carried) -> None:
    """Rename the inputs of the chat completion, and remove those of the other operations."""
    for mapped in task.inputs:
        if mapped.target in AZURE_INPUTS:
            carried.targets[mapped.target] = AZURE_INPUTS[mapped.target]
        elif mapped.target.startswith(("completion_", "completionsExtension_")):
            carried.removed.append(mapped.target)
            carried.changes.append(
                f"{mapped.target} is dropped: the operation chatCompletion does not use it"
            )


def _name_stream(task: Task, carried: Carried) -> None:
    """Say that a stream which somebody may have asked for is left out: only the dropdown's False is none."""
    stream = task.input(_STREAM)
    if stream is None or value_of((stream.source or "").strip()) in ("False", False):
        return
    change = f"{_STREAM} {shown(stream)} is dropped: this connector does not stream"
    carried.changes.append(change)
    if value_of(stream.source or "") is NOT_CONSTANT:
        carried.warnings.append(
            f"{_STREAM} was an expression, {shown(stream)}: where it gave True, the answer came as a stream, "
            "which no answer does here"
        )


def _carry_extras(task: Task, carried: Carried) -> None:
    """Collect what has no input of its own in the extra body; nulls are left out, as in Azure's template."""
    entries = []
    for mapped in task.inputs:
        key = AZURE_EXTRAS.get(mapped.target)
        if key is None:
            continue
        assert mapped.source is not None
        # On lines of their own: an expression may end in a comment.
        value = (
            f"(\n{mapped.source[1:].strip()}\n)"
            if mapped.is_feel
            else _feel_text(mapped.source, mapped.target)
        )
        entries.append(f'"{key}": {value}')
        carried.removed.append(mapped.target)
        carried.changes.append(f"{mapped.target} is now the entry {key} of Extra body")
    if entries:
        carried.sources["openai_extraBody"] = (
            f"=context(get entries({{{', '.join(entries)}}})[value != null])"
        )


def _feel_text(value: str, label: str) -> str:
    """Write a text as FEEL.

    Engines differ in how they read two backslashes (8.5: as two), so there may be none.
    """
    if "\\" in value:
        raise NotCarriedError(
            f"{label} has a backslash, which expressions of different engines read differently"
        )
    return '"' + value.replace('"', '\\"') + '"'
