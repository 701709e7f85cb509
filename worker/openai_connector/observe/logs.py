"""Logs: one line an event, as text or as JSON.

They hold keys and names, never secrets, prompts or answers.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import ERROR_VARIABLE
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.events import (
    AnswerAwaited,
    AnswerFetched,
    AnswerKept,
    AnswerReceived,
    AnswerReused,
    AnswerUnexpected,
    AnswerUnkept,
    BatchFound,
    BatchOver,
    BatchSubmitted,
    BudgetExceeded,
    BudgetsRead,
    CallAbandoned,
    CallCut,
    CallFailed,
    CallLost,
    CallSent,
    CallUnanswered,
    EngineFound,
    EngineLost,
    EntryUnreadable,
    Event,
    HeldBack,
    HostFound,
    HostLost,
    JobEnded,
    JobGone,
    JobStarted,
    LeaseAsked,
    NotRemoved,
    NullFound,
    Polled,
    PollFailed,
    StoreDamaged,
    StoreFound,
    StoreFull,
    StoreLost,
    StorePurged,
    StoreRoom,
)

log = logging.getLogger(__name__)

StoreEvent = StoreLost | StoreFound | StoreFull | StoreRoom | StoreDamaged | EntryUnreadable | StorePurged
CallEvent = (
    CallSent
    | AnswerReceived
    | CallUnanswered
    | AnswerUnexpected
    | AnswerKept
    | AnswerReused
    | AnswerUnkept
    | CallLost
    | CallFailed
    | HeldBack
    | BudgetExceeded
    | CallCut
    | JobGone
)
WaitEvent = AnswerAwaited | AnswerFetched | CallAbandoned | NotRemoved
BatchEvent = BatchSubmitted | BatchFound | BatchOver
Told = (
    StoreEvent
    | CallEvent
    | WaitEvent
    | BatchEvent
    | JobStarted
    | NullFound
    | JobEnded
    | EngineLost
    | EngineFound
    | HostLost
    | HostFound
)
"""Events that have a line in the log."""
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


class TextFormatter(logging.Formatter):
    """One line a message: names that come from diagrams and APIs cannot begin another one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in the base class
        """Write a record without its exception."""
        return on_one_line(super().formatMessage(record))


