"""What the worker must remember about a task across activations, kept in the engine itself.

It is the reserved local variable `openai_state`: one JSON text, bound to the job's key. Zeebe keeps local
variables over failures, lease expiry and resolved incidents (measured).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from openai_connector.document import MAX_READ_DEPTH, DocumentError, encode_document, parse_json
from openai_connector.job import MAX_MESSAGE, BpmnError, Completed, ConnectorJob, Failed, Outcome
from openai_connector.redaction import Redaction

log = logging.getLogger(__name__)

STATE_VARIABLE = "openai_state"
VERSION = 1
OWN_DEPTH = 2  # levels of the state around a kept answer, whose body may be as deep as can be read
IS_KEPT = (
    ". The answer is kept: set the local variable openai_resultExpression or openai_errorExpression at the task in "
    "Operate, as a text in double quotes, then retry the incident; the API is not asked again"
)
IS_TOO_LARGE = ". The answer is too large to be kept: retrying the incident asks the API, and pays, again"
LEFT_OUT = ". Variables of this failure were left out: they are too large"


@dataclass(frozen=True, slots=True)
class TaskState:
    """What is remembered about one task."""

    job_key: int
    request: str | None = None
    """The fingerprint of the request that the kept answer belongs to."""
    response: Mapping[str, Any] | None = None
    """The kept answer: status, headers and body."""
    waits: int = 0
    """How often the API told the job to wait."""
    waited: timedelta = timedelta(0)
    names: frozenset[str] = frozenset()
    """Variables that failures of this worker left at the task; results of these names would be swallowed."""

    @classmethod
    def of(cls, job: ConnectorJob) -> TaskState:
        """Read the state of a job; anything that this worker did not write for this very job is ignored."""
        empty = cls(job.key)
        text = job.variables.get(STATE_VARIABLE)
        if not isinstance(text, str):
            return empty
        try:
            match parse_json(text, max_depth=MAX_READ_DEPTH + OWN_DEPTH):
                case {
                    "version": 1,
                    "jobKey": job.key,
                    "waits": int(waits),
                    "waited": int() | float() as waited,
                    **rest,
                }:
                    pass
                case _:
                    return empty
            request, response, names = rest.get("request"), rest.get("response"), rest.get("names")
            return cls(
                job.key,
                request=request if isinstance(request, str) else None,
                response=response if isinstance(response, Mapping) else None,
                waits=max(waits, 0),
                waited=timedelta(seconds=max(waited, 0)),
                names=frozenset(name for name in names if isinstance(name, str))
                if isinstance(names, list)
                else frozenset(),
            )
        except (ValueError, OverflowError):
            return empty

    def answer_to(self, request: str) -> Mapping[str, Any] | None:
        """Give the kept answer if it belongs to this request."""
        return self.response if self.request == request else None

    def leaving(self, names: Mapping[str, Any]) -> TaskState:
        """Remember variables that a failure leaves at the task."""
        return replace(self, names=self.names | names.keys())

    def keeping(self, request: str, response: Mapping[str, Any]) -> TaskState:
        """Keep a paid answer."""
        return replace(self, request=request, response=response)

    def waiting(self, wait: timedelta) -> TaskState:
        """Count one more wait."""
        return replace(self, waits=self.waits + 1, waited=self.waited + wait)

    def without_answer(self) -> TaskState:
        """Forget the kept answer: the next activation is to call again."""
        return replace(self, request=None, response=None)

    def variables(self) -> dict[str, str]:
        """Give the state as a variable; empty when there is nothing to remember."""
        if self == TaskState(self.job_key):
            return {}
        state = {
            "version": VERSION,
            "jobKey": self.job_key,
            "request": self.request,
            "response": self.response,
            "waits": self.waits,
            "waited": self.waited.total_seconds(),
            "names": sorted(self.names),
        }
        return {STATE_VARIABLE: json.dumps(state, ensure_ascii=False, separators=(",", ":"))}

    def beside(self, outcome: Outcome, redaction: Redaction, *, says_kept: bool = False) -> Outcome:
        """Put this state beside an outcome that may bring the job back, and mask what leaves the worker.

        Args:
            outcome: what becomes of the job.
            redaction: masks secrets and prompts.
            says_kept: the message is to say how the kept answer is used.
        """
        match outcome:
            case Completed():
                return replace(outcome, if_refused=partial(self._refused, redaction))
            case BpmnError():
                # Set before the error is thrown: an uncaught one comes back, and must not be paid for again.
                keep, said = self.variables(), ""
                if not _is_sendable(keep):
                    log.warning(
                        "Job %d: its answer is too large to be kept for an uncaught error", self.job_key
                    )
                    keep, said = {}, IS_TOO_LARGE if says_kept else ""
                message = _message(redaction.message(outcome.message), said)
                return replace(
                    outcome, message=message, variables=redaction.value(outcome.variables), keep=keep
                )
            case Failed():
                return self._beside_failure(outcome, redaction, says_kept)

    def _refused(self, redaction: Redaction, problem: str) -> Failed:
        """Fail a job whose result the engine has refused: what it paid for is not lost with it."""
        return self._beside_failure(Failed(problem, 0), redaction, says_kept=self.response is not None)

    def _beside_failure(self, failed: Failed, redaction: Redaction, says_kept: bool) -> Failed:
        """Send what can be sent: first the error's response gives way, which may be the answer itself."""
        whole = redaction.value(failed.variables)
        short = {name: _without_response(error) for name, error in whole.items() if name == "error"}
        for variables, kept in (whole, self), (short, self), (short, self.without_answer()):
            state = kept.leaving(variables)
            if _is_sendable(sent := {**variables, **state.variables()}):
                break
        said = "" if whole.keys() <= sent.keys() else LEFT_OUT
        if says_kept and failed.retries == 0:
            said += IS_KEPT if state.response is not None else IS_TOO_LARGE
        return replace(failed, message=_message(redaction.message(failed.message), said), variables=sent)


def _without_response(error: Any) -> Any:
    return {key: error.get(key) for key in ("type", "code", "message")} if isinstance(error, dict) else error


def _message(text: str, said: str) -> str:
    """Put together what happened and what to do, which is never cut off."""
    return (text[: MAX_MESSAGE - len(said)].rstrip(".") if said else text[:MAX_MESSAGE]) + said


def _is_sendable(variables: Mapping[str, Any]) -> bool:
    try:
        encode_document(variables)
    except DocumentError:
        return False
    return True
