"""Every name that diagrams and operators build on, once, with its label. None of them changes once released.

Inputs are flat variables with one prefix, so that hardly anything leaks in from outer scopes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

JOB_TYPE: Final = "openai-connector:1"
CAMUNDA_HTTP_JOB_TYPE: Final = "io.camunda:http-json:1"
"""Of tasks made with Camunda's own templates, which the drop-in serves."""


class ExitStatus(IntEnum):
    """What a supervisor learns from the end of the program; docs/operators/scaling.md says what to do."""

    ENDED = 0
    """As it should: a worker has drained after a signal."""
    FAILED = 1
    """The command could not do it; a worker was ended by a bug."""
    WRONG_USE = 2
    """A setting or an argument is wrong; nothing was done."""
    INTERRUPTED = 130
    """Ended in a hurry: a second signal has cut the drain short. As shells have it after Ctrl-C."""


# Templates

TEMPLATE_CONNECTOR: Final = "openai-connector.v1"
TEMPLATE_CHAT: Final = "openai-connector.chat.v1"
TEMPLATE_MODERATION: Final = "openai-connector.moderation.v1"
TEMPLATE_COMPATIBLE: Final = "openai-connector.compatible.v1"
TEMPLATE_AZURE: Final = "openai-connector.azure.v1"

# Task headers

RESULT_VARIABLE: Final = "resultVariable"
RESULT_EXPRESSION: Final = "resultExpression"
ERROR_EXPRESSION: Final = "errorExpression"
RETRY_BACKOFF: Final = "retryBackoff"
JOB_TIMEOUT: Final = "jobTimeout"
TEMPLATE_ID: Final = "elementTemplateId"
TEMPLATE_VERSION: Final = "elementTemplateVersion"
HEADER_LABELS: Final[Mapping[str, str]] = {
    RESULT_VARIABLE: "Result variable",
    RESULT_EXPRESSION: "Result expression",
    ERROR_EXPRESSION: "Error expression",
    RETRY_BACKOFF: "Retry backoff",
    JOB_TIMEOUT: "Job timeout",
}

# Variables

PREFIX: Final = "openai_"
OVERRIDES: Final[Mapping[str, str]] = {
    name: PREFIX + name for name in (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION)
}
"""Local variables that override a header where an operator sets them at the task: headers never change."""
STATE_VARIABLE: Final = PREFIX + "state"
"""Reserved: what the worker remembers of a task across activations, one JSON string."""
OWN_VARIABLES: Final = (*OVERRIDES.values(), STATE_VARIABLE)
"""Fetched with every job in addition to its inputs."""
TRACE_VARIABLES: Final = ("traceparent", "tracestate")
"""Where a trace that a job belongs to stands, by W3C's names: fetched while traces are on, or headers."""
ERROR_VARIABLE: Final = "error"
"""Local to a task that failed: its error object."""

SECRETS: Final = "secrets."
"""What the names of secrets follow, in diagrams and in files of budgets."""
OWN_KEY: Final = "OPENAI_API_KEY"
"""How budgets name the worker's own key."""

FORBIDDEN_KEY: Final = "camunda.function.type"
"""Of contexts that Camunda's connectors do not read but execute: no process gets one from this worker."""


class Input(NamedTuple):
    """An input of a task: its variable, and what the modeler calls it."""

    name: str
    label: str


API_KEY: Final = Input("openai_apiKey", "OpenAI API key")
ORGANIZATION: Final = Input("openai_organization", "Organization")
PROJECT: Final = Input("openai_project", "Project")
BASE_URL: Final = Input("openai_baseUrl", "Base URL")
AZURE_RESOURCE: Final = Input("openai_azureResource", "Azure resource")
AZURE_DEPLOYMENT: Final = Input("openai_azureDeployment", "Deployment")
AZURE_API_VERSION: Final = Input("openai_azureApiVersion", "API version")
TIMEOUT: Final = Input("openai_timeout", "Request timeout")
OPERATION: Final = Input("openai_operation", "Operation")
API: Final = Input("openai_api", "API")
ANSWER_NEEDED: Final = Input("openai_answerNeeded", "Answer needed")

MODEL: Final = Input("openai_model", "Model")
CUSTOM_MODEL: Final = Input("openai_customModel", "Custom model version")
SYSTEM_MESSAGE: Final = Input("openai_systemMessage", "System message")
CHAT_HISTORY: Final = Input("openai_chatHistory", "Chat history")
PROMPT: Final = Input("openai_prompt", "Prompt")
TEMPERATURE: Final = Input("openai_temperature", "Temperature")
TOP_P: Final = Input("openai_topP", "Top P")
MAX_TOKENS: Final = Input("openai_maxTokens", "Maximum tokens")
MAX_TOKENS_PARAMETER: Final = Input("openai_maxTokensParameter", "Maximum tokens are sent as")
FREQUENCY_PENALTY: Final = Input("openai_frequencyPenalty", "Frequency penalty")
PRESENCE_PENALTY: Final = Input("openai_presencePenalty", "Presence penalty")
CHOICES: Final = Input("openai_choices", "Choices to generate")
REASONING_EFFORT: Final = Input("openai_reasoningEffort", "Reasoning effort")
VERBOSITY: Final = Input("openai_verbosity", "Verbosity")
TOOLS: Final = Input("openai_tools", "Tools")
TOOL_RESULTS: Final = Input("openai_toolResults", "Tool results")
EXTRA_BODY: Final = Input("openai_extraBody", "Extra body")
RESPONSE_FORMAT: Final = Input("openai_responseFormat", "Response format")
JSON_SCHEMA: Final = Input("openai_jsonSchema", "JSON schema")
UNEXPECTED_ANSWER: Final = Input("openai_unexpectedAnswer", "If the answer is not as asked")
OVER_BUDGET: Final = Input("openai_budgetExceeded", "If the budget is used up")
REPAIR: Final = Input("openai_repair", "Ask again once")
MODERATION_INPUT: Final = Input("openai_moderationInput", "Evaluation input")
MODERATION_MODEL: Final = Input("openai_moderationModel", "Moderation model")

