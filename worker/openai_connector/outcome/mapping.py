"""What becomes of a response or an error: the result variable, both expressions and the retries of one task.

The rules are those of Camunda's connector runtime (measured on 8.6.10 and 8.8.7), but for three: on
success an error expression sees the full response, a bad expression never buys a second answer, and a result
expression may give an action as an error expression does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from openai_connector import wording
from openai_connector.contract import (
    ERROR_EXPRESSION,
    ERROR_VARIABLE,
    HEADER_LABELS,
    JOB_TIMEOUT,
    MAPPING_FAILED,
    OVERRIDES,
    RESULT_EXPRESSION,
    RESULT_VARIABLE,
    RETRY_BACKOFF,
)
from openai_connector.document import Document, DocumentError, encode_document
from openai_connector.duration import parse_duration
from openai_connector.job import MAX_MESSAGE, BpmnError, Completed, Failed, Outcome, TaskError
from openai_connector.outcome.actions import is_action
from openai_connector.outcome.expressions import (
    CACHED_EXPRESSIONS,
    CompiledExpression,
    ExpressionError,
    NullReason,
    compile_expression,
    is_blank,
)

SHOWN_CHARACTERS = 100  # of an offending value in a message
RESPONSE_PARTS = ("status", "headers", "body")


class HeaderError(TaskError):
    """A task header cannot be used; the message names it and says what is wrong."""

    def __init__(self, message: str, header: str) -> None:
        super().__init__(message)
        self.header = header


class MappingError(ValueError):
    """A response cannot be mapped; the message says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and whether the answer must be kept in case the job comes back."""

    outcome: Outcome
    keeps_answer: bool = False
    nulls: tuple[NullReason, ...] = ()
    """Why values are null: unknown variables, missing entries."""
    way_out: str = ""
    """What a person can do, said at the end of an incident's message."""


