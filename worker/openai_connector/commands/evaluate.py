"""`openai-connector evaluate`: try expressions without a cluster, by the very code that the worker runs."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from openai_connector.bills import Bills
from openai_connector.connector import Connector
from openai_connector.contract import (
    ANSWER_NOT_JSON,
    ANSWER_OFF_SCHEMA,
    API,
    DEFAULT_BASE_URL,
    DEFAULT_RETRIES,
    ERROR_EXPRESSION,
    PROMPT,
    RESPONSE_FORMAT,
    RESULT_EXPRESSION,
    RESULT_VARIABLE,
)
from openai_connector.document import parse_json
from openai_connector.duration import format_duration
from openai_connector.job import BpmnError, Completed, Failed, Job, Recovery, TaskError
from openai_connector.money import Prices, record_of, shown
from openai_connector.openai_api import ApiResponse, telling_part
from openai_connector.openai_api.policy import classify
from openai_connector.outcome.expressions import expression_text
from openai_connector.outcome.mapping import Decision
from openai_connector.outcome.memory import TaskMemory
from openai_connector.outcome.release import Attempt
from openai_connector.redaction import Redaction
from openai_connector.tasks.operations import INPUT_NAMES, Chat
from openai_connector.tasks.operations.chat import CHAT_COMPLETIONS, RESPONSES
from openai_connector.tasks.task_type import Answer, Request

PERMANENT_TYPES = (
    "AnswerError",
    "HeaderError",
    "HostRefusedError",
    "InvalidInputsError",
    "MappingError",
    "SecretError",
)
"""Types of errors that are permanent whatever their code."""
_APIS: Mapping[str, str] = {"chat.completion": CHAT_COMPLETIONS, "response": RESPONSES}
"""APIs by what an answer says that it is."""


class _UsageError(Exception):
    """The command's input cannot be read; the message says which, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = """\
examples:
  openai-connector evaluate 'sum(for x in items return x.price)' --context order.json
  openai-connector evaluate --response answer.json --result-expression '={text: response.output.text}'
  openai-connector evaluate --error error.json --error-expression '=bpmnError("FAILED", error.message)'
  echo '{"response": {"a": 1}, "headers": {"resultExpression": "={x: a}"}}' |
    openai-connector evaluate --case -

a case is JSON:
  {"response": ANY or "error": {"type", "code", "message", "variables"}, "headers": {...}, "retries": 3,
   "variables": {...}};
variables are the task's inputs, whose names no result may have; without them, all of this connector's;
a file with one case a line is answered line by line.

exit status: 0, 1 when an expression or what it is tried on cannot be read, 2 for wrong use."""
    parser.add_argument("expression", nargs="?", help="a FEEL expression; one = before it is optional")
    parser.add_argument(
        "--context", metavar="FILE|JSON", help="variables of the expression: a file, - or JSON itself"
    )
    parser.add_argument(
        "--response",
        metavar="FILE",
        help="map this response, any JSON value, or an answer as the API gave it (- for standard input)",
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
    """Evaluate; return 1 when an expression or an input cannot be read, 2 for wrong use, else 0."""
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
    """Return the outcome of one case as JSON; keys that do not apply are null.

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
    variables = case.get("variables")
    if variables is None:
        # As if every input were given: a result of such a name would be lost in a task that has it.
        variables = dict.fromkeys(INPUT_NAMES)
    if not isinstance(variables, Mapping):
        raise _UsageError("a case's variables must be an object")
    given = case.get("error")
    if given is None and "response" not in case:
        raise _UsageError("a case must have a response or an error")
    if given is not None and not isinstance(given, Mapping):
        raise _UsageError("a case's error must be an object with type, code, message and variables")
    job = Job(0, "", 0, 0, "", "", 0, retries, "", headers, variables)
    recorded = _Recorded(case.get("response"), None if given is None else RecordedError(given))
    connector = Connector(recorded, recorded)
    return _shown(_result(connector.decide(Attempt(job, TaskMemory(job.key)))))


def _result(deciding: Coroutine[Any, Any, Decision]) -> Decision:
    """Return what a coroutine returns that never waits: what is recorded is there at once."""
    try:
        deciding.send(None)
    except StopIteration as done:
        decision: Decision = done.value
        return decision
    raise AssertionError("a recorded answer is there at once")