# What error expressions compare

INVALID_INPUTS: Final = "INVALID_INPUTS"
SECRET_NOT_AVAILABLE: Final = "SECRET_NOT_AVAILABLE"
HOST_NOT_ALLOWED: Final = "HOST_NOT_ALLOWED"
INVALID_RESPONSE: Final = "INVALID_RESPONSE"
MAPPING_FAILED: Final = "MAPPING_FAILED"
WORKER_ENDED: Final = "WORKER_ENDED"
HELD_BACK: Final = "HELD_BACK"
"""Nothing was sent for so long that it is an incident."""
ANSWER_OVERDUE: Final = "ANSWER_OVERDUE"
"""The answer that the job waits for has not come for so long that it is an incident."""
ANSWER_EXPIRED: Final = "ANSWER_EXPIRED"
"""The answer that the job waits for is not to be had any more."""
NO_BATCH: Final = "NO_BATCH"
"""The address is none that takes batches."""
BATCH_REFUSED: Final = "BATCH_REFUSED"
"""A batch was refused because of this job's line in it."""
BATCH_LINE_FAILED: Final = "BATCH_LINE_FAILED"
"""A batch has ended without an answer to this job."""
BATCH_EXPIRED: Final = "BATCH_EXPIRED"
"""The day was over before this job's line was run."""
BATCH_CANCELLED: Final = "BATCH_CANCELLED"
"""Somebody has cancelled the batch before this job's line was run."""
BUDGET_EXCEEDED: Final = "BUDGET_EXCEEDED"
"""The call was not made: it does not fit into a budget."""
CONNECTION_FAILED: Final = "408"
"""Camunda's REST connector gives connection failures and timeouts this code."""
TLS_FAILED: Final = "SSL_HANDSHAKE_FAILED"
"""As Camunda's REST connector."""

# How an answer is other than it was asked for: codes of `AnswerError`, and `output.condition`

AS_ASKED: Final = "AS_ASKED"
ANSWER_EMPTY: Final = "ANSWER_EMPTY"
ANSWER_TRUNCATED: Final = "ANSWER_TRUNCATED"
ANSWER_REFUSED: Final = "ANSWER_REFUSED"
ANSWER_FILTERED: Final = "ANSWER_FILTERED"
ANSWER_NOT_JSON: Final = "ANSWER_NOT_JSON"
ANSWER_OFF_SCHEMA: Final = "ANSWER_OFF_SCHEMA"

# What may become of such an answer

FAIL: Final = "fail"
BPMN_ERROR: Final = "bpmnError"
COMPLETE: Final = "complete"

# Defaults

OPENAI_HOST: Final = "api.openai.com"
DEFAULT_BASE_URL: Final = f"https://{OPENAI_HOST}/v1"
DEFAULT_TIMEOUT_SECONDS: Final = 180
DEFAULT_RETRIES: Final = 3

# Labels of the panel, by the names that sentences have for them

PANEL: Final[Mapping[str, str]] = {
    "api_key": API_KEY.label,
    "organization": ORGANIZATION.label,
    "project": PROJECT.label,
    "base_url": BASE_URL.label,
    "operation": OPERATION.label,
    "api": API.label,
    "model": MODEL.label,
    "prompt": PROMPT.label,
    "chat_history": CHAT_HISTORY.label,
    "max_tokens": MAX_TOKENS.label,
    "choices": CHOICES.label,
    "response_format": RESPONSE_FORMAT.label,
    "json_schema": JSON_SCHEMA.label,
    "by_input": f" (stream: false in {EXTRA_BODY.label})",
    "timeout": TIMEOUT.label,
    "credentials": f"{API_KEY.label} (and {ORGANIZATION.label} and {PROJECT.label})",
    "address": BASE_URL.label,
    "place": f"{BASE_URL.label} and {MODEL.label}",
    "content": f"{PROMPT.label} or {CHAT_HISTORY.label}",
    "less": f"{MAX_TOKENS.label}, {CHOICES.label}",
}
"""Of this connector's own templates. What the modeler of a task sees depends on its inputs: `tasks.panel`."""
OTHERS_KEY_LABEL: Final = "API key"
"""Of the key in templates for other APIs than OpenAI's."""
WORKERS_BASE_URL: Final = "OPENAI_BASE_URL (of the worker)"
WORKERS_KEY: Final = "OPENAI_API_KEY (of the worker)"
"""What counts where a task names no address or no key."""
AZURE_PANEL: Final[Mapping[str, str]] = {
    **PANEL,
    "api_key": OTHERS_KEY_LABEL,
    "credentials": OTHERS_KEY_LABEL,
    "base_url": AZURE_RESOURCE.label,
    "model": AZURE_DEPLOYMENT.label,
    "address": f"{AZURE_RESOURCE.label}, {AZURE_DEPLOYMENT.label} and {AZURE_API_VERSION.label}",
    "place": f"{AZURE_RESOURCE.label}, {AZURE_DEPLOYMENT.label} and {AZURE_API_VERSION.label}",
}
CAMUNDA_HTTP_PANEL: Final[Mapping[str, str]] = {
    **PANEL,
    "base_url": "url",
    "by_input": "",
    "address": "url",
    "place": f"url and {MODEL.label}",
    "timeout": "Read timeout",
}
"""Of tasks made with Camunda's own templates."""
