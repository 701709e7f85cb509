"""Tasks of Camunda's own OpenAI templates, said in this connector's inputs.

Those templates are made over the general REST connector: their input mappings build a URL, headers and a body.
What such a task asks is found by evaluating its own mappings with marked
values in place of what a person fills in: where the request comes out as this connector would make it, the values
can be carried over; where somebody changed the mappings by hand, the difference shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openai_connector.contract import DEFAULT_BASE_URL, ERROR_EXPRESSION, RESULT_EXPRESSION, RESULT_VARIABLE
from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError
from openai_connector.tasks.operations import (
    OPERATION_INPUT,
    OPERATIONS,
    SECRET_INPUTS,
    Chat,
    Endpoint,
    Moderation,
)
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tasks.operations.fields import Inputs
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES
from openai_connector.tasks.secrets import is_placeholder
from openai_connector.tools.diagrams.placeholders import secrets_asked
from openai_connector.tools.diagrams.tasks import Input, Task

OPENAI_TEMPLATE = "io.camunda.connectors.OpenAI.v1"
AZURE_TEMPLATE = "io.camunda.connectors.AzureOpenAI.outbound.v1"
REST_JOB_TYPE = "io.camunda:http-json:1"
AZURE_OPERATIONS = ("completion", "chatCompletion", "completionsExtension")

_OPENAI_INPUTS = {
    "authentication.token": "openai_apiKey",
    "internal_organization": "openai_organization",
    "operation": OPERATION_INPUT,
    "internal_textToAnalyze": "openai_moderationInput",
    "internal_model": "openai_model",
    "internal_custom_model": "openai_customModel",
    "internal_temperature": "openai_temperature",
    "internal_systemMessage": "openai_systemMessage",
    "internal_chatHistory": "openai_chatHistory",
    "internal_prompt": "openai_prompt",
    "internal_choices": "openai_choices",
}
_AZURE_INPUTS = {
    "authentication.value": "openai_apiKey",
    "operation": OPERATION_INPUT,
    "chatCompletion_resourceName": "openai_azureResource",
    "chatCompletion_deploymentId": "openai_azureDeployment",
    "chatCompletion_apiVersion": "openai_azureApiVersion",
    "chatCompletion_messageContent": "openai_prompt",
    "chatCompletion_messages": "openai_chatHistory",
    "chatCompletion_temperature": "openai_temperature",
    "chatCompletion_n": "openai_choices",
    "chatCompletion_maxTokens": "openai_maxTokens",
    "chatCompletion_presencePenalty": "openai_presencePenalty",
    "chatCompletion_frequencyPenalty": "openai_frequencyPenalty",
}
_AZURE_EXTRAS = {
    "chatCompletion_contentPart": "contentPart",
    "chatCompletion_enhancements": "enhancements",
    "chatCompletion_dataSources": "dataSources",
    "chatCompletion_stop": "stop",
    "chatCompletion_logitBias": "logit_bias",
    "chatCompletion_user": "user",
    "chatCompletion_tools": "tools",
}
"""Inputs that become entries of the extra body."""
# What the templates make of the values above; read, and then not needed any more.
_MADE = (
    "authentication.type",
    "authentication.name",
    "authentication.apiKeyLocation",
    "headers",
    "method",
    "url",
    "body",
    "internal_messages",
    "chatCompletion_messageRole",
    "chatCompletion_stream",
)
# The first that is there decides: Camunda's runtime reads with the connection timeout where no read timeout is given.
_TIMEOUTS = ("readTimeoutInSeconds", "connectionTimeoutInSeconds")
_WRITE_TIMEOUT = "writeTimeoutInSeconds"
# Other inputs of the REST connector that change what it does.
_NOT_HERE = (
    "queryParameters",
    "storeResponse",
    "followRedirects",
    "skipEncoding",
    "ignoreNullValues",
    "groupSetCookie",
)
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
_NOT_OURS = re.compile(r"response\s*\.\s*(reason|document)\b")
_MODELS: tuple[type[Inputs], ...] = (Endpoint, *OPERATIONS.values())
LABELS = {str(info.alias): str(info.title) for model in _MODELS for info in model.model_fields.values()}
"""What a modeler calls an input of this connector."""


class NotCarriedError(Exception):
    """A task cannot be said in this connector's inputs; the message says what stands against it."""


