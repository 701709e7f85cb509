"""Rules for the error expression: it is tried on sample answers and errors, by the worker's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from openai_connector.contract import ERROR_EXPRESSION, HEADER_LABELS, RESULT_EXPRESSION
from openai_connector.job import Completed, Failed, Outcome
from openai_connector.outcome.mapping import Decision, HeaderError, OutputMapping
from openai_connector.tasks.operations import Chat
from openai_connector.tasks.task_type import AnswerError
from openai_connector.tools.diagrams.lint import samples
from openai_connector.tools.diagrams.lint.names import unknown_functions
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.diagrams.reads import reads_of

_LABEL = HEADER_LABELS[ERROR_EXPRESSION]
_RETRIES = 3
_GUARD = "Begin it with: if error = null then null else ..."


def error_expression(subject: Subject) -> Iterator[Finding]:
    """Try the error expression: first on answers, after which it is evaluated too, then on errors."""
    try:
        mapping = OutputMapping.read(subject.headers)
    except HeaderError:
        return  # which is a finding of its own
    if mapping.error_expression is None:
        return
    line = subject.line_of_header(ERROR_EXPRESSION)
    problem = _problem_on_answers(subject, mapping)
    if problem is not None:
        message = f"{problem}. It is evaluated after each success, too, where there is no error. {_GUARD}"
        yield Finding("bad-error-expression", "error", message, line)
        return
    problem = _problem_on_errors(subject, mapping)
    if problem is not None:
        yield Finding("bad-error-expression", "error", problem, line)
    elif _acts_on_each(subject, mapping):
        message = f"{_LABEL} acts on each success, as there is no condition on an error. {_GUARD}"
        yield Finding("acts-on-success", "warning", message, line)
    yield from _nulls(subject, mapping, line)


def _is_known(subject: Subject) -> bool:
    """Check whether the expression reads nothing but what sample answers have as real ones have it."""
    paths = reads_of(subject.headers.get(ERROR_EXPRESSION, "")).paths
    results = reads_of(subject.headers.get(RESULT_EXPRESSION, "")).paths
    seen = samples.answers(subject.operation)[0].keys() | {"response", "error", "job"}
    if any(path[0] not in seen for path in paths):  # a result: as known as what it is made of
        paths = (*(path for path in paths if path[0] in seen), *results)
    return all(samples.is_in_answers(path, subject.operation) for path in paths)


def _outcomes(subject: Subject, mapping: OutputMapping) -> Iterator[tuple[Outcome, Outcome]]:
    """Yield what becomes of each sample answer, without the error expression and with it."""
    plain = replace(mapping, error_expression=None)
    for response in samples.answers(subject.operation):
        before = plain.on_answer(response, retries=_RETRIES).outcome
        if isinstance(before, Completed):
            yield before, mapping.on_answer(response, retries=_RETRIES).outcome


def _problem_on_answers(subject: Subject, mapping: OutputMapping) -> str | None:
    """Return why the expression fails, or gives no action, after a success."""
    for _, outcome in _outcomes(subject, mapping):
        if _is_failure(outcome) and (_is_known(subject) or _needs_an_error(subject)):
            return _message(outcome)
    return None


def _needs_an_error(subject: Subject) -> bool:
    """Check whether the expression reads the error under no condition: then it fails without one."""
    reads = reads_of(subject.headers.get(ERROR_EXPRESSION, ""))
    return not reads.is_conditional and any(path[0] == "error" for path in reads.paths)


def _problem_on_errors(subject: Subject, mapping: OutputMapping) -> str | None:
    """Return why the expression fails, or gives no action, after an error."""
    paths = reads_of(subject.headers.get(ERROR_EXPRESSION, "")).paths
    if not all(samples.is_in_errors(path) for path in paths):
        return None
    are_answers_known = all(samples.is_in_unexpected_answers(path) for path in paths)
    for error in samples.errors(subject.operation):
        if error["type"] == AnswerError.__name__ and not are_answers_known:
            continue
        outcome = _on_error(mapping, error).outcome
        if _is_failure(outcome):
            return _message(outcome)
    return None


def _nulls(subject: Subject, mapping: OutputMapping, line: int) -> Iterator[Finding]:
    """Say FEEL's own reasons for a null that lie in the expression alone: a function's arguments."""
    unknown = unknown_functions(reads_of(subject.headers.get(ERROR_EXPRESSION, "")))
    plain = replace(mapping, result_expression=None, result_variable=None)
    decisions = [plain.on_answer(one, retries=_RETRIES) for one in samples.answers(subject.operation)]
    decisions += [_on_error(mapping, error) for error in samples.errors(subject.operation)]
    for reason in dict.fromkeys(reason for decision in decisions for reason in decision.nulls):
        is_told = any(f"'{name.rpartition('.')[2]}'" in reason.text for name in unknown)
        if reason.kind == "NO_FUNCTION_FOUND" and not is_told:
            yield Finding("gives-null", "warning", f"{reason.label} gives null: {reason.text}", line)


def _on_error(mapping: OutputMapping, error: Mapping[str, Any]) -> Decision:
    output = samples.answers(Chat.name)[0]["output"] if error["type"] == AnswerError.__name__ else None
    return mapping.on_error(error, retries=_RETRIES, default=Failed("", _RETRIES), output=output)


def _acts_on_each(subject: Subject, mapping: OutputMapping) -> bool:
    outcomes = list(_outcomes(subject, mapping))
    acts = [
        not isinstance(outcome, Completed) or dict(outcome.variables) != dict(before.variables)
        for before, outcome in outcomes
        if not _is_failure(outcome)
    ]
    if not acts or not all(acts):
        return False
    return _is_known(subject) or not reads_of(subject.headers.get(ERROR_EXPRESSION, "")).is_conditional


def _is_failure(outcome: Outcome) -> bool:
    """Check whether the expression itself failed: every job error that it gives carries a variable."""
    return isinstance(outcome, Failed) and not outcome.variables


def _message(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed)
    return outcome.message
