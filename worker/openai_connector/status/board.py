"""What the worker is doing, learned from its events: jobs in work, what failed last, hosts that are down."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from openai_connector import wording
from openai_connector.job import Completed, Failed, Job
from openai_connector.observe import events as e
from openai_connector.status.history import COST, History

FAILURES: Final = 20
"""Failures that are remembered."""
KINDS: Final = ("response", "batch")
MOST_WAITING: Final = 10_000
SEEN_LATELY: Final = 3600.0
"""Seconds after which a waiting call that came back to another worker is forgotten here."""


@dataclass(slots=True)
class Working:
    """A job that is worked on."""

    job: Job
    since: float
    state: str = "read"
    """`read`: its inputs are read; `asks`: the API is asked; `maps`: the answer is mapped and reported."""
    model: str = ""
    problem: e.CallFailed | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that went back to the engine while its answer is made by the API."""

    job: Job
    """Without its variables and headers."""
    id: str
    bought: float
    seen: float
    kind: str
    """What the id is one of: `response`, `batch`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that failed; its message is in the engine, for it may hold anything."""

    at: datetime
    job: Job
    """Without its variables and headers."""
    kind: str
    code: str
    is_incident: bool
    advice: str


class Board:
    """Listens to the worker's events.

    Args:
        clock: seconds that never go back.
        now: the time of day.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._now = now
        self.begun = now()
        self.history = History(clock)
        self.working: dict[int, Working] = {}
        self._waiting: dict[int, Waiting] = {}
        self.failures: deque[Failure] = deque(maxlen=FAILURES)
        self._down: dict[str, float] = {}
        self.budgets: tuple[e.BudgetState, ...] = ()
        self.store_problem = ""
        """Why the store does not work."""
        self.engine_problem = ""
        """Why the engine gives no jobs."""
        self.reused = self.lost = self.unkept = 0
        self._heard: Mapping[type, Callable[[Any], object]] = self._on_jobs() | self._on_others()

    def __call__(self, event: e.Event) -> None:
        """Learn from an event."""
        heard = self._heard.get(type(event))
        if heard is not None:
            heard(event)

    def at(self) -> datetime:
        """Return what time it is."""
        return self._now()

    def age(self, working: Working) -> float:
        """Return for how many seconds a job has been worked on."""
        return self._clock() - working.since

    def waiting(self) -> list[tuple[Waiting, float]]:
        """Return the calls that wait, and for how many seconds: those that this worker has seen lately."""
        now = self._clock()
        self._forget(now - SEEN_LATELY)
        return [(one, now - one.bought) for one in self._waiting.values()]

    def waiting_by_kind(self) -> dict[str, int]:
        """Count the calls that wait, by what is made for them."""
        kinds = Counter(one.kind for one, _ in self.waiting())
        return {kind: kinds[kind] for kind in KINDS}

    def down(self) -> dict[str, float]:
        """Return the hosts that are down, and for how many seconds."""
        now = self._clock()
        return {host: now - since for host, since in self._down.items()}

    def _on_jobs(self) -> dict[type, Callable[[Any], object]]:
        return {
            e.JobStarted: self._started,
            e.CallSent: self._sent,
            e.AnswerReceived: self._answered,
            e.CallFailed: self._call_failed,
            e.HeldBack: lambda _: self.history.add("heldBack"),
            e.JobEnded: self._ended,
            e.JobGone: self._gone,
            e.AnswerAwaited: self._awaited,
            e.AnswerFetched: self._fetched,
            e.CallAbandoned: lambda event: self._waiting.pop(event.job.key, None),
        }

    def _on_others(self) -> dict[type, Callable[[Any], object]]:
        return {
            e.HostLost: lambda event: self._down.setdefault(event.host, self._clock()),
            e.HostFound: lambda event: self._down.pop(event.host, None),
            e.BudgetsRead: lambda event: setattr(self, "budgets", event.budgets),
            e.EngineLost: self._engine_lost,
            e.EngineFound: lambda _: setattr(self, "engine_problem", ""),
            e.StoreLost: lambda event: setattr(self, "store_problem", event.problem),
            e.StoreFound: lambda _: setattr(self, "store_problem", ""),
            e.AnswerReused: lambda _: self._count("reused"),
            e.CallLost: lambda _: self._count("lost"),
            e.AnswerUnkept: lambda _: self._count("unkept"),
        }

    def _count(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def _started(self, event: e.JobStarted) -> None:
        self.working[event.job.key] = Working(event.job, self._clock())

    def _sent(self, event: e.CallSent) -> None:
        self.history.add("calls")
        working = self.working.get(event.job.key)
        if working is not None:
            working.state, working.model = "asks", event.call.model

    def _bought(self, event: e.AnswerReceived | e.AnswerFetched) -> None:
        if event.tokens_in:
            self.history.add("tokensIn", event.tokens_in)
        if event.tokens_out:
            self.history.add("tokensOut", event.tokens_out)
        if event.spent.amount is not None:
            self.history.add(f"{COST}{event.spent.currency}", float(event.spent.amount))
        elif event.spent.reason:
            self.history.add("unpriced")

    def _fetched(self, event: e.AnswerFetched) -> None:
        self._bought(event)
        self._waiting.pop(event.job.key, None)

    def _answered(self, event: e.AnswerReceived) -> None:
        self._bought(event)
        working = self.working.get(event.job.key)
        if working is not None:
            working.state = "maps"

    def _call_failed(self, event: e.CallFailed) -> None:
        working = self.working.get(event.job.key)
        if working is not None:
            working.problem = event

    def _ended(self, event: e.JobEnded) -> None:
        job, working = event.job, self.working.pop(event.job.key, None)
        problem = None if working is None else working.problem
        if not isinstance(event.outcome, Failed) or not event.outcome.retries:
            self._waiting.pop(job.key, None)  # an incident's call is no more than kept
        if event.delivery != e.DONE:
            return  # who has the job next tells what becomes of it
        match event.outcome:
            case Completed():
                self.history.add("completed")
            case Failed(retries=0):
                self.history.add("incidents")
                self._failed(event.job, problem, is_incident=True)
            case Failed(retries=retries) if problem is None and retries >= job.retries:
                pass  # given back: nothing is wrong with it
            case Failed():
                self.history.add("failed")
                self._failed(event.job, problem, is_incident=False)
            case _:
                self.history.add("bpmnErrors")

    def _failed(self, job: Job, problem: e.CallFailed | None, *, is_incident: bool) -> None:
        kind, code = ("", "") if problem is None else (problem.kind, problem.code)
        advice = (problem.advice if problem is not None else "") or wording.STATUS_SEE_INCIDENT()
        self.failures.appendleft(Failure(self._now(), _bare(job), kind, code, is_incident, advice))

    def _gone(self, event: e.JobGone) -> None:
        self.working.pop(event.job.key, None)
        self._waiting.pop(event.job.key, None)

    def _awaited(self, event: e.AnswerAwaited) -> None:
        now, key = self._clock(), event.job.key
        self._waiting.pop(key, None)
        self._waiting[key] = Waiting(_bare(event.job), event.id, now - event.seconds, now, event.kind)
        self._forget(now - SEEN_LATELY)

    def _forget(self, before: float) -> None:
        """Forget calls that were seen before, or are too many; they stand in the order of that."""
        while self._waiting:
            key, oldest = next(iter(self._waiting.items()))
            if len(self._waiting) <= MOST_WAITING and oldest.seen >= before:
                return
            del self._waiting[key]

    def _engine_lost(self, event: e.EngineLost) -> None:
        self.engine_problem = f"{event.kind}. {event.advice}"


def _bare(job: Job) -> Job:
    """Return a job without what it holds: thousands are remembered for long."""
    return replace(job, variables={}, headers={})
