"""Carrying the inputs of Camunda's OpenAI template over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai_connector.contract import DEFAULT_BASE_URL
from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError
from openai_connector.tasks.operations import OPERATIONS, Chat, Moderation
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES
from openai_connector.tools.diagrams.camunda.carried import Carried, NotCarriedError, literal, shown
from openai_connector.tools.diagrams.camunda.request import Request, mark, number, require_same
from openai_connector.tools.diagrams.camunda.templates import LABELS, OPENAI_INPUTS
from openai_connector.tools.diagrams.placeholders import url_with_stand_ins
from openai_connector.tools.diagrams.tasks import Task

_INPUTS_OF_ONE_OPERATION = {
    Moderation.name: ("openai_moderationInput",),
    Chat.name: (
        "openai_model",
        "openai_customModel",
        "openai_temperature",
        "openai_systemMessage",
        "openai_chatHistory",
        "openai_prompt",
        "openai_choices",
    ),
}


def carry_openai(task: Task) -> Carried:
    """Carry a task over.

    Raises:
        NotCarriedError: it asks something that this connector does not, or cannot be read.
    """
    carried = Carried(is_azure=False)
    operation = literal(task, "operation")
    if operation not in OPERATIONS:
        raise NotCarriedError(f"the operation is {operation or 'missing'}, neither chat nor moderation")
    request = Request.of(task)
    request.require_auth({"type": "bearer"}, token="token")
    prompt = "internal_prompt" if operation == Chat.name else "internal_textToAnalyze"
    if task.input(prompt) is None:
        raise NotCarriedError(f"{LABELS[OPENAI_INPUTS[prompt]]} is missing")
    _carry_targets(task, operation, carried)
    sent = request.body()
    if operation == Moderation.name:
        require_same(task, sent, {"input": mark("internal_textToAnalyze")})
    else:
        require_same(task, sent, _expected_chat(task, sent))
        _carry_model(task, carried, sent)
        _drop_unsent(carried, sent)
    request.require_headers(organization=task.input("internal_organization") is not None)
    _carry_url(task, request, OPERATIONS[operation].path, carried)
    return carried


def _carry_targets(task: Task, operation: str, carried: Carried) -> None:
    """Rename the inputs of an operation, and remove those of the other one."""
    unused = _INPUTS_OF_ONE_OPERATION[Moderation.name if operation == Chat.name else Chat.name]
    for mapped in task.inputs:
        new = OPENAI_INPUTS.get(mapped.target)
        if new in unused:
            carried.removed.append(mapped.target)
            carried.changes.append(f"{LABELS[new]} is dropped: the operation {operation} does not use it")
        elif new is not None:
            carried.targets[mapped.target] = new


def _expected_chat(task: Task, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that this connector would send."""
    messages: list[Any] = []
    if task.input("internal_systemMessage") is not None:
        messages.append({"role": "system", "content": mark("internal_systemMessage")})
    if task.input("internal_chatHistory") is not None:
        messages += mark("internal_chatHistory")
    messages.append({"role": "user", "content": mark("internal_prompt")})
    models = [
        mark(name) for name in ("internal_custom_model", "internal_model") if task.input(name) is not None
    ]
    if not models:
        raise NotCarriedError("Model is missing")
    expected: dict[str, Any] = {"model": sent.get("model"), "messages": messages}
    if sent.get("model") not in models:
        expected["model"] = models[0]
    for name, key in (("internal_choices", "n"), ("internal_temperature", "temperature")):
        if key in sent and task.input(name) is not None:
            expected[key] = number(mark(name))
    return expected


def _carry_model(task: Task, carried: Carried, sent: Mapping[str, Any]) -> None:
    """Carry the model that is sent; one that our dropdown does not offer becomes a custom one."""
    model, custom = task.input("internal_model"), task.input("internal_custom_model")
    sends_custom = custom is not None and sent["model"] == mark("internal_custom_model")
    used = custom if sends_custom else model
    assert used is not None
    for other in (model, custom):
        if other is not None:
            carried.targets.pop(other.target)
    listed = used.source in CHAT_MODEL_CHOICES
    # One mapping is renamed, so that the value keeps its bytes; the other one is removed, or added.
    carried.targets[used.target] = "openai_model" if listed else "openai_customModel"
    spare = model if used is custom else custom
    if listed:
        if spare is not None:
            carried.removed.append(spare.target)
        return
    carried.sources["openai_model"] = CUSTOM
    if spare is not None:
        carried.targets[spare.target] = "openai_model"
    else:
        carried.changes.append(
            f"Model {shown(used)} is not in this template's list: it becomes a custom model"
        )


def _drop_unsent(carried: Carried, sent: Mapping[str, Any]) -> None:
    for old, key in (("internal_temperature", "temperature"), ("internal_choices", "n")):
        if old in carried.targets and key not in sent:
            new = carried.targets.pop(old)
            carried.removed.append(old)
            carried.changes.append(f"{LABELS[new]} is dropped: the task did not send it")


def _carry_url(task: Task, request: Request, path: str, carried: Carried) -> None:
    request.require_post()
    url = request.url
    if not url:
        raise NotCarriedError("the URL is missing")
    if not isinstance(url, str) or not url.endswith(path):
        raise NotCarriedError(f"the URL was changed by hand: it does not end in {path}")
    base_url = url.removesuffix(path)
    if base_url == DEFAULT_BASE_URL:
        return
    given = task.input("url")
    assert given is not None
    try:
        AllowedHosts(["*"]).check(url_with_stand_ins(base_url))
    except HostRefusedError as error:
        raise NotCarriedError(f"the URL was changed by hand: {error}") from None
    if given.is_feel:
        raise NotCarriedError("the URL is an expression: give its part before " + path + " as Base URL")
    carried.sources["openai_baseUrl"] = base_url
    carried.changes.append(
        "The URL is now the base URL; its host must be allowed at the worker (CONNECTOR_ALLOWED_HOSTS)"
    )
