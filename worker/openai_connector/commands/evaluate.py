"""`openai-connector evaluate`: try expressions without a cluster, by the very code that the worker runs."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from openai_connector.document import parse_json
from openai_connector.duration import format_duration
from openai_connector.job import BpmnError, Completed, Failed
from openai_connector.outcome.expressions import expression_text
from openai_connector.outcome.failure import Failure
from openai_connector.outcome.mapping import (
    ERROR_EXPRESSION,
    RESULT_EXPRESSION,
    RESULT_VARIABLE,
    Decision,
    HeaderError,
    TaskMapping,
    swallow_message,
)
from openai_connector.outcome.memory import TaskState
from openai_connector.outcome.retry_policy import DEFAULT_POLICY

DEFAULT_RETRIES = 3


class _UsageError(Exception):
    """The command's input cannot be read; the message says which, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = """\
examples:
  openai-connector evaluate 'sum(for x in items return x.price)' --context order.json
  openai-connector evaluate --response answer.json --result-expression '={text: response.output.text}'
  openai-connector evaluate --error error.json --error-expression '=bpmnError("FAILED", error.message)'
  echo '{"response": {"a": 1}, "headers": {"resultExpression": "={x: a}"}}' | openai-connector evaluate --case -

a case is JSON: {"response": ANY or "error": {"type", "code", "message", "variables"}, "headers": {...}, "retries": 3};
a file with one case a line is answered line by line."""
    parser.add_argument("expression", nargs="?", help="a FEEL expression; one = before it is optional")
    parser.add_argument(
        "--context", metavar="FILE|JSON", help="variables of the expression: a file, - or JSON itself"
    )
    parser.add_argument(
        "--response", metavar="FILE", help="map this response, any JSON value (- for standard input)"
    )
    parser.add_argument("--error", metavar="FILE", help="handle this error object instead of a response")
    parser.add_argument("--result-variable", metavar="NAME")
    parser.add_argument("--result-expression", metavar="TEXT")
    parser.add_argument("--error-expression", metavar="TEXT")
    parser.add_argument(
        "--retries", type=int, default=DEFAULT_RETRIES, metavar="N", help="left on the job (default 3)"
    )
    parser.add_argument("--case", metavar="FILE", help="one case, or one a line (- for standard input)")


def run(namespace: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 when an expression or an input cannot be read, 2 for wrong use, else 0."""
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):  # JSON is UTF-8, whatever the terminal's locale is
            stream.reconfigure(
                encoding="utf-8-sig" if stream is sys.stdin else "utf-8", errors="surrogateescape"
            )
    try:
        if namespace.case is not None:
            return _answer_cases(namespace.case)
        if namespace.response is not None or namespace.error is not None:
            print(_json(outcome_of(_case_of(namespace))))
            return 0
        if namespace.expression is None:
            print(
                "openai-connector evaluate: give an expression, --case, --response or --error",
                file=sys.stderr,
            )
            return 2
        return _evaluate(namespace.expression, _context(namespace.context))
    except _UsageError as error:
        print(f"openai-connector evaluate: {error}", file=sys.stderr)
        return 1


def outcome_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """Give the outcome of one case as JSON; keys that do not apply are null.

    Raises:
        _UsageError: the case has not the form that `--help` shows.
    """
    headers = case.get("headers") or {}
    retries = DEFAULT_RETRIES if case.get("retries") is None else case["retries"]
    if not isinstance(headers, Mapping) or not all(
        isinstance(value, (str, type(None))) for value in headers.values()
    ):
        raise _UsageError("a case's headers must be an object with text values")
    headers = {name: text for name, text in headers.items() if text is not None}
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise _UsageError("a case's retries must be a whole number")
    variables = case.get("variables") or {}
    if not isinstance(variables, Mapping):
        raise _UsageError("a case's variables must be an object")
    local_names = frozenset(variables)
    given = case.get("error")
    if given is None and "response" not in case:
        raise _UsageError("a case must have a response or an error")
    try:
        mapping = TaskMapping.read(headers, variables)
    except HeaderError as error:
        return _shown(Decision(Failed(str(error), 0)))
    shadowed = mapping.names_set() & local_names
    if shadowed:
        return _shown(Decision(Failed(swallow_message(shadowed), 0)))
    if given is None:
        return _shown(mapping.on_response(case["response"], retries=retries, local_names=local_names))
    if not isinstance(given, Mapping):
        raise _UsageError("a case's error must be an object with type, code, message and variables")
    failure, state = Failure.recorded(given), TaskState(0)
    plan = DEFAULT_POLICY.plan(failure, retries=retries, backoff=mapping.backoff, state=state)
    default = Failed(str(given.get("message") or ""), plan.retries, plan.backoff)
    return _shown(mapping.on_error(given, retries=retries, default=default, local_names=local_names))


