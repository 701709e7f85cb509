"""What happens, as data: listeners make logs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from openai_connector.job import Job, Outcome


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The work on a job has begun."""

    job: Job


@dataclass(frozen=True, slots=True)
class CallSent:
    """A job's request goes to the API: from here on it may be paid for."""

    job: Job


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The API answered, with whatever status."""

    job: Job
    status: int
    seconds: float
    """Since the request was sent."""


@dataclass(frozen=True, slots=True)
class CallBroken:
    """There was no whole answer: no connection, one that broke, or none in time."""

    job: Job
    seconds: float
    """Since the request was sent."""


@dataclass(frozen=True, slots=True)
class AnswerUnexpected:
    """The model's answer is other than it was asked for."""

    job: Job
    condition: str
    """Such as `ANSWER_NOT_JSON`."""
    is_asked_again: bool
    """The model is asked once more, which is paid for too."""


@dataclass(frozen=True, slots=True)
class AnswerKept:
    """The store has the answer: whatever becomes of the worker, it is not bought again."""

    job: Job


@dataclass(frozen=True, slots=True)
class AnswerReused:
    """An answer that is stored is used; the API is not asked."""

    job: Job


@dataclass(frozen=True, slots=True)
class CallLost:
    """A call of a worker that is gone may have been paid for and lost; it is made again."""

    job: Job


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A job has no answer: its inputs, its secrets, the API or the network are to blame."""

    job: Job
    kind: str
    """The `error.type` of error expressions."""
    code: str


@dataclass(frozen=True, slots=True)
class CallCut:
    """The call was cut off, because the worker stops or the job is gone: it may have been paid for."""

    job: Job
    seconds: float
    """Since the request was sent."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Nothing was sent for a job: it goes back for a while."""

    job: Job
    reason: str
    """Why, as a sentence."""


@dataclass(frozen=True, slots=True)
class HostLost:
    """A host has failed several jobs in a row: only one job now and then asks it."""

    host: str


@dataclass(frozen=True, slots=True)
class HostFound:
    """A host that was lost answers again."""

    host: str
    seconds: float
    """For how long it had failed."""


@dataclass(frozen=True, slots=True)
class NullFound:
    """An expression, or a part of it, gave null."""

    job: Job
    label: str
    """What the modeler calls the expression."""
    kind: str
    """Such as `NO_VARIABLE_FOUND`."""
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The engine was told what became of a job, or could not be told."""

    job: Job
    outcome: Outcome
    delivery: str
    """What became of the command: done, gone, refused, undelivered, lease lost."""
    seconds: float
    """Since the job came in."""


@dataclass(frozen=True, slots=True)
class JobGone:
    """The engine has the job no more, while it was worked on: the work was stopped, nothing is reported."""

    job: Job
    seconds: float
    """Since the job came in."""


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine gives no jobs; told once for each kind of trouble."""

    kind: str
    details: str
    advice: str


@dataclass(frozen=True, slots=True)
class EngineFound:
    """The engine answers."""

    job_type: str
    is_again: bool


Event = (
    JobStarted
    | CallSent
    | AnswerReceived
    | CallBroken
    | AnswerUnexpected
    | AnswerKept
    | AnswerReused
    | CallLost
    | CallFailed
    | HeldBack
    | HostLost
    | HostFound
    | CallCut
    | NullFound
    | JobEnded
    | JobGone
    | EngineLost
    | EngineFound
)
Listener = Callable[[Event], None]


class Events:
    """Passes each event on to all listeners, which must not raise."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        """Pass an event on."""
        for listen in self._listeners:
            listen(event)
