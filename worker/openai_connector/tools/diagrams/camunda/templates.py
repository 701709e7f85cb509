"""The two OpenAI templates of Camunda, and this connector's input for each of theirs."""

from __future__ import annotations

from openai_connector.contract import (
    CAMUNDA_HTTP_JOB_TYPE,
    PREFIX,
    TEMPLATE_AZURE,
    TEMPLATE_CHAT,
    TEMPLATE_COMPATIBLE,
    TEMPLATE_CONNECTOR,
    TEMPLATE_MODERATION,
)
from openai_connector.tasks.operations import OPERATION_INPUT, OPERATIONS, Endpoint
from openai_connector.tasks.operations.fields import Inputs
from openai_connector.tools.diagrams.tasks import Task

OPENAI_TEMPLATE = "io.camunda.connectors.OpenAI.v1"
AZURE_TEMPLATE = "io.camunda.connectors.AzureOpenAI.outbound.v1"
AZURE_OPERATIONS = ("completion", "chatCompletion", "completionsExtension")

OPENAI_INPUTS = {
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
AZURE_INPUTS = {
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
AZURE_EXTRAS = {
    "chatCompletion_contentPart": "contentPart",
    "chatCompletion_enhancements": "enhancements",
    "chatCompletion_dataSources": "dataSources",
    "chatCompletion_stop": "stop",
    "chatCompletion_logitBias": "logit_bias",
    "chatCompletion_user": "user",
    "chatCompletion_tools": "tools",
}
"""Inputs that become entries of the extra body."""
AZURE_PARAMETERS = {
    "chatCompletion_temperature": "temperature",
    "chatCompletion_n": "n",
    "chatCompletion_maxTokens": "max_tokens",
    "chatCompletion_presencePenalty": "presence_penalty",
    "chatCompletion_frequencyPenalty": "frequency_penalty",
}
"""Inputs that are sent as numbers."""
# Inputs that the templates build from the values above: they are read, and then no longer needed.
MADE = (
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
READ_TIMEOUT = "readTimeoutInSeconds"
CONNECTION_TIMEOUT = "connectionTimeoutInSeconds"
WRITE_TIMEOUT = "writeTimeoutInSeconds"
TIMEOUTS = (READ_TIMEOUT, CONNECTION_TIMEOUT, WRITE_TIMEOUT)
# Other inputs of the REST connector that change what it does.
NOT_HERE = (
    "queryParameters",
    "storeResponse",
    "followRedirects",
    "skipEncoding",
    "ignoreNullValues",
    "groupSetCookie",
)
_MODELS: tuple[type[Inputs], ...] = (Endpoint, *OPERATIONS.values())
LABELS = {str(info.alias): str(info.title) for model in _MODELS for info in model.model_fields.values()}
"""What a modeler calls an input of this connector."""


_OWN_TEMPLATES = (
    TEMPLATE_CONNECTOR,
    TEMPLATE_CHAT,
    TEMPLATE_MODERATION,
    TEMPLATE_COMPATIBLE,
    TEMPLATE_AZURE,
)
_OF_OPENAI = OPENAI_INPUTS.keys() - {"operation", "authentication.token"} | {"internal_messages"}
_TELLING_INPUTS = 2
"""So many of a template's inputs are no coincidence."""
_OF_AZURE = tuple(f"{operation}_" for operation in AZURE_OPERATIONS)


def template_of(task: Task) -> str | None:
    """Return which of Camunda's two templates a task was made with; None for any other task.

    Any other task counts when its job type and its inputs are those of one: the link may have been removed,
    and a copy of the template has an id of its own.
    """
    if task.template_id in (OPENAI_TEMPLATE, AZURE_TEMPLATE):
        return task.template_id
    if task.template_id in _OWN_TEMPLATES or task.job_type != CAMUNDA_HTTP_JOB_TYPE:
        return None
    operation = _operation(task)
    targets = {mapped.target for mapped in task.inputs}
    if operation in AZURE_OPERATIONS and any(target.startswith(f"{operation}_") for target in targets):
        return AZURE_TEMPLATE
    if operation in OPERATIONS and targets & _OF_OPENAI:
        return OPENAI_TEMPLATE
    return None


def likeness_of(task: Task) -> str | None:
    """Return why a task that has inputs of Camunda's two templates is taken for none of them.

    None for a task that is made with one, and for one that has no such input.
    """
    targets = [mapped.target for mapped in task.inputs]
    if template_of(task) is not None or any(target.startswith(PREFIX) for target in targets):
        return None
    alike = [target for target in targets if target in _OF_OPENAI or target.startswith(_OF_AZURE)]
    if len(alike) < _TELLING_INPUTS and "internal_textToAnalyze" not in alike:
        return None
    if task.job_type != CAMUNDA_HTTP_JOB_TYPE:
        what = f"its job type is {task.job_type or 'missing'}, not {CAMUNDA_HTTP_JOB_TYPE}"
    else:
        what = f"its operation is {_operation(task) or 'missing'}"
    return f"it looks like a task of Camunda's OpenAI templates, but {what}"


def _operation(task: Task) -> str:
    operation = task.input("operation")
    return ((operation.source or "") if operation else "").strip()
