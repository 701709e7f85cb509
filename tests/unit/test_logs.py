"""Logs: their two forms, and what stands in none of them."""

from __future__ import annotations

import json
import logging
import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from openai_connector.connector import Connector
from openai_connector.job import BpmnError, Completed, Failed, Outcome
from openai_connector.observe.events import (
    AnswerAwaited,
    AnswerFetched,
    BatchFound,
    BatchOver,
    BatchSubmitted,
    CallAbandoned,
    CallCut,
    CallUnanswered,
    Event,
    Events,
    HeldBack,
    HostFound,
    HostLost,
    JobEnded,
    JobGone,
    NotRemoved,
)
from openai_connector.observe.logs import JsonFormatter, configure, log_event
from openai_connector.openai_api import ApiClient
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from tests.make import bare_job
from tests.stand_in import Answer, StandIn, chat_body, deeply_nested, failure, text_answer


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take back what `configure` does to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("httpx", "httpcore", "aiohttp", "grpc", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def test_text_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """One line with time, level, logger and message, from the set level on."""
    configure("INFO", "text")
    logging.getLogger("a.b").info("job %d", 5)
    logging.getLogger("a.b").debug("not shown")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.rstrip().endswith("INFO a.b: job 5")
    assert "not shown" not in captured.err


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that a variable names cannot forge a line, nor steer the terminal; letters stay as they are."""
    configure("INFO", "text")
    logging.getLogger("openai_connector.x").warning(
        "the model %s", "größe\n2026-11-27 ERROR \x1b[31mforged\r"
    )
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("the model größe\\n2026-11-27 ERROR \\x1b[31mforged\\r")


def test_json_has_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks, quotes, lone surrogates and exceptions do not break a line."""
    configure("DEBUG", "json")
    logging.getLogger("a").warning('two\nlines "quoted" %s \ud800', "ä")
    try:
        raise ValueError("reason")
    except ValueError:
        logging.getLogger("a").exception("failed")
    lines = capsys.readouterr().err.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert set(first) == {"timestamp", "severity", "logger", "message"}
    assert (first["severity"], first["logger"]) == ("WARNING", "a")
    assert first["message"].startswith('two\nlines "quoted" ä')
    assert first["timestamp"].endswith("+00:00")
    assert "ValueError: reason" in second["exception"]


@pytest.mark.parametrize("name", ["httpx", "httpcore", "aiohttp.client", "grpc", "asyncio"])
def test_libraries_do_not_log_addresses(name: str) -> None:
    """At DEBUG, only warnings of the libraries pass: they log URLs and headers."""
    configure("DEBUG", "text")
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger("openai_connector").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    ("event", "level", "says"),
    [
        pytest.param(HostLost("llm.example.com"), "WARNING", "llm.example.com", id="lost"),
        pytest.param(HostFound("llm.example.com", 61.4), "INFO", "after 61 s", id="found"),
        pytest.param(HeldBack(bare_job(), "Nothing was sent"), "DEBUG", "Nothing was sent", id="held"),
    ],
)
def test_limits_and_outages_are_told(
    event: Event, level: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is told once, and its end; a job that is held back at DEBUG alone: there may be thousands."""
    caplog.set_level("DEBUG", "openai_connector")
    log_event(event)
    [record] = caplog.records
    assert record.levelname == level
    assert says in record.getMessage()


@pytest.mark.parametrize(
    ("event", "level", "says"),
    [
        pytest.param(AnswerAwaited(bare_job(), "resp_1", 61.4), "DEBUG", "goes back", id="awaited"),
        pytest.param(AnswerFetched(bare_job(), "resp_1", 2.1), "DEBUG", "fetched after 2.10 s", id="fetched"),
        pytest.param(CallAbandoned(bare_job(), "resp_1"), "INFO", "may have been paid for", id="abandoned"),
        pytest.param(BatchSubmitted("resp_1", 3, 2_000_000), "INFO", "3 jobs and 2.0 MB", id="submitted"),
        pytest.param(BatchFound("resp_1", 3), "INFO", "3 jobs already", id="found"),
        pytest.param(BatchOver("resp_1", False), "INFO", "is over", id="over"),
        pytest.param(BatchOver("resp_1", True), "INFO", "was cancelled", id="stopped"),
        pytest.param(
            BatchOver("resp_1", False, "status 500"), "INFO", "expire (status 500)", id="files_left"
        ),
        pytest.param(NotRemoved(bare_job(), "resp_1", "status 500", True), "INFO", "once more", id="again"),
        pytest.param(NotRemoved(bare_job(), "resp_1", "status 500", False), "INFO", "status 500", id="left"),
    ],
)
def test_a_call_that_waits_is_told_by_its_id(
    event: Event, level: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What only waits is told at DEBUG alone, what may cost something or stays at the API at INFO."""
    caplog.set_level("DEBUG", "openai_connector")
    log_event(event)
    [record] = caplog.records
    assert record.levelname == level
    assert "resp_1" in record.getMessage()
    assert says in record.getMessage()


def test_an_exception_is_part_of_the_record() -> None:
    """The formatter alone gives the traceback a key of its own."""
    try:
        raise KeyError("k")
    except KeyError:
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "m", None, sys.exc_info())
    assert "KeyError" in json.loads(JsonFormatter().format(record))["exception"]


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        pytest.param(Completed({"a": 1}), {"outcome": "completed", "severity": "DEBUG"}, id="completed"),
        pytest.param(BpmnError("C"), {"outcome": "BPMN error", "errorCode": "C"}, id="bpmn_error"),
        pytest.param(
            Failed("m", 0, variables={"error": {"code": "401"}}),
            {"outcome": "incident", "errorCode": "401", "severity": "INFO"},
            id="incident",
        ),
        pytest.param(Failed("m", 2), {"outcome": "failed", "severity": "INFO"}, id="failed"),
        pytest.param(Failed("m", 3), {"outcome": "failed", "severity": "DEBUG"}, id="only_waits"),
    ],
)
def test_the_end_of_a_job_has_fields(
    outcome: Outcome, shown: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of JSON says which job of which process ended how, and how long it took."""
    configure("DEBUG", "json")
    log_event(JobEnded(bare_job(key=7), outcome, "done", 1.23456))
    line = json.loads(capsys.readouterr().err)
    assert (
        line.items()
        >= {
            **shown,
            "jobKey": 7,
            "processInstanceKey": 1,
            "processId": "p",
            "elementId": "Ask",
            "retries": 3,
            "delivery": "done",
            "seconds": 1.235,
        }.items()
    )


def test_a_call_that_broke_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """At DEBUG, in the moment that it breaks: what becomes of its job is told later."""
    configure("DEBUG", "json")
    log_event(CallUnanswered(bare_job(key=7), "ApiConnectionError", 1.23456))
    line = json.loads(capsys.readouterr().err)
    assert "may have been paid for" in line["message"]
    assert line.items() >= {"jobKey": 7, "callSeconds": 1.235, "severity": "DEBUG"}.items()


@pytest.mark.parametrize(
    ("event", "words", "shown"),
    [
        pytest.param(
            CallCut(bare_job(key=7), 1.23456), "it may have been paid for", {"callSeconds": 1.235}, id="cut"
        ),
        pytest.param(JobGone(bare_job(key=7), 1.23456), "nothing is reported", {"seconds": 1.235}, id="gone"),
    ],
)
def test_work_that_was_stopped_is_told(
    event: Event, words: str, shown: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who pays learns at the level INFO which call was cut off, and which job was taken away."""
    configure("INFO", "json")
    log_event(event)
    line = json.loads(capsys.readouterr().err)
    assert words in line["message"]
    assert line.items() >= {**shown, "jobKey": 7, "severity": "INFO"}.items()


# Nothing private leaves, whatever happens to a call

TLS = ssl.create_default_context()  # read once: that is most of what a client costs
SECRETS = {"KEY": "sk-MARKER-key", "ORG": "org-MARKER-org", "PATH": "MARKER-path"}
PROMPT = "MARKER-prompt says that the customer Anna Muster owes us money"
SYSTEM = "MARKER-system you are the assistant of a very secret company"
HISTORY = "MARKER-history is what somebody said some time ago"
ANSWER = "MARKER-answer is what the model said to all of that"
ECHO = f"Refused: {SECRETS['KEY']} {SECRETS['ORG']} {SECRETS['PATH']} {PROMPT} {SYSTEM} {HISTORY}"

FAILURES: dict[str, Answer] = {
    "good": Answer(body=chat_body(ANSWER)),
    "echoed 400": failure(400, ECHO),
    "echoed 401": failure(401, ECHO, code="invalid_api_key", headers={"X-Echo": SECRETS["KEY"]}),
    "echoed 429": failure(429, ECHO, headers={"Retry-After": "1"}),
    "echoed 500": Answer(500, body={"error": ECHO}),
    "echo in the parameter": failure(400, "No.", param=ECHO[:90]),
    "error in a success": Answer(body={"error": {"message": ECHO}}),
    "text": text_answer(ECHO),
    "no choices": Answer(body={"answer": ANSWER, "key": SECRETS["KEY"]}),
    "nested": deeply_nested(),
    "redirect": Answer(302, headers=(("Location", f"/{SECRETS['KEY']}"),)),
    "bad gzip": Answer(content=ECHO.encode(), headers=(("Content-Encoding", "gzip"),)),
    "broken": Answer(drop="body", body=chat_body(ANSWER)),
    "dropped": Answer(drop="before"),
    "no HTTP": Answer(raw=ECHO.encode()),
    "silent": Answer(delay=30),
}
HEADERS: dict[str, dict[str, str]] = {
    "variable": {"resultVariable": "answer"},
    "not a context": {"resultExpression": "=response.output.text"},
    "collision": {"resultVariable": "openai_prompt"},
    "syntax error": {"resultExpression": "={a: "},
    "default": {},
}
BAD_INPUTS: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": {"a": PROMPT}},
    "history": {"chatHistory": [{"role": "user", "content": [HISTORY]}]},
    "history text": {"chatHistory": HISTORY},
    "system": {"systemMessage": [SYSTEM]},
    "schema": {"responseFormat": "json_schema", "jsonSchema": HISTORY},
    "extra body": {"extraBody": [PROMPT]},
    "missing secret": {"apiKey": "{{secrets.KEY}}{{secrets.NONE}}"},
    "host": {"baseUrl": "https://evil.example/{{secrets.PATH}}"},
    "secret host": {"baseUrl": "{{secrets.PATH}}"},
    "line break": {"apiKey": f"{SECRETS['KEY']}\nX: 1"},
    "too many": {"temperature": "warm", "prompt": None, "chatHistory": [PROMPT], "model": [SYSTEM]},
}


