"""Rules for the request: it is built by the worker's own code, then checked; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openai_connector.contract import BASE_URL, CHAT_HISTORY, TOOL_RESULTS
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.operations import INPUT_NAMES, OPERATION_INPUT, Chat, InvalidInputsError
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tools.diagrams.camunda import LABELS
from openai_connector.tools.diagrams.constants import NOT_CONSTANT, value_of
from openai_connector.tools.diagrams.lint import answer_needed, models, response_format
from openai_connector.tools.diagrams.lint.stand_ins import HISTORY_OF_A_CALL, stand_in
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.diagrams.placeholders import AskedSecrets, url_with_stand_ins


@dataclass(frozen=True, slots=True)
class _Values:
    variables: dict[str, Any]
    """Each input's value as the worker would get it, or a stand-in."""
    unknown: frozenset[str]
    """Inputs whose value only the process knows."""


def request(subject: Subject) -> Iterator[Finding]:
    """Build the request that the worker would send, and check it."""
    if subject.sources.get(OPERATION_INPUT, "").startswith("="):
        return  # which inputs count is only known at run time
    model = models.asked(subject)
    if model is not None:
        yield from models.life(subject, model)
    values = _values(subject)
    try:
        tasks = OpenAiTasks(ApiDefaults(api_key="stand-in"), AllowedHosts(["*"]), AskedSecrets())
        task = tasks.read(values.variables, Redaction())
    except InvalidInputsError as error:
        yield from _invalid_inputs(subject, error, values.variables)
        return
    except HostRefusedError as error:
        yield Finding("bad-input", "error", str(error), subject.line_of("openai_baseUrl"))
        return
    body = task.request_body
    if model is not None and isinstance(task.operation, Chat):
        yield from models.refused(subject, model, body, values.unknown)
        yield from models.served(subject, model, body, values.unknown)
    yield from answer_needed.check(subject, task, values.unknown)
    if "temperature" in body and "top_p" in body:
        message = "Temperature and Top P are both given: set one of them and leave the other empty"
        yield Finding("temperature-and-top-p", "warning", message, subject.line_of("openai_topP"))
    yield from response_format.check(subject, body, values.unknown)


def _values(subject: Subject) -> _Values:
    variables = {
        target: value_of(source) for target, source in subject.sources.items() if target in INPUT_NAMES
    }
    base_url = variables.get(BASE_URL.name)
    if isinstance(base_url, str):
        variables[BASE_URL.name] = url_with_stand_ins(base_url)
    unknown = frozenset(target for target, value in variables.items() if value is NOT_CONSTANT)
    variables |= {target: stand_in(target) for target in unknown}
    # Stand-ins must not contradict the values that are given.
    if "openai_model" in unknown and variables.get("openai_customModel"):
        variables["openai_model"] = CUSTOM
    if "openai_responseFormat" in unknown and variables.get("openai_jsonSchema"):
        variables["openai_responseFormat"] = "json_schema"
    if unknown & {TOOL_RESULTS.name, CHAT_HISTORY.name} and TOOL_RESULTS.name in variables:
        variables[TOOL_RESULTS.name] = stand_in(TOOL_RESULTS.name)
        variables[CHAT_HISTORY.name] = HISTORY_OF_A_CALL
    return _Values(variables, unknown)


def _invalid_inputs(
    subject: Subject, error: InvalidInputsError, variables: Mapping[str, Any]
) -> Iterator[Finding]:
    """Report each violation at the input whose label it begins with."""
    for violation in error.violations:
        begun = [
            (len(label), name)
            for name, label in LABELS.items()
            if violation.startswith(label) and name in variables
        ]
        target = max(begun, default=(0, ""))[1]  # the whole label: one may begin with another
        yield Finding("bad-input", "error", violation, subject.line_of(target))