@dataclass(slots=True)
class Carried:
    """What a task becomes."""

    is_azure: bool
    targets: dict[str, str] = field(default_factory=dict)
    """Old to new targets; an old one that is in neither this nor `removed` stays as it is."""
    sources: dict[str, str] = field(default_factory=dict)
    """New targets whose value changes, or that are added."""
    removed: list[str] = field(default_factory=list)
    """Old targets."""
    changes: list[str] = field(default_factory=list)
    """What the person should know of it, a sentence each."""
    warnings: list[str] = field(default_factory=list)
    """What the person should look at."""

    def inputs(self, task: Task) -> dict[str, str]:
        """Give the sources by this connector's targets, hand-made inputs among them."""
        kept = {
            self.targets.get(mapped.target, mapped.target): mapped.source or ""
            for mapped in task.inputs
            if mapped.target not in self.removed
        }
        return kept | self.sources

    def model(self, task: Task) -> str | None:
        """Give the model's name where it is literal."""
        inputs = self.inputs(task)
        model = inputs.get(
            "openai_customModel" if inputs.get("openai_model") == CUSTOM else "openai_model", ""
        )
        return None if not model or model.startswith("=") else model.strip()


def template_of(task: Task) -> str | None:
    """Say which of Camunda's two templates a task was made with; None for any other task.

    A task that is linked to no template counts when its job type and its inputs are those of one.
    """
    if task.template_id in (OPENAI_TEMPLATE, AZURE_TEMPLATE):
        return task.template_id
    if task.template_id is not None or task.job_type != REST_JOB_TYPE:
        return None
    operation = task.input("operation")
    targets = {mapped.target for mapped in task.inputs}
    if operation is None:
        return None
    if operation.source in AZURE_OPERATIONS and any(
        target.startswith(f"{operation.source}_") for target in targets
    ):
        return AZURE_TEMPLATE
    if operation.source in OPERATIONS and targets & _OPENAI_INPUTS.keys() - {
        "operation",
        "authentication.token",
    }:
        return OPENAI_TEMPLATE
    return None


def carry(task: Task) -> Carried:
    """Say a task of Camunda's templates in this connector's inputs.

    Raises:
        NotCarriedError: it asks something that this connector does not, or cannot be read.
    """
    if task.definition.get("type") is None or any(
        header.node.get("value") is None for header in task.headers
    ):
        raise NotCarriedError("its job type or the value of a header is missing")
    targets = [mapped.target for mapped in task.inputs]
    if twice := sorted({target for target in targets if targets.count(target) > 1}):
        raise NotCarriedError(f"the input {twice[0]} is mapped twice: remove one of the mappings")
    for name in _NOT_HERE:
        if task.input(name) is not None:
            raise NotCarriedError(f"the input {name} of the REST connector has no counterpart here")
    known = {*_MADE, *_TIMEOUTS, _WRITE_TIMEOUT, *_OPENAI_INPUTS, *_AZURE_INPUTS}
    for mapped in task.inputs:
        if mapped.target.startswith("authentication.") and mapped.target not in known:
            raise NotCarriedError(f"the input {mapped.target} has no counterpart here: only an API key has")
        if mapped.source is None:
            raise NotCarriedError(f"the input {mapped.target} has no source")
    carried = _carry_azure(task) if template_of(task) == AZURE_TEMPLATE else _carry_openai(task)
    carried.removed += [target for target in targets if target in _MADE]
    _carry_timeout(task, carried)
    _leave_habitual_temperature(task, carried)
    _refuse_lost_reads(task, carried)
    _refuse_secrets(task, carried)
    _look_at_expressions(task, carried)
    return carried


