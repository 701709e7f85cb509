"""What happens, as data: listeners make logs, metrics and the status of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from openai_connector.job import Job, Outcome
from openai_connector.redaction import Redaction


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of an API, as far as it may be shown."""

    operation: str = ""
    """By OpenTelemetry's names: `chat`, `embeddings`, ..."""
    model: str = ""
    host: str = ""


NO_CALL: Final = Call()


@dataclass(frozen=True, slots=True)
class Spent:
    """What an answer has cost."""

    amount: Decimal | None = None
    """None: nothing, or it is not known."""
    currency: str = ""
    tier: str = ""
    """How it was served: `standard`, `batch`, ..."""
    reason: str = ""
    """Why that is not known, as a sentence; empty where nothing was bought, too."""


NOTHING: Final = Spent()


@dataclass(frozen=True, slots=True)
class Content:
    """What was asked or answered: for listeners that are told to show it, without the secrets in it."""

    body: Any = field(default=None, repr=False)
    """JSON, as bytes or read."""
    redaction: Redaction = field(default_factory=Redaction, repr=False, compare=False)


NO_CONTENT: Final = Content()


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The work on a job has begun."""

    job: Job


@dataclass(frozen=True, slots=True)
class CallSent:
    """A job's request goes to the API: from here on it may be paid for."""

    job: Job
    call: Call = NO_CALL
    content: Content = field(default=NO_CONTENT, compare=False)
    added: dict[str, str] = field(default_factory=dict, compare=False)
    """Headers: what a listener puts here is sent with the request."""


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The API answered, with whatever status."""

    job: Job
    status: int
    seconds: float
    """Since the request was sent."""
    call: Call = NO_CALL
    tokens_in: int | None = None
    tokens_out: int | None = None
    """As the answer tells them."""
    spent: Spent = NOTHING
    is_pending: bool = False
    """The answer itself is still being made, and fetched later."""
    content: Content = field(default=NO_CONTENT, compare=False)


@dataclass(frozen=True, slots=True)
class CallUnanswered:
    """A call has ended without an answer: no connection, no answer in time, no proper HTTP."""

    job: Job
    kind: str
    """The `error.type` of error expressions."""
    seconds: float
    """Since the request was sent."""
    call: Call = NO_CALL


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
    advice: str = ""
    """What to do about it, without any value of the job."""


@dataclass(frozen=True, slots=True)
class CallCut:
    """The call was cut off, because the worker stops or the job is gone: it may have been paid for."""

    job: Job
    seconds: float
    """Since the request was sent."""
    call: Call = NO_CALL


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Nothing was sent for a job: it goes back for a while."""

    job: Job
    reason: str
    """Why, as a sentence."""
    kind: str = ""
    """Why, in a word: `limit`, `host`, `share`, `payload`, `midCall` or `store`."""


@dataclass(frozen=True, slots=True)
class BudgetExceeded:
    """A call was not made: it does not fit into a budget."""

    job: Job
    budget: str
    until: str | None
    """When the budget's period is over, in UTC; None: the call does not fit then either."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its present period."""

    name: str
    per: str
    """`day` or `month`, in UTC."""
    amount: Decimal
    spent: Decimal
    """And reserved."""
    currency: str
    until: str
    """When the period is over."""


@dataclass(frozen=True, slots=True)
class BudgetsRead:
    """It was looked at how much of each budget is spent."""

    budgets: tuple[BudgetState, ...]


@dataclass(frozen=True, slots=True)
class AnswerAwaited:
    """A job goes back while its answer is made elsewhere."""

    job: Job
    id: str
    seconds: float
    """Since it was bought."""
    kind: str = ""
    """What the id is one of: `response`, `batch`."""


@dataclass(frozen=True, slots=True)
class AnswerFetched:
    """An answer that was made elsewhere is here."""

    job: Job
    id: str
    seconds: float
    """Since it was bought."""
    call: Call = NO_CALL
    tokens_in: int | None = None
    tokens_out: int | None = None
    spent: Spent = NOTHING
    status: int = 200
    is_again: bool = False
    """It was fetched before, and could not be kept: it is bought once all the same."""
    kind: str = ""
    """What the id is one of: `response`, `batch`."""
    content: Content = field(default=NO_CONTENT, compare=False)


