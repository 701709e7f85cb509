"""Rules for OpenAI's models: whether a model is there, and which parameters it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openai_connector.contract import ANSWER_NEEDED, API, REASONING_EFFORT
from openai_connector.tasks.operations import Moderation
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tasks.operations.models import (
    CHECKED,
    is_chat_only,
    is_known,
    is_reasoning,
    is_responses_only,
    refused_by,
    refuses_chat_tools,
    shutdown_of,
)
from openai_connector.tools.diagrams.constants import value_of
from openai_connector.tools.diagrams.lint.subject import Finding, Severity, Subject, label_of

_SENT_AS = {
    "temperature": "openai_temperature",
    "top_p": "openai_topP",
    "frequency_penalty": "openai_frequencyPenalty",
    "presence_penalty": "openai_presencePenalty",
    "reasoning_effort": "openai_reasoningEffort",
}
"""Parameters of the request that a model may refuse, and the inputs that they come from."""


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model of OpenAI's that a task asks."""

    name: str
    target: str
    """The input that names it."""


def asked(subject: Subject) -> AskedModel | None:
    """Return the model of OpenAI's that is asked; None where only the process or another server knows it."""
    if subject.sources.get("openai_baseUrl") or subject.sources.get("openai_azureResource"):
        return None  # another server's models have any names
    if subject.operation == Moderation.name:
        target = "openai_moderationModel"
    else:
        target = "openai_customModel" if subject.sources.get("openai_model") == CUSTOM else "openai_model"
    name = value_of(subject.sources.get(target, "").strip())
    return AskedModel(name, target) if isinstance(name, str) and name else None


def life(subject: Subject, model: AskedModel) -> Iterator[Finding]:
    """Check that a model exists, and that its end is not announced."""
    line = subject.line_of(model.target)
    shutdown = shutdown_of(model.name)
    if shutdown is not None:
        sentence = shutdown.sentence(subject.today)
        severity: Severity = "error" if shutdown.day <= subject.today else "warning"
        yield Finding("model-shutdown", severity, sentence[0].upper() + sentence[1:], line)
    elif not (is_known(model.name) or is_responses_only(model.name) or is_chat_only(model.name)):
        message = f"The model {model.name[:100]} is not among OpenAI's of {CHECKED}: check its name"
        yield Finding("unknown-model", "warning", message, line)


def effort_of(body: Mapping[str, Any]) -> Any:
    """Return the reasoning effort that a request of either API asks for."""
    reasoning = body.get("reasoning")
    return body.get("reasoning_effort") or (
        reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    )


def served(
    subject: Subject, model: AskedModel, body: Mapping[str, Any], unknown: frozenset[str]
) -> Iterator[Finding]:
    """Check that OpenAI serves a chat model by the API that the task goes by, with its tools.

    Args:
        subject: the task.
        model: the model that it asks.
        body: the request's body.
        unknown: inputs whose value only the process knows.
    """
    if unknown & {API.name, ANSWER_NEEDED.name}:
        return
    line = subject.line_of(model.target)
    is_chat = "messages" in body
    if is_chat and is_responses_only(model.name):
        message = f"OpenAI serves the model {model.name} by the Responses API alone: choose Responses in API"
        yield Finding("model-and-api", "error", message, line)
    elif not is_chat and is_chat_only(model.name):
        message = f"OpenAI serves the model {model.name} by Chat Completions alone: choose it in API"
        yield Finding("model-and-api", "error", message, line)
    elif is_chat and body.get("tools") and refuses_chat_tools(model.name, effort_of(body)):
        severity: Severity = "warning" if REASONING_EFFORT.name in unknown else "error"
        message = (
            f"The model {model.name} takes no tools by Chat Completions while it reasons: choose Responses "
            "in API, or the reasoning effort none where the model knows it"
        )
        yield Finding("model-and-api", severity, message, line)


def refused(
    subject: Subject, model: AskedModel, body: Mapping[str, Any], unknown: frozenset[str]
) -> Iterator[Finding]:
    """Check that a chat model accepts the parameters of a request.

    Args:
        subject: the task.
        model: the model that it asks.
        body: the request's body.
        unknown: inputs whose value only the process knows.
    """
    effort = effort_of(body)
    given = body.keys() | ({"reasoning_effort"} if effort is not None else set())
    names = refused_by(model.name, effort) & given
    if "openai_reasoningEffort" in unknown:
        names -= refused_by(model.name) - refused_by(model.name, "none")
    for parameter in sorted(names):
        target = _SENT_AS.get(parameter, "openai_extraBody")
        label = label_of(target) if parameter in _SENT_AS else f"{parameter} in {label_of(target)}"
        # Some models accept the default itself; an expression may be null at run time.
        is_default = parameter == "temperature" and body[parameter] == 1
        severity: Severity = "warning" if is_default or target in unknown else "error"
        message = f"The model {model.name} refuses {label}: empty it"
        yield Finding("refused-parameter", severity, message, subject.line_of(target))
    if (
        effort == "none"
        and model.name.startswith("gpt-6")
        and is_reasoning(model.name)
        and "temperature" in body
    ):
        message = (
            f"The model {model.name} may refuse Temperature even with the reasoning effort none: "
            "try it, or empty it"
        )
        yield Finding("refused-parameter", "warning", message, subject.line_of("openai_temperature"))