def _carry_openai(task: Task) -> Carried:
    carried = Carried(is_azure=False)
    operation = _literal(task, "operation")
    if operation not in OPERATIONS:
        raise NotCarriedError(f"the operation is {operation or 'missing'}, neither chat nor moderation")
    request = _request(task)
    _require_auth(request, {"type": "bearer"}, token="token")
    prompt = "internal_prompt" if operation == Chat.name else "internal_textToAnalyze"
    if task.input(prompt) is None:
        raise NotCarriedError(f"{LABELS[_OPENAI_INPUTS[prompt]]} is missing")
    unused = _INPUTS_OF_ONE_OPERATION[Moderation.name if operation == Chat.name else Chat.name]
    for mapped in task.inputs:
        new = _OPENAI_INPUTS.get(mapped.target)
        if new in unused:
            carried.removed.append(mapped.target)
            carried.changes.append(f"{LABELS[new]} is dropped: the operation {operation} does not use it")
        elif new is not None:
            carried.targets[mapped.target] = new
    sent = request.body()
    if operation == Moderation.name:
        _require_same(sent, {"input": _probe("internal_textToAnalyze")})
    else:
        _require_same(sent, _expected_chat(task, sent))
        _carry_model(task, carried, sent)
        _drop_unsent(carried, sent, {"internal_temperature": "temperature", "internal_choices": "n"})
    _require_headers(task, request, carried)
    _carry_url(task, request, OPERATIONS[operation].path, carried)
    return carried


def _expected_chat(task: Task, sent: Mapping[str, Any]) -> dict[str, Any]:
    messages: list[Any] = []
    if task.input("internal_systemMessage") is not None:
        messages.append({"role": "system", "content": _probe("internal_systemMessage")})
    if task.input("internal_chatHistory") is not None:
        messages += _probe("internal_chatHistory")
    messages.append({"role": "user", "content": _probe("internal_prompt")})
    models = [
        _probe(name) for name in ("internal_custom_model", "internal_model") if task.input(name) is not None
    ]
    if not models:
        raise NotCarriedError("Model is missing")
    expected: dict[str, Any] = {"model": sent.get("model"), "messages": messages}
    if sent.get("model") not in models:
        expected["model"] = models[0]
    for name, key in (("internal_choices", "n"), ("internal_temperature", "temperature")):
        if key in sent and task.input(name) is not None:
            expected[key] = _number(_probe(name))
    return expected


def _carry_model(task: Task, carried: Carried, sent: Mapping[str, Any]) -> None:
    """Carry the model that is sent; one that our dropdown does not offer becomes a custom one."""
    model, custom = task.input("internal_model"), task.input("internal_custom_model")
    sends_custom = custom is not None and sent["model"] == _probe("internal_custom_model")
    used = custom if sends_custom else model
    assert used is not None
    for other in (model, custom):
        if other is not None:
            carried.targets.pop(other.target)
    listed = used.source in CHAT_MODEL_CHOICES
    # One mapping is renamed, so that the value keeps its bytes; the other goes, or is added.
    carried.targets[used.target] = "openai_model" if listed else "openai_customModel"
    spare = model if used is custom else custom
    if listed:
        if spare is not None:
            carried.removed.append(spare.target)
    elif spare is not None:
        carried.targets[spare.target] = "openai_model"
        carried.sources["openai_model"] = CUSTOM
    else:
        carried.sources["openai_model"] = CUSTOM
        carried.changes.append(
            f"Model {_shown(used)} is not in this template's list: it becomes a custom model"
        )


