"""Rules for OpenAI's models: whether a model is there, and which parameters it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openai_connector.tasks.operations import Moderation
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tasks.operations.models import CHECKED, is_known, is_reasoning, refused_by, shutdown_of
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
    elif not is_known(model.name):
        message = f"The model {model.name[:100]} is not among OpenAI's of {CHECKED}: check its name"
        yield Finding("unknown-model", "warning", message, line)


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
    effort = body.get("reasoning_effort")
    names = refused_by(model.name, effort) & body.keys()
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
