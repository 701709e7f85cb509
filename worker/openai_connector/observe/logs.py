"""Logs: one line an event, as text or as JSON.

They hold keys and names, never secrets, prompts or answers.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from openai_connector.contract import ERROR_VARIABLE
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.events import (
    AnswerKept,
    AnswerReceived,
    AnswerReused,
    AnswerUnexpected,
    CallBroken,
    CallCut,
    CallFailed,
    CallLost,
    CallSent,
    EngineFound,
    EngineLost,
    Event,
    HeldBack,
    HostFound,
    HostLost,
    JobEnded,
    JobGone,
    JobStarted,
    NullFound,
)

log = logging.getLogger(__name__)

CallEvent = (
    CallSent
    | AnswerReceived
    | CallBroken
    | AnswerUnexpected
    | AnswerKept
    | AnswerReused
    | CallLost
    | CallFailed
    | HeldBack
    | CallCut
    | JobGone
)
FIELDS: Final = "fields"
"""The attribute of a log record that holds its fields."""
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the names that log collectors expect."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        entry = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)  # ASCII: standard error may have any encoding


def configure(level: str, style: str) -> None:
    """Send all logs to standard error at this level; `style` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Libraries log addresses and headers at INFO and DEBUG; only their warnings are of use here.
    for name in ("httpx", "httpcore", "aiohttp", "grpc", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_event(event: Event) -> None:
    """Write an event to the log: what needs a person at INFO or above, the ordinary at DEBUG."""
    level = _level(event)
    if log.isEnabledFor(level):
        text, fields = _described(event)
        log.log(level, text, extra={FIELDS: fields})


def _level(event: Event) -> int:
    match event:
        case EngineLost() | HostLost() | CallLost():
            return logging.WARNING
        case (
            EngineFound()
            | HostFound()
            | CallFailed()
            | CallCut()
            | AnswerUnexpected()
            | AnswerReused()
            | JobGone()
        ):
            return logging.INFO
        case JobEnded(outcome=outcome):
            return logging.INFO if isinstance(outcome, Failed) else logging.DEBUG
        case _:
            return logging.DEBUG


def _described(event: Event) -> tuple[str, dict[str, Any]]:
    """Return an event as a sentence for people, and as fields for machines."""
    match event:
        case EngineLost() | EngineFound() | HostLost() | HostFound():
            return _other_side(event)
        case JobStarted(job=job):
            return f"{_named(job)}: begun", _fields(job)
        case NullFound(job=job, label=label, kind=kind, line=line, column=column):
            place = f"line {line}, column {column}"
            text = f"{_named(job)}: {label} has a null, {place}: {kind}"
            return text, _fields(job, expression=label, reason=kind, line=line, column=column)
        case JobEnded(job=job, outcome=outcome, delivery=delivery, seconds=seconds):
            name, code = _outcome(outcome)
            with_code = f", code {code}" if code else ""
            text = f"{_named(job)}: {name}{with_code}, after {seconds:.2f} s ({delivery})"
            more = {"errorCode": code} if code else {}
            return text, _fields(job, outcome=name, delivery=delivery, seconds=round(seconds, 3), **more)
        case _:
            return _of_call(event)


def _of_call(event: CallEvent) -> tuple[str, dict[str, Any]]:
    """Return what happened with a job's call, or instead of it."""
    match event:
        case CallSent(job=job):
            return f"{_named(job)}: the API is asked", _fields(job)
        case AnswerReceived(job=job, status=status, seconds=seconds):
            text = f"{_named(job)}: the API answered {status} after {seconds:.2f} s"
            return text, _fields(job, status=status, callSeconds=round(seconds, 3))
        case CallBroken(job=job, seconds=seconds):
            text = f"{_named(job)}: no whole answer after {seconds:.2f} s; the call may have been paid for"
            return text, _fields(job, callSeconds=round(seconds, 3))
        case AnswerUnexpected(job=job, condition=condition, is_asked_again=is_asked_again):
            again = "; the model is asked again, which is a second call" if is_asked_again else ""
            text = f"{_named(job)}: the answer is not as asked, {condition}{again}"
            return text, _fields(job, condition=condition, askedAgain=is_asked_again)
        case AnswerKept(job=job):
            return f"{_named(job)}: its answer is stored", _fields(job)
        case AnswerReused(job=job):
            return f"{_named(job)}: its stored answer is used; the API is not asked", _fields(job)
        case CallLost(job=job):
            text = f"{_named(job)}: a worker ended in mid-call; that call may have been paid for and lost"
            return text, _fields(job)
        case CallFailed(job=job, kind=kind, code=code):
            return f"{_named(job)}: {kind}, code {code}", _fields(job, errorType=kind, errorCode=code)
        case HeldBack(job=job, reason=reason):
            return f"{_named(job)}: {reason}", _fields(job)
        case CallCut(job=job, seconds=seconds):
            text = f"{_named(job)}: its API call was cut off after {seconds:.2f} s; it may have been paid for"
            return text, _fields(job, callSeconds=round(seconds, 3))
        case JobGone(job=job, seconds=seconds):
            text = (
                f"{_named(job)}: finished by another worker, or cancelled, while it was worked on for "
                f"{seconds:.2f} s; nothing is reported"
            )
            return text, _fields(job, seconds=round(seconds, 3))


def _other_side(event: EngineLost | EngineFound | HostLost | HostFound) -> tuple[str, dict[str, Any]]:
    """Return an event of the engine or an API, which no job alone has met."""
    match event:
        case EngineLost(kind=kind, details=details, advice=advice):
            return f"Zeebe gives no jobs ({kind}: {details}). {advice}; waiting for it", {"errorCode": kind}
        case EngineFound(job_type=job_type, is_again=is_again):
            again = " again" if is_again else ""
            return f"Zeebe answers{again}: fetching jobs of type {job_type}", {"jobType": job_type}
        case HostLost(host=host):
            text = f"The API at {host} fails every job: only one now and then asks it; the others wait"
            return text, {"host": host}
        case HostFound(host=host, seconds=seconds):
            text = f"The API at {host} answers again, after {seconds:.0f} s"
            return text, {"host": host, "seconds": round(seconds)}


def _named(job: Job) -> str:
    return f"Job {job.key} of element {job.element_id}"


def _fields(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "jobKey": job.key,
        "processInstanceKey": job.process_instance_key,
        "processId": job.bpmn_process_id,
        "elementId": job.element_id,
        "retries": job.retries,
        **more,
    }


def _outcome(outcome: Outcome) -> tuple[str, str]:
    """Return the name of an outcome, and the code of its error if it has one."""
    match outcome:
        case Completed():
            return "completed", ""
        case BpmnError(code=code):
            return "BPMN error", code
        case Failed(retries=retries, variables=variables):
            error = variables.get(ERROR_VARIABLE)
            found = error.get("code") if isinstance(error, Mapping) else None
            return ("failed" if retries else "incident"), found if isinstance(found, str) else ""


def place_of(error: BaseException) -> str:
    """Return what was raised and where, without the exception's text: it may hold anybody's data."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {frames[0].filename.rsplit('/', 1)[-1]}:{frames[0].lineno}" if frames else ""
    return type(error).__name__ + where