def _carry_azure(task: Task) -> Carried:
    carried = Carried(is_azure=True)
    operation = _literal(task, "operation")
    if operation != "chatCompletion":
        raise NotCarriedError(
            f"the operation is {operation or 'missing'}: this connector knows Azure's chat completions only"
        )
    request = _request(task)
    _require_auth(request, {"type": "apiKey", "apiKeyLocation": "headers", "name": "api-key"}, token="value")
    role = _literal(task, "chatCompletion_messageRole") or "user"
    if role != "user":
        raise NotCarriedError(f"Message role is {role}: here, the prompt is always the user's")
    for name in ("messageContent", "resourceName", "deploymentId", "apiVersion"):
        if task.input(f"chatCompletion_{name}") is None:
            raise NotCarriedError(f"{LABELS[_AZURE_INPUTS[f'chatCompletion_{name}']]} is missing")
    expected: dict[str, Any] = {
        "messages": [
            *(_probe("chatCompletion_messages") if task.input("chatCompletion_messages") is not None else []),
            {"role": "user", "content": _probe("chatCompletion_messageContent")},
        ]
    }
    sent = request.body()
    if sent.get("stream") is False:
        del sent["stream"]  # the API's default
    for mapped in task.inputs:
        if mapped.target in _AZURE_INPUTS:
            carried.targets[mapped.target] = _AZURE_INPUTS[mapped.target]
        elif mapped.target in _AZURE_EXTRAS:
            expected[_AZURE_EXTRAS[mapped.target]] = _probe(mapped.target)
        elif mapped.target.startswith(("completion_", "completionsExtension_")):
            carried.removed.append(mapped.target)
            carried.changes.append(
                f"{mapped.target} is dropped: the operation chatCompletion does not use it"
            )
    for name, key in _AZURE_PARAMETERS.items():
        if task.input(name) is not None:
            expected[key] = _number(_probe(name))
    _require_same(sent, expected)
    url = "https://{}.openai.azure.com/openai/deployments/{}/chat/completions?api-version={}".format(
        *(_probe(f"chatCompletion_{name}") for name in ("resourceName", "deploymentId", "apiVersion"))
    )
    if request.made.get("url") != url:
        raise NotCarriedError("the URL was changed by hand")
    _require_method(request)
    _require_headers(task, request, carried)
    carried.sources[OPERATION_INPUT] = Chat.name
    if task.input("chatCompletion_maxTokens") is not None:
        carried.sources["openai_maxTokensParameter"] = "max_tokens"  # as it was sent
    _carry_extras(task, carried)
    return carried


_AZURE_PARAMETERS = {
    "chatCompletion_temperature": "temperature",
    "chatCompletion_n": "n",
    "chatCompletion_maxTokens": "max_tokens",
    "chatCompletion_presencePenalty": "presence_penalty",
    "chatCompletion_frequencyPenalty": "frequency_penalty",
}


def _carry_extras(task: Task, carried: Carried) -> None:
    """Put what has no input of its own into the extra body; null stays out of it, as in Azure's template."""
    entries = []
    for mapped in task.inputs:
        key = _AZURE_EXTRAS.get(mapped.target)
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


def _carry_timeout(task: Task, carried: Carried) -> None:
    given = [name for name in _TIMEOUTS if task.input(name) is not None]
    for name in given[1:] + [_WRITE_TIMEOUT] * (task.input(_WRITE_TIMEOUT) is not None):
        carried.removed.append(name)
        carried.changes.append(f"{name} is dropped: Request timeout is for the whole call")
    if not given:
        return
    source = _source(task, given[0])
    if source.strip() == "0":
        carried.removed.append(given[0])
        carried.changes.append("A timeout of 0 (none) is dropped: the worker's own request timeout holds")
    else:
        carried.targets[given[0]] = "openai_timeout"
        carried.changes.append(
            f"{given[0]} {_shown(task.input(given[0]))} is now the request timeout, in seconds"
        )


def _leave_habitual_temperature(task: Task, carried: Carried) -> None:
    """Leave the temperature 1 out: their template always sends it, it is the API's default, and models refuse it."""
    for old, new in list(carried.targets.items()):
        source = _source(task, old).strip()
        if new == "openai_temperature" and _number(source) == 1:
            del carried.targets[old]
            carried.removed.append(old)
            carried.changes.append(
                "Temperature 1 is left empty: it is the API's default, and reasoning models refuse it"
            )