def _shown(decision: Decision) -> dict[str, Any]:
    for reason in decision.nulls:
        print(f"Warning: {reason.label}: {reason.text}", file=sys.stderr)
    outcome = decision.outcome
    kind = {Completed: "complete", BpmnError: "bpmnError", Failed: "fail"}[type(outcome)]
    shown: dict[str, Any] = {"outcome": kind, "variables": outcome.variables}
    shown |= {"errorMessage": None, "errorCode": None, "retries": None, "retryBackoff": None}
    if isinstance(outcome, BpmnError):
        shown |= {"errorMessage": outcome.message or None, "errorCode": outcome.code}
    elif isinstance(outcome, Failed):
        backoff = None if outcome.backoff is None else format_duration(outcome.backoff)
        shown |= {"errorMessage": outcome.message, "retries": outcome.retries, "retryBackoff": backoff}
    return shown


def _case_of(namespace: argparse.Namespace) -> dict[str, Any]:
    headers = {
        RESULT_VARIABLE: namespace.result_variable,
        RESULT_EXPRESSION: namespace.result_expression,
        ERROR_EXPRESSION: namespace.error_expression,
    }
    case: dict[str, Any] = {
        "headers": {name: text for name, text in headers.items() if text is not None},
        "retries": namespace.retries,
    }
    if namespace.error is not None:
        return case | {"error": _read_json(namespace.error)}
    return case | {"response": _read_json(namespace.response)}


def _answer_cases(source: str) -> int:
    """Answer one case, or one a line; a line is answered before the next is read, and a bad one ends nothing."""
    status = 0
    with _open(source) as stream:
        first = next((line for line in stream if line.strip()), "")
        texts = itertools.chain([first], stream) if _is_object(first) else _cases_in(first + stream.read())
        for text in texts:
            if not text.strip():
                continue
            try:
                answer = outcome_of(_object(_parse(text, "the case"), "the case"))
            except _UsageError as error:
                status, answer = 1, {"outcome": None, "errorMessage": str(error)}
            print(_json(answer), flush=True)
    return status


def _cases_in(text: str) -> Iterable[str]:
    """Give the only case of a text of several lines, or one a line where the first of them is a bad one."""
    lines = text.split("\n")
    return lines if not _is_object(text) and any(map(_is_object, lines)) else [text]


def _is_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), Mapping)
    except ValueError:
        return False


def _evaluate(text: str, context: Mapping[str, Any]) -> int:
    from camunda_feel import FeelError, FeelSyntaxError, parse, to_json
    from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

    try:
        evaluation = parse(expression_text(text)).evaluate(context, functions=CONNECTOR_FUNCTIONS)
        print(_json(to_json(evaluation.value)))
    except FeelSyntaxError as error:
        print(f"Syntax error: {error}", file=sys.stderr)
        return 1
    except FeelError as error:
        print(f"Evaluation failed: {error}", file=sys.stderr)
        return 1
    for warning in evaluation.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return 0


def _context(given: str | None) -> Mapping[str, Any]:
    if given is None:
        return {}
    if given.lstrip().startswith("{"):
        return _object(_parse(given, "--context"), "--context")
    return _object(_read_json(given), given)


def _read_json(source: str) -> Any:
    with _open(source) as stream:
        return _parse(stream.read(), source)


def _open(source: str) -> TextIO:
    if source == "-":
        return sys.stdin
    try:
        return Path(source).open(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise _UsageError(f"{source}: {error.strerror}") from None


def _parse(text: str, source: str) -> Any:
    try:
        text.encode()
        return parse_json(text)
    except UnicodeEncodeError:  # bytes that are no UTF-8 have become lone surrogates
        raise _UsageError(f"{source} is not UTF-8 text") from None
    except ValueError as error:
        raise _UsageError(f"{source} is not JSON: {error}") from None


def _object(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _UsageError(f"{source} must be a JSON object")
    return value


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
