"""A job, its outcomes and what may go wrong with it: plain types that every room shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Protocol

MAX_MESSAGE: Final = 6000
"""Characters of a message to the engine, as in Camunda's runtime."""


@dataclass(frozen=True, slots=True)
class Job:
    """One activated job, decoded; its representation never shows variables or headers."""

    key: int
    type: str
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int
    retries: int
    """Retries left, as the engine counts them: 3 on the first attempt of a task with three retries."""
    tenant_id: str
    headers: Mapping[str, str] = field(repr=False)
    """The task headers. They never change while the job exists, not even by migration (measured)."""
    variables: Mapping[str, Any] = field(repr=False)
    """The fetched variables: the task's own inputs, merged with outer ones of the same names."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done: complete the job with these variables."""

    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    attempt: object = field(default=None, repr=False, compare=False)
    """What the connector knows of the attempt, for the case that the engine refuses the outcome."""


@dataclass(frozen=True, slots=True)
class BpmnError:
    """Throw a BPMN error, to be caught by a boundary event or an event sub-process."""

    code: str
    message: str = field(default="", repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    keep: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Variables set locally at the task *before* the error is thrown: they survive an uncaught error."""
    has_answer: bool = field(default=False, compare=False)
    """The paid answer is among what is kept."""
    attempt: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """Fail the job: the engine tries again while retries are left, else it raises an incident."""

    message: str = field(repr=False)
    retries: int
    """Retries left after this failure, 0 or more; 0 raises an incident."""
    backoff: timedelta | None = None
    """How long the engine waits before it offers the job again; None = at once."""
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Variables that become local to the task."""
    has_answer: bool = field(default=False, compare=False)
    """The paid answer is among the variables."""
    attempt: object = field(default=None, repr=False, compare=False)


Outcome = Completed | BpmnError | Failed
"""Every job ends in exactly one of these."""


class Recovery(Enum):
    """What another attempt can do about a failure."""

    TRANSIENT = "transient"
    """It may succeed: it costs a retry, after the template's back-off."""
    RATE_LIMITED = "rate-limited"
    """The API said when to come back: an attempt then costs no retry."""
    HELD_BACK = "held back"
    """Nothing was sent, or the host fails everybody: it costs neither a retry nor a wait, only time."""
    PERMANENT = "permanent"
    """It cannot succeed: a person must act."""


class TaskError(Exception):
    """Something is wrong with a task or its call: the one tree of errors that decide about a job.

    The name of the class is `error.type` of error expressions, `code` is `error.code`. The message says what
    is wrong, without any secret.
    """

    code: str = ""
    recovery: Recovery = Recovery.PERMANENT
    wait: timedelta | None = None
    """How long the API asked to wait at least."""
    is_wait_counted: bool = True
    """Held back, the job has only so much time for it."""
    down_since: datetime | None = None
    """Since when the host has failed everybody, where that is why."""

    recorded: Mapping[str, Any] | None = None
    """The whole error object of expressions, where it was recorded elsewhere."""

    @property
    def kind(self) -> str:
        """The `error.type` of error expressions."""
        return type(self).__name__

    def response_shown(self) -> Mapping[str, Any]:
        """Return the response as error expressions see it; empty where there was no response."""
        return {}


@dataclass(frozen=True, slots=True)
class Pause:
    """How polling slows down while most jobs are given back at once."""

    seconds: float
    """To wait before the next poll."""
    jobs: int
    """To fetch with it at most; 0: there is none, but another pause where it is still needed."""


class Slot(Protocol):
    """Where a job is worked on, as the engine's side knows it."""

    def seconds_left(self) -> float:
        """Return for how many seconds the job is surely this worker's; 0: another may have it."""
        ...

    def park(self) -> None:
        """Leave the slot to other jobs: this one only waits from now on, its lease is kept all the same."""
        ...


class OwnSlot:
    """A slot that no engine has given: nobody else wants it, nobody else has the job."""

    def seconds_left(self) -> float:
        """Return for ever."""
        return math.inf

    def park(self) -> None:
        """Do nothing."""


OWN_SLOT: Final[Slot] = OwnSlot()


class Worker(Protocol):
    """What the engine's side needs of the connector: decisions, whatever happens to a job."""

    async def work(self, job: Job, slot: Slot = OWN_SLOT) -> Outcome:
        """Return what becomes of a job; raises nothing."""

    def stopping(self) -> None:
        """Note that no more jobs come: what waits for them need not wait any more."""

    async def settled(self, job: Job, outcome: Outcome | None) -> None:
        """Note that the engine has acknowledged a job's outcome; None: it has the job no more."""

    def time_needed(self, job: Job) -> timedelta:
        """Return how long the work on a job may take."""

    def lease_asked(self, job: Job) -> timedelta:
        """Return how long the engine shall leave a job to its worker; 0: as long as is usual here."""

    def unreadable(self, job: Job, problem: str) -> Outcome:
        """Return what becomes of a job whose data cannot be decoded."""

    def interrupted(self, job: Job, *, is_begun: bool) -> Outcome:
        """Return what becomes of a job that the worker gives back because it stops."""

    def lease_too_short(self, job: Job, lease: timedelta, wanted: timedelta) -> Outcome:
        """Return what becomes of a job that may take longer than a lease that cannot be prolonged."""

    def failed_unexpectedly(self, job: Job, error: BaseException, outcome: Outcome | None = None) -> Outcome:
        """Return what becomes of a job after an error that nobody expected, maybe in reporting an outcome."""

    def refused(self, job: Job, outcome: Outcome, reason: str) -> Outcome | None:
        """Return what becomes of a job whose outcome the engine will never take.

        None: nothing can be sent.
        """
