"""Checking the connector tasks of a diagram before they run: by the worker's own code where it has any.

Literals go through the very checks that the worker makes; of an expression the syntax is checked, and its value
where it reads no variable. What only the process knows is taken for granted.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from openai_connector.contract import (
    ERROR_EXPRESSION,
    HEADER_LABELS,
    JOB_TIMEOUT,
    OVERRIDES,
    PREFIX,
    RESULT_EXPRESSION,
    RESULT_VARIABLE,
    RETRY_BACKOFF,
    STATE_VARIABLE,
)
from openai_connector.job import Completed
from openai_connector.outcome.expressions import CompiledExpression, ExpressionError, expression_text
from openai_connector.outcome.mapping import HeaderError, OutputMapping, shadowed_message
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.operations import (
    INPUT_NAMES,
    OPERATION_INPUT,
    OPERATIONS,
    SECRET_INPUTS,
    Chat,
    Endpoint,
    InvalidInputsError,
    Moderation,
)
from openai_connector.tasks.operations.chat import CUSTOM, MOST_IN_NAMES, is_schema_name
from openai_connector.tasks.operations.fields import Inputs, kind_of
from openai_connector.tasks.operations.models import CHECKED, is_known, is_reasoning, refused_by, shutdown_of
from openai_connector.tools.diagrams.camunda import LABELS, NotCarriedError, carry, template_of
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.placeholders import AskedSecrets, secrets_asked
from openai_connector.tools.diagrams.tasks import Task, tasks_of
from openai_connector.tools.templates import JOB_TYPE, VARIANTS
from openai_connector.tools.templates.panel import RESULT_VARIABLE as RESULT_VARIABLE_FIELD

Severity = Literal["error", "warning"]

SENT_AS = {
    "temperature": "openai_temperature",
    "top_p": "openai_topP",
    "frequency_penalty": "openai_frequencyPenalty",
    "presence_penalty": "openai_presencePenalty",
    "reasoning_effort": "openai_reasoningEffort",
}
"""Parameters of the request that a model may refuse, and the inputs that they come from."""
_TEMPLATE_IDS = frozenset(variant.id for variant in VARIANTS)
_KEY = re.compile(r"sk-[A-Za-z0-9_-]{16,}", re.ASCII)
_SEEN_BY_RESULTS = frozenset({"response", "status", "headers", "body", "output"})
_SEEN_BY_ERRORS = _SEEN_BY_RESULTS | {"error", "job"}
_MODELS: tuple[type[Inputs], ...] = (Endpoint, *OPERATIONS.values())
_FIELDS_OF = {model: frozenset(str(info.alias) for info in model.model_fields.values()) for model in _MODELS}
# An answer of each operation, as far as its parts are no contexts: what expressions make of it has the same type.
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    Chat.name: {
        "body": {"choices": [{"message": {"content": "stand-in"}}]},
        "output": {
            "text": "stand-in",
            "responses": ["stand-in"],
            "finishReason": "stop",
            "model": "stand-in",
        },
    },
    Moderation.name: {
        "body": {"results": [{"flagged": False}]},
        "output": {"flagged": False, "flaggedCategories": []},
    },
}
# Values for inputs that only the process knows: the first that the input takes.
_STAND_INS: tuple[Any, ...] = (
    "stand-in",
    1,
    "PT1M",
    [{"role": "user", "content": "stand-in"}],
    {"type": "object"},
    "text",
    "low",
    "max_tokens",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a task, or may be."""

    rule: str
    """A stable name of the kind of finding."""
    severity: Severity
    """An error fails at run time, or shows a secret; a warning may be meant."""
    message: str
    line: int
    element_id: str = ""
    element_name: str = ""


def check(data: bytes, today: date, *, job_type: str = JOB_TYPE) -> list[Finding]:
    """Check a diagram's tasks: this connector's, and those of Camunda's own OpenAI templates.

    Args:
        data: the file.
        today: to tell which models are shut down.
        job_type: of this connector's tasks.

    Raises:
        DiagramError: the file cannot be read.
    """
    return [
        finding
        for task in tasks_of(Markup.read(data))
        for finding in check_task(task, today, job_type=job_type)
    ]


