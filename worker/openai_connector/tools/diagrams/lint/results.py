"""Rules for task headers: what becomes of the answer, and of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from openai_connector.contract import (
    ERROR_EXPRESSION,
    HEADER_LABELS,
    JOB_TIMEOUT,
    OVERRIDES,
    RESULT_EXPRESSION,
    RESULT_VARIABLE,
    RETRY_BACKOFF,
    STATE_VARIABLE,
)
from openai_connector.job import Completed
from openai_connector.outcome.expressions import CompiledExpression, ExpressionError, MisplacedActionError
from openai_connector.outcome.mapping import HeaderError, OutputMapping, shadowed_message
from openai_connector.tasks.operations import INPUT_NAMES, Chat, Moderation
from openai_connector.tasks.operations.fields import kind_of
from openai_connector.tools.diagrams.lint.expressions import variables_of
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.templates.panel import RESULT_VARIABLE as RESULT_VARIABLE_FIELD

_SEEN_BY_RESULTS = frozenset({"response", "status", "headers", "body", "output"})
_SEEN_BY_ERRORS = _SEEN_BY_RESULTS | {"error", "job"}
# A sample answer of each operation, without the parts that are contexts: an expression that reads it has a
# value of the same type as with a real answer.
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


def header_values(subject: Subject) -> Iterator[Finding]:
    """Check each header on its own, and the inputs that replace headers."""
    for key in (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION, RETRY_BACKOFF, JOB_TIMEOUT):
        if key not in subject.headers:
            continue
        try:
            OutputMapping.read({key: subject.headers[key]})
        except HeaderError as error:
            yield Finding("bad-header", "error", str(error), subject.line_of_header(key))
    for override in OVERRIDES.values():
        source = subject.sources.get(override, "")
        if not source.startswith("="):
            try:
                OutputMapping.read({}, {override: source})
            except HeaderError as error:
                yield Finding("bad-header", "error", str(error), subject.line_of(override))
    name = subject.headers.get(RESULT_VARIABLE, "").strip()
    field = RESULT_VARIABLE_FIELD.shown
    if name and not re.fullmatch(field.pattern or "", name):
        message = f"{HEADER_LABELS[RESULT_VARIABLE]} {field.pattern_message}, got '{name[:100]}'"
        yield Finding("bad-header", "warning", message, subject.line_of_header(RESULT_VARIABLE))


def results(subject: Subject) -> Iterator[Finding]:
    """Map a sample answer as the worker would, and check what leaves the task."""
    mapping = _mapping(subject)
    response = {"status": 200, "headers": {}, "body": {}, "output": {}, **_ANSWERS.get(subject.operation, {})}
    names = set(mapping.names_set())
    outcome = mapping.on_answer(response, retries=1).outcome
    if isinstance(outcome, Completed):
        names |= outcome.variables.keys()
    elif mapping.result_expression is not None:
        yield from _no_context(subject, mapping.result_expression, response)
    yield from _lost_results(subject, names)
    yield from _unseen_variables(subject, RESULT_EXPRESSION, _SEEN_BY_RESULTS)
    yield from _unseen_variables(subject, ERROR_EXPRESSION, _SEEN_BY_ERRORS | names)


def _mapping(subject: Subject) -> OutputMapping:
    keys = (RESULT_VARIABLE, RESULT_EXPRESSION)
    try:
        return OutputMapping.read({key: subject.headers[key] for key in keys if key in subject.headers})
    except HeaderError:
        return OutputMapping()


def _no_context(
    subject: Subject, expression: CompiledExpression, response: Mapping[str, Any]
) -> Iterator[Finding]:
    """Report a result expression whose value is no result: the task fails after the call was paid for."""
    try:
        value, _ = expression.evaluate({**response, "response": response})
    except MisplacedActionError as error:
        yield Finding("misplaced-action", "error", str(error), subject.line_of_header(RESULT_EXPRESSION))
        return
    except ExpressionError:
        return  # it may be right for a real answer
    if value is not None and not isinstance(value, Mapping):
        label = HEADER_LABELS[RESULT_EXPRESSION]
        message = f"{label} must give a context such as {{answer: ...}}, but gives {kind_of(value)}"
        yield Finding("no-context", "error", message, subject.line_of_header(RESULT_EXPRESSION))


def _lost_results(subject: Subject, names: set[str]) -> Iterator[Finding]:
    """Report results that do not leave the task, because a local variable has the same name."""
    local = {mapped.variable for mapped in subject.task.inputs}
    if subject.task.has_outputs():
        # Output mappings choose what leaves the task: only what the worker itself refuses counts.
        local &= {*INPUT_NAMES, *OVERRIDES.values()}
    if shadowed := names & (local | {STATE_VARIABLE}):
        key = RESULT_VARIABLE if subject.headers.get(RESULT_VARIABLE) in shadowed else RESULT_EXPRESSION
        yield Finding("lost-result", "error", shadowed_message(shadowed), subject.line_of_header(key))


def _unseen_variables(subject: Subject, key: str, seen: frozenset[str]) -> Iterator[Finding]:
    for name in sorted(variables_of(subject.headers.get(key, "")) - seen):
        message = (
            f"{HEADER_LABELS[key]} reads '{name}', which it does not see: it knows the response, not the "
            "variables of the process"
        )
        yield Finding("unseen-variable", "warning", message, subject.line_of_header(key))