def _drop_unsent(carried: Carried, sent: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    for old, key in keys.items():
        if old in carried.targets and key not in sent:
            new = carried.targets.pop(old)
            carried.removed.append(old)
            carried.changes.append(f"{LABELS[new]} is dropped: the task did not send it")


def _carry_url(task: Task, request: _Request, path: str, carried: Carried) -> None:
    _require_method(request)
    url = request.made.get("url")
    if not isinstance(url, str) or not url.endswith(path):
        raise NotCarriedError(f"the URL was changed by hand: it does not end in {path}")
    base_url = url.removesuffix(path)
    if base_url == DEFAULT_BASE_URL:
        return
    given = task.input("url")
    assert given is not None
    if not is_placeholder(base_url):
        try:
            AllowedHosts(["*"]).check(base_url)
        except HostRefusedError as error:
            raise NotCarriedError(f"the URL was changed by hand: {error}") from None
    if given.is_feel:
        raise NotCarriedError("the URL is an expression: give its part before " + path + " as Base URL")
    carried.sources["openai_baseUrl"] = base_url
    carried.changes.append(
        "The URL is now the base URL; its host must be allowed at the worker (CONNECTOR_ALLOWED_HOSTS)"
    )


def _require_method(request: _Request) -> None:
    method = request.made.get("method")
    if not isinstance(method, str) or method.lower() != "post":
        raise NotCarriedError("the method is not POST")


def _require_auth(request: _Request, wanted: Mapping[str, str], *, token: str) -> None:
    given = request.made.get("authentication")
    if (
        not isinstance(given, Mapping)
        or token not in given
        or {k: v for k, v in given.items() if k != token} != wanted
    ):
        raise NotCarriedError("the authentication is not by an API key")


def _require_headers(task: Task, request: _Request, carried: Carried) -> None:
    given = request.made.get("headers") or {}
    if not isinstance(given, Mapping):
        raise NotCarriedError("the HTTP headers cannot be read")
    for name, value in given.items():
        if name.lower() == "content-type" and value == "application/json":
            continue
        if name == "OpenAI-Organization" and value == _probe("internal_organization"):
            continue
        raise NotCarriedError(f"the HTTP header {name} was added by hand: there is no input for it")
    if task.input("internal_organization") is not None and "OpenAI-Organization" not in given:
        raise NotCarriedError("the HTTP headers were changed by hand: Organization is not sent")


def _require_same(sent: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    different = sorted(key for key in sent.keys() | expected.keys() if sent.get(key) != expected.get(key))
    if different:
        raise NotCarriedError(f"the request body was changed by hand: see {', '.join(different)} in it")


def _refuse_lost_reads(task: Task, carried: Carried) -> None:
    """Refuse when an expression that stays reads a variable that goes."""
    leaving: set[str] = set()
    for mapped in task.inputs:
        goes = mapped.target in carried.targets or mapped.target in carried.removed
        if mapped.is_feel and not (mapped.target in carried.removed and mapped.target not in _AZURE_EXTRAS):
            _refuse_reads(mapped.source, leaving, f"the input {mapped.target}")
        if goes:
            leaving.add(mapped.variable)
    own = {*task.mappings(), task.definition}
    for node in task.node.walk():
        for (_, name), attribute in node.attributes.items():
            if attribute.value.startswith("=") and node not in own:
                _refuse_reads(attribute.value, leaving, f"{name} of <{node.tag}>")


def _refuse_reads(source: str | None, leaving: set[str], where: str) -> None:
    read = sorted(_variables(source or "") & leaving)
    if read:
        raise NotCarriedError(f"{where} reads the variable {read[0]}, which is not there afterwards")


def _refuse_secrets(task: Task, carried: Carried) -> None:
    """Refuse a secret where this connector resolves none: it would be sent as it is written."""
    for mapped in task.inputs:
        new = "openai_extraBody" if mapped.target in _AZURE_EXTRAS else carried.targets.get(mapped.target)
        if new is None or new in SECRET_INPUTS or mapped.source is None:
            continue
        if names := secrets_asked(mapped.source):
            label = LABELS.get(new, mapped.target)
            raise NotCarriedError(f"{label} asks for the secret {names[0]}: here, only credentials may")


def _look_at_expressions(task: Task, carried: Carried) -> None:
    headers = {header.key: header.value for header in task.headers}
    for key in (RESULT_EXPRESSION, ERROR_EXPRESSION):
        if found := _NOT_OURS.search(headers.get(key, "")):
            carried.warnings.append(f"{key} reads response.{found[1]}, which this connector does not give")
    has_result = bool(headers.get(RESULT_VARIABLE, "").strip() or headers.get(RESULT_EXPRESSION, "").strip())
    error = headers.get(ERROR_EXPRESSION, "")
    if has_result and re.search(r"\bresponse\b", error):
        carried.warnings.append(
            f"{ERROR_EXPRESSION} reads response: after a success it is the whole response here, in Camunda's runtime "
            "it was the result variables (those are there under their own names, too)"
        )


@dataclass(frozen=True, slots=True)
class _Request:
    made: Mapping[str, Any]
    """The values of the mappings, as the REST connector would get them."""

    def body(self) -> dict[str, Any]:
        """Give what is sent: nulls say nothing."""
        body = self.made.get("body")
        if not isinstance(body, Mapping):
            raise NotCarriedError("the request body cannot be read")
        return {key: value for key, value in body.items() if value is not None}


def _request(task: Task) -> _Request:
    """Evaluate the mappings in their order, with marks for what a person filled in."""
    from camunda_feel import FeelError, parse, to_json

    made: dict[str, Any] = {}
    for mapped in task.inputs:
        value: Any = mapped.source
        if mapped.target in _FILLED_IN:
            value = _probe(mapped.target)
        elif mapped.is_feel and mapped.target in _MADE:
            try:
                value = to_json(parse(value[1:]).evaluate(made).value)
            except FeelError as error:
                raise NotCarriedError(f"the input {mapped.target} cannot be evaluated: {error}") from None
        elif mapped.is_feel:
            continue  # made by hand, from variables that only the process knows
        _put(made, mapped.target.split("."), value)
    return _Request(made)


def _put(scope: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = scope.get(name)
        scope[name] = inner = dict(inner) if isinstance(inner, Mapping) else {}
        scope = inner
    scope[path[-1]] = value


_FILLED_IN = (
    frozenset(_OPENAI_INPUTS) - {"operation"}
    | frozenset(_AZURE_INPUTS) - {"operation"}
    | _AZURE_EXTRAS.keys()
)
_NUMBERS = ("internal_temperature", "internal_choices", *_AZURE_PARAMETERS)


def _probe(target: str) -> Any:
    """Give the mark for an input: a value that nothing else makes."""
    if target in _NUMBERS:
        return str(2 + _NUMBERS.index(target))
    if target in ("internal_chatHistory", "chatCompletion_messages"):
        return [{"role": "assistant", "content": f"<{target}>"}]
    return f"<{target}>"


def _number(text: Any) -> Any:
    try:
        return int(text) if text.isdigit() else float(Decimal(text))
    except (ArithmeticError, ValueError):
        return None


def _variables(source: str) -> frozenset[str]:
    from camunda_feel import FeelError, parse

    try:
        return parse(source[1:]).variables
    except FeelError:
        return frozenset()  # as broken afterwards as it is now; `lint` says so


def _feel_text(value: str, label: str) -> str:
    """Write a text as FEEL. Engines differ in how they read two backslashes (8.5: as two), so there may be none."""
    if "\\" in value:
        raise NotCarriedError(
            f"{label} has a backslash, which expressions of different engines read differently"
        )
    return '"' + value.replace('"', '\\"') + '"'


def _literal(task: Task, target: str) -> str | None:
    mapped = task.input(target)
    if mapped is None or mapped.source is None:
        return None
    if mapped.is_feel:
        raise NotCarriedError(f"the input {target} is an expression: choose a fixed value")
    return mapped.source.strip()


def _source(task: Task, target: str) -> str:
    mapped = task.input(target)
    return (mapped.source or "") if mapped else ""


def _shown(mapped: Input | None) -> str:
    text = (mapped.source or "") if mapped else ""
    return text if len(text) <= 60 else text[:59] + "…"