@dataclass(frozen=True, slots=True)
class CallAbandoned:
    """Nobody waits for an answer any more: its making was cancelled. It may have been paid for."""

    job: Job
    id: str


@dataclass(frozen=True, slots=True)
class NotRemoved:
    """What OpenAI keeps of a call could not be deleted there."""

    job: Job
    id: str
    reason: str
    is_tried_again: bool


@dataclass(frozen=True, slots=True)
class BatchSubmitted:
    """A batch of requests was submitted: from here on it may be paid for."""

    id: str
    jobs: int
    size: int
    """Bytes of the requests."""


@dataclass(frozen=True, slots=True)
class BatchFound:
    """Jobs were gathered whose lines stand in a batch that was submitted before: nothing is sent for them."""

    id: str
    jobs: int


@dataclass(frozen=True, slots=True)
class BatchOver:
    """No job waits for a batch any more."""

    id: str
    is_cancelled: bool
    """It was not run to its end: what was done by then may have been paid for."""
    trouble: str = ""
    """Why its files could not be deleted; they expire by themselves."""


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
class StoreLost:
    """The store does not work; told once for each kind of trouble until it works again."""

    problem: str
    is_required: bool
    """No jobs are taken meanwhile."""


@dataclass(frozen=True, slots=True)
class StoreFound:
    """The store works."""

    seconds: float
    """For how long it did not; 0 at the start."""
    unkept: int
    """Answers that came meanwhile and are not stored."""


@dataclass(frozen=True, slots=True)
class StoreFull:
    """The store takes no more answers; told once until there is room."""

    problem: str
    is_required: bool
    """No jobs are taken meanwhile."""


@dataclass(frozen=True, slots=True)
class StoreRoom:
    """A store that was full takes answers again."""

    unkept: int
    """Answers that came meanwhile and are not stored."""


@dataclass(frozen=True, slots=True)
class StoreDamaged:
    """The store's file was damaged, and a new one is begun: answers in the old one may be lost."""

    file: str
    """The name that it has now."""


@dataclass(frozen=True, slots=True)
class EntryUnreadable:
    """What is stored of a job cannot be read: it is paid for again."""

    job_key: int
    problem: str
    count: int
    """How many such entries there were in a row: 1 for the first."""


@dataclass(frozen=True, slots=True)
class StorePurged:
    """Answers that were never acknowledged were too old and are removed."""

    count: int


@dataclass(frozen=True, slots=True)
class AnswerUnkept:
    """An answer that is paid for could not be stored: it is lost if this worker is killed now."""

    job: Job


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


DONE: Final = "done"
"""Of a delivery that the engine has acknowledged."""


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The engine was told what became of a job, or could not be told."""

    job: Job
    outcome: Outcome
    delivery: str
    """What became of the command: done, gone, failed already, undelivered, lease lost."""
    seconds: float
    """Since the job came in."""


@dataclass(frozen=True, slots=True)
class JobGone:
    """The engine has the job no more, while it was worked on: the work was stopped, nothing is reported."""

    job: Job
    seconds: float
    """Since the job came in."""


@dataclass(frozen=True, slots=True)
class Polled:
    """The engine has answered a poll."""

    job_type: str
    jobs: int


@dataclass(frozen=True, slots=True)
class PollFailed:
    """The engine has not answered a poll, or refused it."""

    job_type: str


@dataclass(frozen=True, slots=True)
class LeaseAsked:
    """The engine was asked to prolong the lease of a job."""

    delivery: str
    """What became of that, as of a report."""


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
    | CallUnanswered
    | AnswerUnexpected
    | AnswerKept
    | AnswerReused
    | CallLost
    | CallFailed
    | HeldBack
    | BudgetExceeded
    | BudgetsRead
    | AnswerAwaited
    | AnswerFetched
    | CallAbandoned
    | NotRemoved
    | BatchSubmitted
    | BatchFound
    | BatchOver
    | HostLost
    | HostFound
    | StoreLost
    | StoreFound
    | StoreFull
    | StoreRoom
    | StoreDamaged
    | EntryUnreadable
    | StorePurged
    | AnswerUnkept
    | CallCut
    | NullFound
    | JobEnded
    | JobGone
    | Polled
    | PollFailed
    | LeaseAsked
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