class RecordedError(TaskError):
    """An error object as expressions see it: what another attempt can do is found again."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message") or ""))
        self.recorded = error
        self.code = str(error.get("code") or "")
        self.recovery, self.wait = _recovery(error)


class _Recorded:
    """A task whose answer, or error, is known: both the API and the task that the connector asks."""

    job_type = ""
    inputs: tuple[str, ...] = ()
    panel: Mapping[str, str] = {}
    request = Request("", "", {}, None, timedelta(0), "")

    def __init__(self, response: Any, error: RecordedError | None) -> None:
        self._response = response
        self._error = error

    def read(self, _variables: Mapping[str, Any], _redaction: Redaction) -> _Recorded:
        return self

    def time_needed(self, _variables: Mapping[str, Any]) -> timedelta:
        return self.request.timeout

    async def send(self, method: str, url: str, **_more: Any) -> ApiResponse:
        if self._error is not None:
            raise self._error
        return ApiResponse(200, {}, self._response)

    def pending(self, _response: ApiResponse) -> str | None:
        return None

    def accept(self, response: ApiResponse) -> Mapping[str, Any]:
        return {"body": response.body}

    def read_answer(self, kept: Mapping[str, Any]) -> Answer:
        return Answer(kept["body"])


def _recovery(error: Mapping[str, Any]) -> tuple[Recovery, timedelta | None]:
    kind, code = str(error.get("type") or ""), str(error.get("code") or "")
    if kind in PERMANENT_TYPES:
        return Recovery.PERMANENT, None
    if kind == "ApiConnectionError" and code == "407":  # a proxy wants credentials
        return Recovery.PERMANENT, None
    response = _part(_part(error, "variables"), "response")
    if kind == "InvalidResponseError":
        code = str(response.get("status"))
        if not code.startswith("2"):  # a redirect, whatever its body says
            return Recovery.PERMANENT, None
    elif kind != "ApiStatusError" or not code.isascii() or not code.isdigit():
        return Recovery.TRANSIENT, None
    body = telling_part(response.get("body")) if code.startswith("2") else response.get("body")
    found = classify(ApiResponse(int(code), _headers(response), body))
    return found.recovery, found.wait


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}


def _headers(response: Mapping[str, Any]) -> dict[str, str | list[str]]:
    given = _part(response, "headers").items()
    return {
        name: value for name, value in given if isinstance(value, str) or (isinstance(value, list) and value)
    }


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
    return case | {"response": _response(_read_json(namespace.response))}


def _response(recorded: Any) -> Any:
    """Return a response as the worker would give it, also where the API's own answer alone was recorded."""
    if not isinstance(recorded, Mapping):
        return recorded
    if str(recorded.get("object")) in _APIS and "body" not in recorded:
        recorded = {"status": 200, "headers": {}, "body": recorded}
    body = _part(recorded, "body")
    api = _APIS.get(str(body.get("object")))
    if api is None or "output" in recorded:
        return recorded
    inputs = {API.name: api, PROMPT.name: "(the prompt)"}
    plain, asked_for_json = (
        Chat.model_validate({**inputs, RESPONSE_FORMAT.name: asked}) for asked in ("text", "json_object")
    )
    if plain.missing_in(body):
        return recorded
    output = asked_for_json.output(asked_for_json.request_body(), body)
    if output["condition"] in (ANSWER_NOT_JSON, ANSWER_OFF_SCHEMA):  # it need not have been asked for
        output = plain.output(plain.request_body(), body)
    return {**recorded, "output": output | _cost(plain.asked_path, body)}


def _cost(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer cost, had OpenAI itself given it, at the prices that come with the worker."""
    asked = Request("POST", f"{DEFAULT_BASE_URL}{path}", {}, None, timedelta(0), "")
    bill = Bills(Prices.packaged()).of(asked, ApiResponse(200, {}, body))
    return {} if bill is None else dict(shown(record_of(bill.cost)))


def _answer_cases(source: str) -> int:
    """Answer one case, or one a line.

    A line is answered before the next is read, and a bad one ends nothing.
    """
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
    """Return the only case of a text of several lines, or one a line where the first of them is a bad one."""
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
        _warn(getattr(error, "warnings", ()))
        print(f"Evaluation failed: {error}", file=sys.stderr)
        return 1
    _warn(evaluation.warnings)
    return 0


def _warn(warnings: Iterable[object]) -> None:
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)


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
