"""The only way out: what leaves the worker is masked, fits the engine, and remembers what was paid for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openai_connector import wording
from openai_connector.contract import ERROR_EXPRESSION, ERROR_VARIABLE, OVERRIDES, RESULT_EXPRESSION
from openai_connector.document import Document, DocumentError
from openai_connector.job import MAX_MESSAGE, OWN_SLOT, BpmnError, Completed, Failed, Job, Outcome, Slot
from openai_connector.outcome.mapping import OutputMapping
from openai_connector.outcome.memory import TaskMemory
from openai_connector.redaction import Redaction

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Attempt:
    """What is known of one attempt at a job so far."""

    job: Job
    memory: TaskMemory
    redaction: Redaction = field(default_factory=Redaction)
    mapping: OutputMapping = field(default_factory=OutputMapping)
    """The output side of the task, as soon as its headers are read."""
    local_names: frozenset[str] = frozenset()
    """What the task's own scope holds: a result of such a name would stay there, unseen by the process."""
    slot: Slot = OWN_SLOT
    """Where the job is worked on."""
    is_stored: bool = False
    """The worker's store has the answer: it is not lost where the engine cannot take it."""


def release(outcome: Outcome, attempt: Attempt, *, is_kept: bool = False, end: str = "") -> Outcome:
    """Return an outcome as it may leave the worker: masked, cut, and with what must be remembered.

    Args:
        outcome: what becomes of the job.
        attempt: what is known of the attempt.
        is_kept: the attempt's answer is kept for the next activation, and the message says how it is used.
        end: what a failure's message ends with.
    """
    match outcome:
        case Completed():
            return Completed(outcome.variables, attempt)
        case BpmnError():
            return _error(outcome, attempt, is_kept)
        case Failed():
            return _failure(outcome, attempt, is_kept, end)


def _error(outcome: BpmnError, attempt: Attempt, is_kept: bool) -> BpmnError:
    # Set before the error is thrown: an uncaught one comes back, and must not be paid for again.
    keep = _fitting(attempt.memory.variables())
    end = ""
    has_answer = keep is not None and attempt.memory.response is not None
    if keep is None:
        log.warning("Job %d: its answer is too large to be kept for an uncaught error", attempt.job.key)
        keep = _fitting(attempt.memory.without_text().variables())
        end = kept_words(attempt, has_answer=False) if is_kept else ""
    return replace(
        outcome,
        message=_message(attempt.redaction.message(outcome.message), end),
        variables=attempt.redaction.value(outcome.variables),
        keep=keep or {},
        has_answer=has_answer,
        attempt=attempt,
    )


def _failure(failed: Failed, attempt: Attempt, is_kept: bool, end: str) -> Failed:
    """Send what can be sent: first the error's response gives way, which may be the answer itself."""
    memory = attempt.memory
    whole = attempt.redaction.value(failed.variables)
    short = {name: _without_response(error) for name, error in whole.items() if name == ERROR_VARIABLE}
    sent: Document | None = None
    for variables, kept in (whole, memory), (short, memory), (short, memory.without_text()):
        sent = _fitting({**variables, **kept.with_names(variables).variables()})
        if sent is not None:
            break
    has_answer = sent is not None and kept.response is not None
    sent = sent or Document()
    if not whole.keys() <= sent.keys():
        end += wording.LEFT_OUT()
    if is_kept and failed.retries == 0:
        end += kept_words(attempt, has_answer=has_answer)
    return replace(
        failed,
        message=_message(attempt.redaction.message(failed.message), end),
        variables=sent,
        has_answer=has_answer,
        attempt=attempt,
    )


def kept_words(attempt: Attempt, *, has_answer: bool) -> str:
    """Return where the answer is, and what a person can do with it.

    Args:
        attempt: what is known of the attempt.
        has_answer: the engine has the answer.
    """
    if not has_answer and not attempt.is_stored:
        is_at_api = attempt.memory.waiting is not None
        return wording.IS_KEPT_BY_API() if is_at_api else wording.IS_TOO_LARGE_TO_KEEP()
    words = wording.IS_KEPT if has_answer else wording.IS_STORED
    return words(result_expression=OVERRIDES[RESULT_EXPRESSION], error_expression=OVERRIDES[ERROR_EXPRESSION])


def _fitting(variables: Mapping[str, Any]) -> Document | None:
    """Return variables encoded, or None where the engine would not take them."""
    try:
        return Document.of(variables)
    except DocumentError:
        return None


def _without_response(error: Any) -> Any:
    return {key: error.get(key) for key in ("type", "code", "message")} if isinstance(error, dict) else error


def _message(text: str, end: str) -> str:
    """Return what happened and what to do, which is never cut off."""
    return (text[: MAX_MESSAGE - len(end)].rstrip(".") if end else text[:MAX_MESSAGE]) + end
