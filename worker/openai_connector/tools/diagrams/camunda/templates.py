"""The two OpenAI templates of Camunda, and this connector's input for each of theirs."""

from __future__ import annotations

from openai_connector.tasks.operations import OPERATION_INPUT, OPERATIONS, Endpoint
from openai_connector.tasks.operations.fields import Inputs
from openai_connector.tools.diagrams.tasks import Task

OPENAI_TEMPLATE = "io.camunda.connectors.OpenAI.v1"
AZURE_TEMPLATE = "io.camunda.connectors.AzureOpenAI.outbound.v1"
REST_JOB_TYPE = "io.camunda:http-json:1"
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
# The first that is there decides: without a read timeout, Camunda's runtime uses the connection timeout.
TIMEOUTS = ("readTimeoutInSeconds", "connectionTimeoutInSeconds")
WRITE_TIMEOUT = "writeTimeoutInSeconds"
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


def template_of(task: Task) -> str | None:
    """Return which of Camunda's two templates a task was made with; None for any other task.

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
    if operation.source in OPERATIONS and targets & OPENAI_INPUTS.keys() - {
        "operation",
        "authentication.token",
    }:
        return OPENAI_TEMPLATE
    return None