def check_task(task: Task, today: date, *, job_type: str = JOB_TYPE) -> list[Finding]:
    """Check one task; nothing is found at tasks of others."""
    if template_of(task) is not None:
        found = _check_camunda(task, today)
    elif _is_ours(task, job_type):
        sources = {mapped.target: mapped.source or "" for mapped in task.inputs}
        found = _TaskCheck(task, sources, {}, today).findings()
    else:
        return []
    shown = [
        replace(
            finding,
            message=_KEY.sub("sk-…", finding.message),
            element_id=task.element_id,
            element_name=task.name,
        )
        for finding in found
    ]
    return sorted(dict.fromkeys(shown), key=lambda finding: finding.line)


def _is_ours(task: Task, job_type: str) -> bool:
    return (
        task.template_id in _TEMPLATE_IDS
        or task.job_type == job_type
        or task.input(OPERATION_INPUT) is not None
    )


def _check_camunda(task: Task, today: date) -> Iterator[Finding]:
    """Check what the task would be as one of ours; its labels are the same."""
    try:
        carried = carry(task)
    except NotCarriedError as error:
        message = f"The task is made with Camunda's own template and cannot be moved over: {error}"
        yield Finding("not-migratable", "warning", message, task.node.line)
        yield from _TaskCheck(task, {}, {}, today).outer_findings()
        return
    yield from _TaskCheck(task, carried.inputs(task), carried.targets, today).findings()