def on_one_line(text: str) -> str:
    """Return a text in which line breaks and what steers a terminal are escaped, as in Python."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def configure(level: str, style: str) -> None:
    """Send all logs to standard error at this level; `style` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Libraries log addresses and headers at INFO and DEBUG; only their warnings are of use here.
    for name in ("httpx", "httpcore", "aiohttp", "grpc", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_event(event: Event) -> None:
    """Write an event to the log: what needs a person at INFO or above, the ordinary at DEBUG."""
    if isinstance(event, (Polled, PollFailed, LeaseAsked, BudgetsRead)):
        return  # only counted: there are many of them, and what is wrong with one is told by others
    level = _level(event)
    if log.isEnabledFor(level):
        text, fields = _described(event)
        log.log(level, text, extra={FIELDS: fields})


_LEVELS: Final[Mapping[type, int]] = {
    StoreDamaged: logging.ERROR,
    **dict.fromkeys((EngineLost, HostLost, CallLost, StoreLost, StoreFull, StorePurged), logging.WARNING),
    **dict.fromkeys(
        (
            EngineFound,
            HostFound,
            StoreFound,
            StoreRoom,
            CallFailed,
            BudgetExceeded,
            CallCut,
            AnswerUnexpected,
            AnswerReused,
            JobGone,
            CallAbandoned,
            NotRemoved,
            BatchSubmitted,
            BatchFound,
            BatchOver,
        ),
        logging.INFO,
    ),
}
"""All others are the ordinary."""


def _level(event: Told) -> int:
    match event:
        case JobEnded(job=job, outcome=Failed(retries=retries)) if not 0 < job.retries <= retries:
            return logging.INFO  # else it only waits
        case EntryUnreadable(count=1):
            return logging.WARNING
        case _:
            return _LEVELS.get(type(event), logging.DEBUG)


def _described(event: Told) -> tuple[str, dict[str, Any]]:
    """Return an event as a sentence for people, and as fields for machines."""
    match event:
        case EngineLost() | EngineFound() | HostLost() | HostFound():
            return _other_side(event)
        case BatchSubmitted() | BatchFound() | BatchOver():
            return _of_batch(event)
        case (
            StoreLost()
            | StoreFound()
            | StoreFull()
            | StoreRoom()
            | StoreDamaged()
            | EntryUnreadable()
            | StorePurged()
        ):
            return _of_store(event)
        case AnswerAwaited() | AnswerFetched() | CallAbandoned() | NotRemoved():
            return _of_waiting(event)
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
        case CallUnanswered(job=job, kind=kind, seconds=seconds):
            after = f"no whole answer after {seconds:.2f} s, {kind}"
            text = f"{_named(job)}: {after}; the call may have been paid for"
            return text, _fields(job, errorType=kind, callSeconds=round(seconds, 3))
        case AnswerUnexpected(job=job, condition=condition, is_asked_again=is_asked_again):
            again = "; the model is asked again, which is a second call" if is_asked_again else ""
            text = f"{_named(job)}: the answer is not as asked, {condition}{again}"
            return text, _fields(job, condition=condition, askedAgain=is_asked_again)
        case CallLost(job=job):
            text = f"{_named(job)}: a worker ended in mid-call; that call may have been paid for and lost"
            return text, _fields(job)
        case CallFailed(job=job, kind=kind, code=code):
            return f"{_named(job)}: {kind}, code {code}", _fields(job, errorType=kind, errorCode=code)
        case HeldBack(job=job, reason=reason):
            return f"{_named(job)}: {reason}", _fields(job)
        case BudgetExceeded(job=job, budget=budget, until=until):
            why = (
                "does not take it, whatever is left"
                if until is None
                else f"has too little left until {until}"
            )
            return f"{_named(job)}: no call, budget {budget} {why}", _fields(job, budget=budget, until=until)
        case CallCut(job=job, seconds=seconds):
            text = f"{_named(job)}: its API call was cut off after {seconds:.2f} s; it may have been paid for"
            return text, _fields(job, callSeconds=round(seconds, 3))
        case JobGone(job=job, seconds=seconds):
            text = (
                f"{_named(job)}: finished by another worker, or cancelled, while it was worked on for "
                f"{seconds:.2f} s; nothing is reported"
            )
            return text, _fields(job, seconds=round(seconds, 3))
        case _:
            return _of_answer(event)


def _of_answer(event: AnswerKept | AnswerReused | AnswerUnkept) -> tuple[str, dict[str, Any]]:
    """Return what became of an answer in the store."""
    match event:
        case AnswerKept(job=job):
            return f"{_named(job)}: its answer is stored", _fields(job)
        case AnswerReused(job=job):
            return f"{_named(job)}: its stored answer is used; the API is not asked", _fields(job)
        case AnswerUnkept(job=job):
            text = f"{_named(job)}: its answer is not stored; it is lost if this worker is killed now"
            return text, _fields(job)


def _of_waiting(event: WaitEvent) -> tuple[str, dict[str, Any]]:
    """Return what happened with an answer that is made elsewhere."""
    named, fields = _named(event.job), _fields(event.job, responseId=event.id)
    match event:
        case AnswerAwaited(seconds=seconds):
            text = f"{named}: goes back, {event.id} is not there after {seconds:.1f} s"
            return text, {**fields, "waitedSeconds": round(seconds, 1)}
        case AnswerFetched(seconds=seconds):
            return f"{named}: {event.id} was fetched after {seconds:.2f} s", {
                **fields,
                "waitedSeconds": round(seconds, 2),
            }
        case CallAbandoned():
            text = f"{named}: gone while {event.id} was made, which was cancelled; it may have been paid for"
            return text, fields
        case NotRemoved(reason=reason, is_tried_again=is_tried_again):
            end = "; it is tried once more" if is_tried_again else ""
            return f"{named}: {event.id} could not be removed at the API ({reason}){end}", fields


def _of_batch(event: BatchSubmitted | BatchFound | BatchOver) -> tuple[str, dict[str, Any]]:
    """Return what happened with a batch."""
    match event:
        case BatchSubmitted(id=id_, jobs=jobs, size=size):
            text = f"Batch {id_} was submitted, with {jobs} jobs and {size / 1e6:.1f} MB"
            return text, {"batchId": id_, "jobs": jobs, "bytes": size}
        case BatchFound(id=id_, jobs=jobs):
            text = f"Batch {id_} has the requests of {jobs} jobs already, which are not sent again"
            return text, {"batchId": id_, "jobs": jobs}
        case BatchOver(id=id_, is_cancelled=is_cancelled, trouble=trouble):
            what = (
                "was cancelled: its jobs are gone; it may have been paid for" if is_cancelled else "is over"
            )
            end = f"; its files stay until they expire ({trouble})" if trouble else ""
            return f"Batch {id_} {what}{end}", {"batchId": id_, "cancelled": is_cancelled}


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


def _of_store(event: StoreEvent) -> tuple[str, dict[str, Any]]:
    """Return what the store met."""
    match event:
        case (
            StoreLost(problem=problem, is_required=is_required)
            | StoreFull(problem=problem, is_required=is_required)
        ):
            end = wording.STORE_WAITS if is_required else wording.STORE_GOES_ON
            return wording.STORE_LOST(problem=problem) + end(), {"required": is_required}
        case StoreFound(seconds=0.0):
            return wording.STORE_WORKS(), {}
        case StoreFound(seconds=seconds, unkept=unkept):
            text = wording.STORE_WORKS_AGAIN(seconds=f"{seconds:.1f}") + _unkept(unkept)
            return text, {"seconds": round(seconds, 3), "notStored": unkept}
        case StoreRoom(unkept=unkept):
            return wording.STORE_ROOM() + _unkept(unkept), {"notStored": unkept}
        case StoreDamaged(file=file):
            return wording.STORE_MOVED_ASIDE(name=file), {"file": file}
        case EntryUnreadable(job_key=job_key, problem=problem):
            return f"Job {job_key}: {problem}", {"jobKey": job_key}
        case StorePurged(count=count):
            return wording.STORE_PURGED(count=count), {"count": count}


def _unkept(count: int) -> str:
    return wording.STORE_UNKEPT(count=count) if count else ""


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