@dataclass(frozen=True, slots=True)
class OutputMapping:
    """The output side of one task, read from its headers and overrides."""

    result_variable: str | None = None
    result_expression: CompiledExpression | None = None
    error_expression: CompiledExpression | None = None
    backoff: timedelta | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], variables: Mapping[str, Any] | None = None) -> OutputMapping:
        """Read headers, and the local variables that override them.

        Raises:
            HeaderError: before any money is spent: a syntax error, no duration, or an override that is no
            text.
        """
        given = {name: headers.get(name, "") for name in HEADER_LABELS}
        for name, override in OVERRIDES.items():
            value = (variables or {}).get(override)
            if value is not None and not isinstance(value, str):
                raise HeaderError(wording.HEADER_OVERRIDE_TYPE(variable=override, shown=shown(value)), name)
            if not is_blank(value):
                given[name] = str(value)
        return _read(tuple(given.items()))

    def names_set(self) -> frozenset[str]:
        """Return the names of the variables that are known to be set before there is a response."""
        names = self.result_expression.known_names if self.result_expression else frozenset()
        return names | {self.result_variable} if self.result_variable else names

    def check_shadowed(self, local_names: Collection[str]) -> None:
        """Check that no result is certain to be lost.

        Raises:
            HeaderError: the task's own scope has a variable of its name.
        """
        shadowed = self.names_set().intersection(local_names)
        if shadowed:
            raise HeaderError(shadowed_message(shadowed), RESULT_VARIABLE)

    def on_answer(
        self,
        response: Any,
        *,
        retries: int,
        local_names: Collection[str] = (),
        error: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Decide what becomes of a job whose call succeeded; any JSON value is taken as the response.

        Args:
            response: what the expressions see as `response`.
            retries: left on the job.
            local_names: variables of the task's own scope, which would swallow results of the same name.
            error: what is wrong with the answer, where the job is to be completed all the same.
        """
        nulls: list[NullReason] = []
        try:
            variables, thrown = self._map_result(response, nulls)
        except MappingError as failure:
            decision = self.on_error(
                error_object("MappingError", MAPPING_FAILED, str(failure), response),
                retries=retries,
                default=_failed(str(failure), 0, None, {}),
                local_names=local_names,
                answer_is_paid=True,
            )
            return replace(decision, nulls=(*nulls, *decision.nulls))
        context = {**_entries(response), **variables, "response": response, "job": {"retries": retries}}
        if error is not None:
            context["error"] = error
        try:
            action = thrown or self._evaluate_error(context, nulls)
        except MappingError as failure:
            return Decision(_failed(str(failure), 0, None, {}), keeps_answer=True, nulls=tuple(nulls))
        return _deliverable(action or Completed(variables), local_names, nulls)

    def on_error(
        self,
        error: Mapping[str, Any],
        *,
        retries: int,
        default: Failed | BpmnError,
        local_names: Collection[str] = (),
        answer_is_paid: bool = False,
        output: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Decide what becomes of a job that has an error.

        What the error expression says, else the default.

        Args:
            error: as expressions see it.
            retries: left on the job.
            default: holds where the error expression says nothing.
            local_names: variables of the task's own scope.
            answer_is_paid: there is an answer, which must not be bought again for a broken expression.
            output: of an answer that the error is about; a job error with retries left is to buy another.
        """
        response = _entries(error.get("variables")).get("response")
        parts = {part: _entries(response).get(part) for part in RESPONSE_PARTS} | {"error": error}
        if output is not None:
            parts["output"] = output
        context = {**parts, "response": parts, "error": error, "job": {"retries": retries}}
        nulls: list[NullReason] = []
        try:
            action = self._evaluate_error(context, nulls)
        except MappingError as failure:
            message = wording.ERROR_WHILE(problem=failure, message=error.get("message"))
            return Decision(_failed(message, 0, None, {}), keeps_answer=answer_is_paid, nulls=tuple(nulls))
        if action is None and isinstance(default, Failed):
            failed = _failed(default.message, default.retries, default.backoff, {ERROR_VARIABLE: error})
            return Decision(failed, keeps_answer=answer_is_paid, nulls=tuple(nulls))
        decision = _deliverable(action or default, local_names, nulls)
        # Also where retries are left: a generic "try again" must not buy an answer again for a broken
        # expression.
        return decision if output is not None else replace(decision, keeps_answer=answer_is_paid)

    def _map_result(self, response: Any, nulls: list[NullReason]) -> tuple[dict[str, Any], Outcome | None]:
        variables: dict[str, Any] = {self.result_variable: response} if self.result_variable else {}
        if self.result_expression is None:
            return variables, None
        try:
            value, reasons = self.result_expression.evaluate({**_entries(response), "response": response})
        except ExpressionError as error:
            nulls.extend(error.nulls)
            raise MappingError(str(error)) from None
        nulls.extend(reasons)
        if value is None:
            return variables, None
        label = HEADER_LABELS[RESULT_EXPRESSION]
        if not isinstance(value, Mapping):
            raise MappingError(wording.RESULT_NO_CONTEXT(label=label, shown=shown(value)))
        if not is_action(value):
            return {**variables, **value}, None
        action = _action(value, label)
        if action is None:  # no decision in an error expression; here it would be no result either
            raise MappingError(wording.ACTION_CODE(label=label, shown=shown(None)))
        return variables, action

    def _evaluate_error(self, context: Mapping[str, Any], nulls: list[NullReason]) -> Outcome | None:
        if self.error_expression is None:
            return None
        try:
            value, reasons = self.error_expression.evaluate(context)
        except ExpressionError as error:
            nulls.extend(error.nulls)
            raise MappingError(str(error)) from None
        nulls.extend(reasons)
        label = HEADER_LABELS[ERROR_EXPRESSION]
        if value is None or value == {}:
            return None
        if not isinstance(value, Mapping):
            raise MappingError(wording.ERROR_NO_ACTION(label=label, shown=shown(value)))
        return _action(value, label)


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def _read(headers: tuple[tuple[str, str], ...]) -> OutputMapping:
    """Read headers once: all jobs of a task have the same ones."""
    given = dict(headers)
    _duration(given, JOB_TIMEOUT)  # the lease's; here it is only checked
    return OutputMapping(
        result_variable=None if is_blank(given[RESULT_VARIABLE]) else given[RESULT_VARIABLE].strip(),
        result_expression=_expression(given, RESULT_EXPRESSION),
        error_expression=_expression(given, ERROR_EXPRESSION),
        backoff=_duration(given, RETRY_BACKOFF),
    )


def error_object(kind: str, code: str | None, message: str, response: Any = None) -> dict[str, Any]:
    """Return an error as Camunda's runtime shows it to expressions and to the process."""
    parts = {part: _entries(response).get(part) for part in RESPONSE_PARTS}
    return {"type": kind, "code": code, "message": message[:MAX_MESSAGE], "variables": {"response": parts}}


def shadowed_message(names: Collection[str]) -> str:
    """Return why results would be lost: the task's own scope has variables of these names."""
    return wording.RESULT_SHADOWED(names=", ".join(f"'{name}'" for name in sorted(names)))


def shown(value: Any) -> str:
    """Return a value with its type, at most `SHOWN_CHARACTERS` of it."""
    match value:
        case str():
            return f'a string: "{_cut(value)}"'
        case bool():
            return f"a boolean: {str(value).lower()}"
        case int() | float():
            return f"a number: {value}"
        case list():
            return f"a list: {_cut(_json(value))}"
        case Mapping():
            return f"a context: {_cut(_json(value))}"
        case _:
            return "null"


def _json(value: Any) -> str:
    try:
        return encode_document({"v": value})[5:-1]
    except DocumentError:
        return "…"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _entries(response: Any) -> Mapping[str, Any]:
    return response if isinstance(response, Mapping) else {}


def _expression(headers: Mapping[str, str], name: str) -> CompiledExpression | None:
    text = headers.get(name)
    if text is None or is_blank(text):
        return None
    try:
        return compile_expression(HEADER_LABELS[name], text, takes_paths=name == RESULT_EXPRESSION)
    except ExpressionError as error:
        raise HeaderError(str(error), name) from None


def _duration(headers: Mapping[str, str], name: str) -> timedelta | None:
    """Read a duration as `java.time.Duration.parse` does, which reads these headers in Camunda's runtime."""
    text = headers.get(name)
    if text is None or is_blank(text):
        return None
    try:
        if text.strip()[0] not in "Pp":
            raise ValueError
        duration = parse_duration(text)
        if name == JOB_TIMEOUT and not duration:
            raise ValueError
    except ValueError:
        message = wording.HEADER_DURATION(label=HEADER_LABELS[name], shown=_cut(text))
        raise HeaderError(message, name) from None
    return duration


def _code(action: Mapping[str, Any]) -> Any:
    return action.get("errorCode", action.get("code"))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else _json(value)


def _action(value: Mapping[str, Any], label: str) -> Outcome | None:
    """Read what an expression decided, in the spellings of 8.5 (code, message) and of 8.8 and later."""
    variables = value.get("variables")
    if variables is not None and not isinstance(variables, Mapping):
        raise MappingError(wording.ACTION_VARIABLES(label=label, shown=shown(variables)))
    variables = dict(variables or {})
    message = _text(value.get("errorMessage", value.get("message")))
    match value.get("errorType"):
        case "bpmnError":
            code = _code(value)
            if code is None:
                return None
            if isinstance(code, (Mapping, list, bool)):
                raise MappingError(wording.ACTION_CODE(label=label, shown=shown(code)))
            return BpmnError(str(code), message[:MAX_MESSAGE], variables)
        case "jobError":
            backoff = value.get("retryBackoff")
            try:
                wait = timedelta(0) if backoff is None else parse_duration(backoff)
            except ValueError as error:
                message = wording.ACTION_BACKOFF(label=label, problem=error, shown=shown(backoff))
                raise MappingError(message) from None
            retries = value.get("retries")
            if retries is not None and (isinstance(retries, bool) or not isinstance(retries, (int, float))):
                raise MappingError(wording.ACTION_RETRIES(label=label, shown=shown(retries)))
            left = min(max(int(retries or 0), 0), 2**31 - 1)
            return _failed(message, left, wait, {**variables, ERROR_VARIABLE: message})
        case "ignoreError":
            return Completed(variables)
        case unknown:
            raise MappingError(wording.ERROR_UNKNOWN_ACTION(label=label, shown=shown(unknown)))


def _failed(message: str, retries: int, backoff: timedelta | None, variables: Mapping[str, Any]) -> Failed:
    return Failed(message[:MAX_MESSAGE], retries, backoff, variables)


def _deliverable(outcome: Outcome, local_names: Collection[str], nulls: list[NullReason]) -> Decision:
    """Check that the process gets the variables; otherwise the job fails, with the answer kept."""
    shadowed = outcome.variables.keys() & local_names if isinstance(outcome, Completed) else ()
    if shadowed:
        return Decision(_failed(shadowed_message(shadowed), 0, None, {}), True, tuple(nulls))
    try:
        document = Document.of(outcome.variables)
    except DocumentError as error:
        message = wording.RESULT_UNSENDABLE(problem=error)
        return Decision(_failed(message, 0, None, {}), True, tuple(nulls))
    # A job error that leaves retries is to call again. All else may come back too: uncaught, refused or
    # resolved.
    keeps = not (isinstance(outcome, Failed) and outcome.retries > 0)
    return Decision(replace(outcome, variables=document), keeps, tuple(nulls))