class _TaskCheck:
    """All checks of one task.

    `sources` are its inputs as this connector's; `targets` says which input of ours an input of theirs is.
    """

    def __init__(
        self, task: Task, sources: Mapping[str, str], targets: Mapping[str, str], today: date
    ) -> None:
        self._task = task
        self._sources = sources
        self._targets = targets
        self._lines = {self._ours(mapped.target): mapped.node.line for mapped in task.inputs}
        self._today = today
        self._headers = {header.key: header.value for header in task.headers}
        self._unknown: set[str] = set()
        """Inputs whose value only the process knows."""

    def findings(self) -> Iterator[Finding]:
        yield from self.outer_findings()
        yield from self._unknown_inputs()
        yield from self._misplaced_secrets()
        yield from self._request()

    def outer_findings(self) -> Iterator[Finding]:
        """Check what does not depend on the inputs' meaning."""
        yield from self._sources_written()
        yield from self._syntax()
        yield from self._header_values()
        yield from self._results()
        yield from self._literal_keys()

    def _ours(self, target: str) -> str:
        return self._targets.get(target, target)

    def _at(self, target: str) -> int:
        return self._lines.get(target, self._task.node.line)

    def _header_line(self, key: str) -> int:
        return next(
            (header.node.line for header in self._task.headers if header.key == key), self._task.node.line
        )

    def _sources_written(self) -> Iterator[Finding]:
        targets = [mapped.target for mapped in self._task.inputs]
        for mapped in self._task.inputs:
            if mapped.source is None:
                message = f"The input {mapped.target} has no source: engines before 8.8 refuse the diagram; remove it"
                yield Finding("no-source", "error", message, mapped.node.line)
            if targets.count(mapped.target) > 1:
                message = f"The input {mapped.target} is mapped more than once: only the last mapping counts"
                yield Finding("mapped-twice", "warning", message, mapped.node.line)

    def _syntax(self) -> Iterator[Finding]:
        for mapped in self._task.inputs:
            if mapped.is_feel:
                yield from _feel_syntax(
                    _label(self._ours(mapped.target)), mapped.source or "", mapped.node.line
                )
        retries = self._task.definition.get("retries")
        if retries is None:
            return
        line = self._task.definition.line
        if retries.startswith("="):
            yield from _feel_syntax("Retries", retries, line)
        elif not re.fullmatch(r"[0-9]+", retries.strip()):
            yield Finding(
                "bad-input", "error", f"Retries must be a whole number, got '{retries[:100]}'", line
            )

    def _header_values(self) -> Iterator[Finding]:
        for key in (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION, RETRY_BACKOFF, JOB_TIMEOUT):
            if key not in self._headers:
                continue
            try:
                OutputMapping.read({key: self._headers[key]})
            except HeaderError as error:
                yield Finding("bad-header", "error", str(error), self._header_line(key))
        for override in OVERRIDES.values():
            source = self._sources.get(override, "")
            if not source.startswith("="):
                try:
                    OutputMapping.read({}, {override: source})
                except HeaderError as error:
                    yield Finding("bad-header", "error", str(error), self._at(override))
        name = self._headers.get(RESULT_VARIABLE, "").strip()
        field = RESULT_VARIABLE_FIELD.shown
        if name and not re.fullmatch(field.pattern or "", name):
            message = f"{HEADER_LABELS[RESULT_VARIABLE]} {field.pattern_message}, got '{name[:100]}'"
            yield Finding("bad-header", "warning", message, self._header_line(RESULT_VARIABLE))

    def _results(self) -> Iterator[Finding]:
        results: dict[str, str] = {
            key: self._headers[key] for key in (RESULT_VARIABLE, RESULT_EXPRESSION) if key in self._headers
        }
        try:
            mapping = OutputMapping.read(results)
        except HeaderError:
            mapping = OutputMapping()
        set_names = set(mapping.names_set())
        operation = self._sources.get(OPERATION_INPUT, "").strip().lower()
        response = {"status": 200, "headers": {}, "body": {}, "output": {}, **_ANSWERS.get(operation, {})}
        outcome = mapping.on_answer(response, retries=1).outcome
        if isinstance(outcome, Completed):
            set_names |= outcome.variables.keys()
        elif mapping.result_expression is not None:
            yield from self._no_context(mapping.result_expression, response)
        local = {mapped.variable for mapped in self._task.inputs}
        if (
            self._task.has_outputs()
        ):  # these choose what leaves the task: only what the worker itself refuses counts
            local &= {*INPUT_NAMES, *OVERRIDES.values()}
        if shadowed := set_names & (local | {STATE_VARIABLE}):
            key = RESULT_VARIABLE if self._headers.get(RESULT_VARIABLE) in shadowed else RESULT_EXPRESSION
            yield Finding("lost-result", "error", shadowed_message(shadowed), self._header_line(key))
        for key, seen in (
            (RESULT_EXPRESSION, _SEEN_BY_RESULTS),
            (ERROR_EXPRESSION, _SEEN_BY_ERRORS | set_names),
        ):
            for name in sorted(_variables_of(self._headers.get(key, "")) - seen):
                message = (
                    f"{HEADER_LABELS[key]} reads '{name}', which it does not see: it knows the response, not the "
                    "variables of the process"
                )
                yield Finding("unseen-variable", "warning", message, self._header_line(key))

    def _no_context(self, expression: CompiledExpression, response: Mapping[str, Any]) -> Iterator[Finding]:
        """Say that a result expression gives a value without a name, which fails after the call was paid for."""
        try:
            value, _ = expression.evaluate({**response, "response": response})
        except ExpressionError:
            return  # it may be right for a real answer
        if value is not None and not isinstance(value, Mapping):
            label = HEADER_LABELS[RESULT_EXPRESSION]
            message = f"{label} must give a context such as {{answer: ...}}, but gives {kind_of(value)}"
            yield Finding("no-context", "error", message, self._header_line(RESULT_EXPRESSION))

    def _literal_keys(self) -> Iterator[Finding]:
        how = "anyone who reads the diagram can use it; give it as {{secrets.NAME}}"
        source = self._sources.get("openai_apiKey", "").strip()
        value = _constant(source) if source.startswith("=") else source
        if isinstance(value, str) and value and not secrets_asked(value):
            message = f"{LABELS['openai_apiKey']} is written in the diagram: {how}"
            yield Finding("literal-key", "error", message, self._at("openai_apiKey"))
        for mapped in self._task.inputs:
            if _KEY.search(mapped.source or "") and self._ours(mapped.target) != "openai_apiKey":
                message = f"The input {mapped.target} holds an API key: {how}"
                yield Finding("literal-key", "error", message, mapped.node.line)
        for header in self._task.headers:
            if _KEY.search(header.value):
                message = f"The header {header.key} holds an API key: {how}"
                yield Finding("literal-key", "error", message, header.node.line)

    def _unknown_inputs(self) -> Iterator[Finding]:
        known = {*INPUT_NAMES, *OVERRIDES.values()}
        for target in self._sources:
            if not target.startswith(PREFIX) or target in known:
                continue
            if target == STATE_VARIABLE:
                message = f"The input {target} is reserved for the worker: remove it"
            else:
                close = difflib.get_close_matches(target, known, 1)
                message = f"The input {target} is unknown" + (f": is {close[0]} meant?" if close else "")
            yield Finding("unknown-input", "error", message, self._at(target))
        operation = OPERATIONS.get(self._sources.get(OPERATION_INPUT, "").strip().lower())
        if operation is None:
            return
        used = _FIELDS_OF[Endpoint] | _FIELDS_OF[operation] | {OPERATION_INPUT}
        for target in self._sources:
            if target in INPUT_NAMES and target not in used:
                message = f"{_label(target)} is not used by the operation {operation.name}: remove the input {target}"
                yield Finding("unused-input", "warning", message, self._at(target))

    def _misplaced_secrets(self) -> Iterator[Finding]:
        for target, source in self._sources.items():
            if target in INPUT_NAMES and target not in SECRET_INPUTS and (names := secrets_asked(source)):
                allowed = ", ".join(_label(name) for name in SECRET_INPUTS)
                message = (
                    f"{_label(target)} asks for the secret {names[0]}, but would be sent as it is written: secrets are "
                    f"for {allowed} only"
                )
                yield Finding("misplaced-secret", "error", message, self._at(target))

    def _request(self) -> Iterator[Finding]:
        """Make the request that the worker would make, and look at it."""
        if self._sources.get(OPERATION_INPUT, "").startswith("="):
            return  # which inputs count is only known at run time
        model = self._model()
        if model is not None:
            yield from self._model_life(*model)
        variables = self._variables()
        try:
            tasks = OpenAiTasks(ApiDefaults(api_key="stand-in"), AllowedHosts(["*"]), AskedSecrets())
            task = tasks.read(variables, Redaction())
        except InvalidInputsError as error:
            for violation in error.violations:
                target = next(
                    (t for t, label in LABELS.items() if violation.startswith(label) and t in variables), ""
                )
                yield Finding("bad-input", "error", violation, self._at(target))
            return
        except HostRefusedError as error:
            yield Finding("bad-input", "error", str(error), self._at("openai_baseUrl"))
            return
        body = task.request_body
        if model is not None and "messages" in body:
            yield from self._refused(model[0], body)
        if "temperature" in body and "top_p" in body:
            message = "Temperature and Top P are both given: set one of them and leave the other empty"
            yield Finding("temperature-and-top-p", "warning", message, self._at("openai_topP"))
        yield from self._response_format(body)

    def _variables(self) -> dict[str, Any]:
        """Give each input the value that the worker would get, or a stand-in."""
        variables: dict[str, Any] = {}
        for target, source in self._sources.items():
            if target not in INPUT_NAMES:
                continue
            value = _constant(source) if source.startswith("=") else source
            if value is _NOT_CONSTANT:
                self._unknown.add(target)
                value = _stand_in(target)
            variables[target] = value
        # Stand-ins must not contradict what is given beside them.
        if "openai_model" in self._unknown and variables.get("openai_customModel"):
            variables["openai_model"] = CUSTOM
        if "openai_responseFormat" in self._unknown and variables.get("openai_jsonSchema"):
            variables["openai_responseFormat"] = "json_schema"
        return variables

    def _model(self) -> tuple[str, str] | None:
        """Give the model of OpenAI's that is asked, and the input that names it."""
        if {"openai_baseUrl", "openai_azureResource"} & self._sources.keys():
            return None  # another server's models have any names
        if self._sources.get(OPERATION_INPUT, "").strip().lower() == Moderation.name:
            target = "openai_moderationModel"
        else:
            target = "openai_customModel" if self._sources.get("openai_model") == CUSTOM else "openai_model"
        source = self._sources.get(target, "").strip()
        model = _constant(source) if source.startswith("=") else source
        return (model, target) if isinstance(model, str) and model else None

    def _model_life(self, model: str, target: str) -> Iterator[Finding]:
        shutdown = shutdown_of(model)
        if shutdown is not None:
            sentence = shutdown.sentence(self._today)
            severity: Severity = "error" if shutdown.day <= self._today else "warning"
            yield Finding("model-shutdown", severity, sentence[0].upper() + sentence[1:], self._at(target))
        elif not is_known(model):
            message = f"The model {model[:100]} is not among OpenAI's of {CHECKED}: check its name"
            yield Finding("unknown-model", "warning", message, self._at(target))

    def _refused(self, model: str, body: Mapping[str, Any]) -> Iterator[Finding]:
        effort = body.get("reasoning_effort")
        refused = refused_by(model, effort) & body.keys()
        if "openai_reasoningEffort" in self._unknown:
            refused -= refused_by(model) - refused_by(model, "none")
        for parameter in sorted(refused):
            target = SENT_AS.get(parameter, "openai_extraBody")
            label = _label(target) if parameter in SENT_AS else f"{parameter} in {_label(target)}"
            # The default itself is let pass by some models; an expression may be null at run time.
            harmless = body[parameter] == 1 if parameter == "temperature" else False
            severity: Severity = "warning" if harmless or target in self._unknown else "error"
            yield Finding(
                "refused-parameter",
                severity,
                f"The model {model} refuses {label}: empty it",
                self._at(target),
            )
        if effort == "none" and model.startswith("gpt-6") and is_reasoning(model) and "temperature" in body:
            message = (
                f"The model {model} may refuse Temperature even with the reasoning effort none: "
                "try it, or empty it"
            )
            yield Finding("refused-parameter", "warning", message, self._at("openai_temperature"))

    def _response_format(self, body: Mapping[str, Any]) -> Iterator[Finding]:
        wanted = body.get("response_format")
        kind = wanted.get("type") if isinstance(wanted, Mapping) else None
        said = ("openai_prompt", "openai_systemMessage", "openai_chatHistory")
        if kind == "json_object" and not self._unknown.intersection(said):
            if "json" not in json.dumps(body["messages"], ensure_ascii=False).lower():
                message = (
                    "Response format is JSON object, but no message has the word JSON: the API refuses that"
                )
                yield Finding("json-not-said", "error", message, self._at("openai_responseFormat"))
        elif (
            kind == "json_schema" and isinstance(wanted, Mapping) and "openai_jsonSchema" not in self._unknown
        ):
            schema = wanted.get("json_schema")
            name = schema.get("name") if isinstance(schema, Mapping) else None
            if isinstance(name, str) and not is_schema_name(name):
                message = (
                    "JSON schema: its name must be made of at most "
                    f"{MOST_IN_NAMES} letters, digits, _ and -, got '{name[:100]}': "
                    "the API wants that"
                )
                yield Finding("bad-schema-name", "error", message, self._at("openai_jsonSchema"))
            if isinstance(schema, Mapping) and schema.get("strict") is True:
                for path in _loose_objects(schema.get("schema")):
                    message = (
                        f'JSON schema: {path} must have "additionalProperties": false and every property in '
                        '"required": the API wants that'
                    )
                    yield Finding("loose-schema", "error", message, self._at("openai_jsonSchema"))


