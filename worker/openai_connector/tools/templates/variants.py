"""Which templates there are. To add one, describe it here; to add an operation, see `tasks.operations`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from openai_connector.tasks.operations import OPERATIONS, Chat, Moderation, Operation
from openai_connector.tasks.operations.chat import CHAT_COMPLETIONS, MAX_TOKENS_PARAMETERS
from openai_connector.tasks.operations.endpoint import BASE_URL_PATTERN
from openai_connector.tasks.operations.fields import Shown
from openai_connector.tasks.secrets import PLACEHOLDER

OPENAI_DOCUMENTATION = "https://platform.openai.com/docs/api-reference/"
RESULT_EXAMPLES: Mapping[type[Operation], tuple[str, ...]] = {
    Chat: (
        "Text: <code>{answer: response.output.text}</code>",
        "All choices: <code>{answers: response.output.responses}</code>",
        "JSON answer: <code>{order: response.output.json}</code>",
        "Tokens used: <code>{tokens: response.output.tokens.total}</code>",
        "What it cost: <code>{cost: response.output.cost.amount}</code>",
    ),
    Moderation: (
        "Is it harmful: <code>{flagged: response.output.flagged}</code>",
        "In which way: <code>{categories: response.output.flaggedCategories}</code>",
    ),
}
ERROR_EXAMPLES: Mapping[type[Operation], tuple[str, ...]] = {
    Chat: (
        'Bad request: <code>if error.code = "400" then bpmnError("REFUSED", error.message) else null</code>',
        'Cut off: <code>if response.output.finishReason = "length" '
        'then bpmnError("TOO_LONG", "The answer is cut off") else null</code>',
    ),
    Moderation: (
        "Harmful: <code>if response.output.flagged = true "
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


_AI = ("ai", "artificial intelligence", "llm", "gpt", "openai")
_CHAT = ("chat", "prompt", "completion", "assistant")
_MODERATION = ("moderation", "content safety", "harmful content")

_KEY_OF_OTHERS = Shown(
    "authentication",
    label="API key",
    description="A secret: <code>{{secrets.LLM_API_KEY}}</code>. Empty if the server wants none",
    placeholder="{{secrets.LLM_API_KEY}}",
)
_MODEL_OF_OTHERS = Shown(
    "model",
    required=True,
    description="The model's name as the server knows it, for example <code>llama3.3</code> or "
    "<code>mistral-small</code>",
)
_BASE_URL = Shown(
    "authentication",
    required=True,
    description="Address of the API, for example <code>https://llm.example.com/v1</code>. The worker must "
    "allow its host (<code>CONNECTOR_ALLOWED_HOSTS</code>)",
    pattern=BASE_URL_PATTERN,
    pattern_message="must begin with https:// or http://",
)
_MAX_TOKENS_OF_OTHERS = Shown(
    "parameters",
    kind="Dropdown",
    choices=MAX_TOKENS_PARAMETERS,
    default="max_tokens",
    feel=None,
    description="Most compatible servers know max_tokens only",
    condition=("api", (CHAT_COMPLETIONS,)),
)
_AZURE_KEY = Shown(
    "authentication",
    label="API key",
    required=True,
    description="Key 1 or key 2 of the resource, as a secret: <code>{{secrets.AZURE_OPENAI_API_KEY}}</code>",
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
        {"openai_baseUrl": None, "openai_answerNeeded": None},
    ),
    Variant(
        "openai-compatible.json",
        "openai-connector.compatible.v1",
        "OpenAI-compatible connector",
        "Ask a model of any server with an OpenAI-compatible API: vLLM, Ollama, LiteLLM, llama.cpp and "
        "others",
        OPENAI_DOCUMENTATION + "chat",
        (*_AI, "local model", "self-hosted", "vllm", "ollama", "litellm", "llama.cpp", "mistral"),
        inputs={
            "openai_apiKey": _KEY_OF_OTHERS,
            "openai_organization": None,
            "openai_project": None,
            "openai_baseUrl": _BASE_URL,
            "openai_model": _MODEL_OF_OTHERS,
            "openai_customModel": None,
            "openai_answerNeeded": None,
            "openai_maxTokensParameter": _MAX_TOKENS_OF_OTHERS,
            "openai_moderationModel": Shown(
                "moderation",
                description="The model's name as the server knows it. Empty: the server's own choice",
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
                required=True,
                description="Its name: <code>contoso</code> if it is reached at https://contoso.openai.azure.com",
                placeholder="contoso",
                pattern=rf"([A-Za-z0-9-]|{PLACEHOLDER})+",
                pattern_message="must be the name alone, for example contoso",
            ),
            "openai_azureDeployment": Shown(
                "model",
                required=True,
                description="Name under which the model is deployed there, for example "
                "<code>support-assistant</code>",
            ),
            "openai_azureApiVersion": Shown(
                "model",
                required=True,
                default="2024-10-21",
                description="Version of Azure's API, for example <code>2024-10-21</code>",
                pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1"
                rf"|[A-Za-z0-9.-]*({PLACEHOLDER}[A-Za-z0-9.-]*)+",
                pattern_message="must be a version such as 2024-10-21",
            ),
            "openai_model": None,
            "openai_customModel": None,
            "openai_answerNeeded": None,
            "openai_api": None,
            "openai_maxTokensParameter": replace(
                _MAX_TOKENS_OF_OTHERS,
                default="max_completion_tokens",
                description="Deployments of older models know max_tokens only",
            ),
        },
    ),
)
