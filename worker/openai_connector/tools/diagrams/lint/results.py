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
from openai_connector.outcome.mapping import Decision, HeaderError, OutputMapping, shadowed_message
from openai_connector.tasks.operations import INPUT_NAMES
from openai_connector.tasks.operations.fields import kind_of
from openai_connector.tools.diagrams.lint import samples
from openai_connector.tools.diagrams.lint.names import names_read, unknown_functions
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.diagrams.reads import reads_of
from openai_connector.tools.templates.panel import RESULT_VARIABLE as RESULT_VARIABLE_FIELD

_OF_ANY_DATA = ("NO_FUNCTION_FOUND",)
_OF_TYPES = ("INVALID_TYPE", "NOT_COMPARABLE")
"""FEEL's reasons for a null that lie in the expression, and those that lie in the types of what it reads."""


def header_values(subject: Subject) -> Iterator[Finding]:
    """Check each header on its own, and the inputs that replace headers."""
    for key in (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION, RETRY_BACKOFF, JOB_TIMEOUT):
        if key not in subject.headers:
            continue
        try:
            OutputMapping.read({key: subject.headers[key]})
        except HeaderError as error:
            yield Finding("bad-header", "error", str(error), subject.line_of_header(key))
    given = [header for header in subject.task.headers if not header.is_absent]
    keys = [header.key for header in given]
    for header in given:
        if keys.count(header.key) > 1:
            message = f"The header {header.key} is given more than once: remove all but one"
            yield Finding("header-twice", "warning", message, header.node.line)
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
    response = samples.answers(subject.operation)[0]
    names = set(mapping.names_set())
    decision = mapping.on_answer(response, retries=1)
    if isinstance(decision.outcome, Completed):
        names |= decision.outcome.variables.keys()
        yield from _nulls(subject, decision)
    elif mapping.result_expression is not None:
        yield from _no_context(subject, mapping.result_expression, response)
    yield from _lost_results(subject, names)
    yield from names_read(subject, names)


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


def _nulls(subject: Subject, decision: Decision) -> Iterator[Finding]:
    """Say FEEL's own reasons for a null that any real answer leads to as well."""
    reads = reads_of(subject.headers.get(RESULT_EXPRESSION, ""))
    is_known = all(samples.is_in_answers(path, subject.operation) for path in reads.paths)
    unknown = [f"'{name.rpartition('.')[2]}'" for name in unknown_functions(reads)]
    for reason in decision.nulls:
        if any(name in reason.text for name in unknown):
            continue  # which is a finding of its own
        if reason.kind in _OF_ANY_DATA or (is_known and reason.kind in _OF_TYPES):
            message = f"{reason.label} gives null: {reason.text}"
            yield Finding("gives-null", "warning", message, subject.line_of_header(RESULT_EXPRESSION))


def _lost_results(subject: Subject, names: set[str]) -> Iterator[Finding]:
    """Report results that do not leave the task, because a local variable has the same name."""
    local = {mapped.variable for mapped in subject.task.inputs}
    if subject.task.has_outputs():
        # Output mappings choose what leaves the task: only what the worker itself refuses counts.
        local &= {*INPUT_NAMES, *OVERRIDES.values()}
    if shadowed := names & (local | {STATE_VARIABLE}):
        key = RESULT_VARIABLE if subject.headers.get(RESULT_VARIABLE) in shadowed else RESULT_EXPRESSION
        yield Finding("lost-result", "error", shadowed_message(shadowed), subject.line_of_header(key))