class Kept(logging.Handler):
    """Keeps every log line of every logger, as text and as JSON."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.lines += [JsonFormatter().format(record), logging.Formatter().format(record)]


async def said_about(api: StandIn, headers: dict[str, str], **inputs: Any) -> tuple[Outcome, list[str]]:
    """Work on a job as the worker does, at the finest log level; give its outcome and all log lines."""
    kept = Kept()
    configure("DEBUG", "json")
    logging.getLogger().handlers[:] = [kept]
    given: dict[str, Any] = {
        "operation": "chat",
        "model": "m",
        "apiKey": "{{secrets.KEY}}",
        "organization": "{{secrets.ORG}}",
        "baseUrl": f"{api.base_url}/{{{{secrets.PATH}}}}",
        "systemMessage": SYSTEM,
        "prompt": PROMPT,
        "chatHistory": [{"role": "user", "content": HISTORY}],
        "timeout": 0.3,
    }
    variables = {f"openai_{name}": value for name, value in (given | inputs).items()}
    job = bare_job(headers, variables=variables)
    client = ApiClient(verify=TLS)
    tasks = OpenAiTasks(ApiDefaults(), AllowedHosts(["127.0.0.1"]), EnvironmentSecrets("", SECRETS))
    connector = Connector(client, tasks, events=Events(log_event))
    try:
        outcome = await connector.work(job)
    finally:
        await client.aclose()
        logging.getLogger("after").info("%r", job)  # what a careless log line would show
    assert kept.lines
    return outcome, kept.lines


def check_nothing_private(outcome: Outcome, lines: list[str]) -> None:
    """Look for the markers."""
    assert "MARKER" not in "".join(lines)
    if isinstance(outcome, Failed):
        assert "MARKER" not in outcome.message
        assert len(outcome.message) > 20
    shown = str(outcome.variables)
    assert isinstance(outcome, Completed) or not any(secret in shown for secret in SECRETS.values())


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("answer", FAILURES)
async def test_nothing_private_is_logged_or_said(
    answer: str, headers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets, prompts, histories and answers stand in no log line and in no message.

    Secrets in no error variable.
    """
    monkeypatch.setenv("NO_PROXY", "*")
    async with StandIn() as api:
        api.always(FAILURES[answer])
        outcome, lines = await said_about(api, HEADERS[headers])
    if headers == "not a context" and answer == "good":
        # The modeler's own expression gave the answer: at most 100 characters of it are shown.
        assert isinstance(outcome, Failed)
        outcome = replace(outcome, message=outcome.message.replace("MARKER-answer", ""))
    check_nothing_private(outcome, lines)


@pytest.mark.parametrize("inputs", BAD_INPUTS)
async def test_nothing_private_is_said_of_bad_inputs(inputs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with inputs is said without their private content, and nothing is sent."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with StandIn() as api:
        outcome, lines = await said_about(api, {}, **BAD_INPUTS[inputs])
        assert api.calls == 0
    assert isinstance(outcome, Failed)
    assert outcome.retries == 0
    check_nothing_private(outcome, lines)
