"""Which templates there are. To add one, describe it here; to add an operation, see `openai_connector.operations`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openai_connector.operations import OPERATIONS, Chat, Moderation, Operation
from openai_connector.operations.chat import MAX_TOKENS_PARAMETERS
from openai_connector.operations.inputs import Shown

OPENAI_DOCUMENTATION = "https://platform.openai.com/docs/api-reference/"
RESULT_EXAMPLES: Mapping[type[Operation], tuple[str, ...]] = {
    Chat: (
        "Text: <code>={answer: response.output.text}</code>",
        "List of all choices: <code>={answers: response.output.responses}</code>",
        "With tokens used: <code>={answer: response.output.text, tokens: response.output.usage.total_tokens}</code>",
    ),
    Moderation: (
        "Flagged: <code>={flagged: response.output.flagged, categories: response.output.flaggedCategories}</code>",
    ),
}
ERROR_EXAMPLES: Mapping[type[Operation], tuple[str, ...]] = {
    Chat: (
        'Refused by the API: <code>=if error.code = "400" then bpmnError("REFUSED", error.message) else null</code>',
    ),
    Moderation: (
        "Flagged: <code>=if response.output.flagged = true "
        'then bpmnError("FLAGGED", "The text is harmful") else null</code>',
    ),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One element template."""

    file: str
    id: str
    name: str
    description: str
    documentation: str
    keywords: tuple[str, ...]
    operations: tuple[type[Operation], ...] = tuple(OPERATIONS.values())
    """Several: the modeler chooses. One: it is fixed, and the panel is shorter."""
    inputs: Mapping[str, Shown | None] = field(default_factory=dict)
    """Inputs shown otherwise than the operations declare; None: not shown."""

    def result_examples(self) -> tuple[str, ...]:
        """Give examples of a result expression."""
        return tuple(example for operation in self.operations for example in RESULT_EXAMPLES.get(operation, ()))

    def error_examples(self) -> tuple[str, ...]:
        """Give examples of an error expression."""
        return tuple(example for operation in self.operations for example in ERROR_EXAMPLES.get(operation, ()))


_AI = ("ai", "artificial intelligence", "llm", "gpt", "openai")
_CHAT = ("chat", "prompt", "completion", "assistant")
_MODERATION = ("moderation", "content safety", "harmful content")

_KEY_OF_OTHERS = Shown(
    "authentication",
    label="API key",
    description="A secret, for example {{secrets.LLM_API_KEY}}. Empty if the server wants none",
    placeholder="{{secrets.LLM_API_KEY}}",
)
_MODEL_OF_OTHERS = Shown(
    "model",
    required=True,
    description="The model's name as the server knows it, for example llama3.3 or mistral-small",
)
_BASE_URL = Shown(
    "authentication",
    required=True,
    description="Address of the API up to /v1, for example https://llm.example.com/v1. "
    "Its host must be allowed at the worker (CONNECTOR_ALLOWED_HOSTS)",
    pattern=r"https?://.+",
    pattern_message="must begin with https:// or http://",
)
_MAX_TOKENS_OF_OTHERS = Shown(
    "parameters",
    kind="Dropdown",
    choices=MAX_TOKENS_PARAMETERS,
    default="max_tokens",
    feel=None,
    description="Most compatible servers know max_tokens only",
)
_AZURE_KEY = Shown(
    "authentication",
    label="API key",
    required=True,
    description="Key 1 or key 2 of the Azure resource, as a secret: {{secrets.AZURE_OPENAI_API_KEY}}",
    placeholder="{{secrets.AZURE_OPENAI_API_KEY}}",
)

VARIANTS: tuple[Variant, ...] = (
    Variant(
        "openai-connector.json",
        "openai-connector.v1",
        "OpenAI connector",
        "Ask an OpenAI model, or check texts for harmful content",
        OPENAI_DOCUMENTATION,
        _AI + _CHAT + _MODERATION,
    ),
    Variant(
        "openai-chat.json",
        "openai-connector.chat.v1",
        "OpenAI chat",
        "Ask an OpenAI model and use its answer in the process",
        OPENAI_DOCUMENTATION + "chat",
        _AI + _CHAT,
        (Chat,),
        {"openai_baseUrl": None, "openai_maxTokensParameter": None},
    ),
    Variant(
        "openai-moderation.json",
        "openai-connector.moderation.v1",
        "OpenAI moderation",
        "Check texts for harmful content",
        OPENAI_DOCUMENTATION + "moderations",
        _AI + _MODERATION,
        (Moderation,),
        {"openai_baseUrl": None},
    ),
    Variant(
        "openai-compatible.json",
        "openai-connector.compatible.v1",
        "OpenAI-compatible connector",
        "Ask a model of any server with an OpenAI-compatible API: vLLM, Ollama, LiteLLM, llama.cpp and others",
        OPENAI_DOCUMENTATION + "chat",
        (*_AI, "local model", "self-hosted", "vllm", "ollama", "litellm", "llama.cpp", "mistral"),
        inputs={
            "openai_apiKey": _KEY_OF_OTHERS,
            "openai_organization": None,
            "openai_project": None,
            "openai_baseUrl": _BASE_URL,
            "openai_model": _MODEL_OF_OTHERS,
            "openai_customModel": None,
            "openai_maxTokensParameter": _MAX_TOKENS_OF_OTHERS,
            "openai_moderationModel": Shown(
                "moderation", description="The model's name as the server knows it. Empty: the server's own choice"
            ),
        },
    ),
    Variant(
        "azure-openai.json",
        "openai-connector.azure.v1",
        "Azure OpenAI chat",
        "Ask a model that is deployed in Azure OpenAI",
        "https://learn.microsoft.com/azure/ai-services/openai/reference",
        (*_AI, *_CHAT, "azure", "microsoft"),
        (Chat,),
        {
            "openai_apiKey": _AZURE_KEY,
            "openai_organization": None,
            "openai_project": None,
            "openai_baseUrl": None,
            "openai_azureResource": Shown(
                "model",
                label="Resource",
                required=True,
                description="Name of the Azure OpenAI resource: contoso in https://contoso.openai.azure.com",
                placeholder="contoso",
                pattern=r"[A-Za-z0-9-]+",
                pattern_message="must be the name alone, for example contoso",
            ),
            "openai_azureDeployment": Shown(
                "model",
                required=True,
                description="Name under which the model is deployed there, for example support-assistant",
            ),
            "openai_azureApiVersion": Shown(
                "model",
                required=True,
                default="2024-10-21",
                description="Version of Azure's API, for example 2024-10-21",
                pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1",
                pattern_message="must be a version such as 2024-10-21",
            ),
            "openai_model": None,
            "openai_customModel": None,
        },
    ),
)