def _label(target: str) -> str:
    return "Operation" if target == OPERATION_INPUT else LABELS.get(target, f"The input {target}")


def _feel_syntax(label: str, source: str, line: int) -> Iterator[Finding]:
    from camunda_feel import FeelError, parse

    try:
        parse(source[1:])
    except FeelError as error:
        yield Finding("feel-syntax", "error", f"{label} has a FEEL syntax error: {error}", line)


def _variables_of(expression: str) -> frozenset[str]:
    from camunda_feel import FeelError, parse

    text = expression_text(expression)
    try:
        return parse(text).variables if text else frozenset()
    except FeelError:
        return frozenset()


_NOT_CONSTANT = object()


def _constant(source: str) -> Any:
    """Give the value of an expression that reads no variable."""
    from camunda_feel import FeelError, parse, to_json

    try:
        expression = parse(source[1:])
        return _NOT_CONSTANT if expression.variables else to_json(expression.evaluate({}).value)
    except FeelError:
        return _NOT_CONSTANT


@cache
def _stand_in(target: str) -> Any:
    """Give a value that an input takes."""
    if target == "openai_baseUrl":
        return "https://stand-in.example"
    model = next((model for model in _MODELS if target in _FIELDS_OF[model]), None)
    for value in _STAND_INS:
        try:
            if model is not None:
                model.model_validate({target: value})
        except ValidationError:
            continue
        return value
    raise AssertionError(f"no stand-in for {target}")


def _loose_objects(root: Any) -> Iterator[str]:
    """Name the objects of a schema that a strict schema must not have."""
    pending: list[tuple[Any, str]] = [(root, "the schema")]
    while pending:
        schema, path = pending.pop()
        if not isinstance(schema, Mapping):
            continue
        properties = schema.get("properties")
        kind = schema.get("type")
        if isinstance(properties, Mapping) or "object" in (kind if isinstance(kind, list) else [kind]):
            required = schema.get("required")
            listed = required if isinstance(required, list) else []
            named = properties if isinstance(properties, Mapping) else {}
            if schema.get("additionalProperties") is not False or any(name not in listed for name in named):
                yield path
        inner = [schema.get(key) for key in ("properties", "$defs", "definitions")]
        pending += [
            (value, name) for part in inner if isinstance(part, Mapping) for name, value in part.items()
        ]
        pending.append((schema.get("items"), f"items of {path}"))
        any_of = schema.get("anyOf")
        pending += [(value, path) for value in any_of] if isinstance(any_of, list) else []
