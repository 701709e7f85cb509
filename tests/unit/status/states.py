"""States of a worker, as the endpoint is told of them: idle, busy, in trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from openai_connector.job import Completed, Failed
from openai_connector.observe.events import (
    AnswerAwaited,
    AnswerReceived,
    AnswerReused,
    BudgetsRead,
    BudgetState,
    Call,
    CallFailed,
    CallSent,
    EngineLost,
    Event,
    HeldBack,
    HostLost,
    JobEnded,
    JobStarted,
    Spent,
    StoreLost,
)
from openai_connector.observe.metrics import Metrics
from openai_connector.status import Board, Endpoint, HeldKey, Parts
from tests.make import bare_job, job

ADVICE = "Check OpenAI API key, and in the API's settings what the key may do"


@dataclass
class Fetching:
    """A poller, as far as it is seen."""

    job_type: str = "openai-connector:1"
    running: int = 0
    parked: int = 0
    max_jobs: int = 100
    connected: bool = True
    stopping: bool = False

    @property
    def in_slots(self) -> int:
        """Those that work."""
        return self.running - self.parked


@dataclass
class Stored:
    """A store, as far as it is seen."""

    is_healthy: bool = True
    is_full: bool = False


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A worker with its endpoint."""

    def __init__(
        self,
        fetching: Sequence[Fetching] = (Fetching(),),
        store: Stored | None = None,
        *,
        is_store_required: bool = False,
        held: Callable[[], Sequence[HeldKey]] = tuple,
    ) -> None:
        self.clock = Clock()
        begun = datetime(2026, 11, 26, 8, tzinfo=UTC)
        self.board = Board(self.clock, lambda: begun + timedelta(seconds=self.clock.now - 1_000_000))
        self.metrics = Metrics()
        self.parts = Parts(fetching, store, is_store_required=is_store_required, held=held)
        self.endpoint = Endpoint(self.metrics, self.board, self.parts)

    def tell(self, *events: Event) -> None:
        """Let the listeners hear events."""
        for event in events:
            self.board(event)
            self.metrics(event)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and content at an address."""
        reply = self.endpoint.answer("GET", path)
        return reply.status, reply.body.decode()


def idle() -> World:
    """Return a worker that has just begun."""
    return World()


def busy(jobs: int = 37) -> World:
    """Return a worker after an hour and a half of work, with jobs in work."""
    world = World([Fetching(running=jobs)], Stored())
    models = ("gpt-4.1-mini", "gpt-5.2", "o5-mini")
    for minute in range(90):
        for number in range(20 + minute * 7 % 23):
            done = job(key=minute * 1000 + number)
            call = Call("chat", models[number % 3], "api.openai.com")
            world.tell(JobStarted(done), CallSent(done, call))
            spent = Spent(Decimal("0.0123"), "USD", "standard") if number % 5 else Spent(reason="No price")
            world.tell(AnswerReceived(done, 200, 1.3, call, 300 + number, 500, spent))
            outcome = Failed("later", 2) if number % 17 == 16 else Completed({})
            if isinstance(outcome, Failed):
                world.tell(CallFailed(done, "ApiStatusError", "500", "Nothing: it is tried again"))
            world.tell(JobEnded(done, outcome, "done", 1.4))
        world.clock.now += 60
    until = "2026-12-01T00:00:00Z"
    world.tell(
        BudgetsRead((BudgetState("customer mail", "month", Decimal(50), Decimal("31.42"), "USD", until),))
    )
    for number in range(jobs):
        current = replace(
            job(key=2251799813685249 + number), bpmn_process_id="customer-mail", element_id="Sort"
        )
        world.tell(JobStarted(current))
        if number % 5:
            world.tell(CallSent(current, Call("chat", models[number % 3], "api.openai.com")))
        world.clock.now += 0.3
    world.tell(AnswerReused(bare_job()))
    return world


def waiting() -> World:
    """Return a worker whose jobs wait for answers that the API makes meanwhile."""
    world = World([Fetching(running=0)], Stored())
    for number in range(7 + 60):
        one = replace(job(key=2251799813685300 + number), bpmn_process_id="month-end", element_id="Summarize")
        id_, kind = f"resp_{number:08d}", "response"
        if number >= 7:
            id_, kind = f"batch_68f1c2d3e4b58190a1b2c3d4e5f6a7b{number % 2}", "batch"
        world.tell(JobStarted(one), AnswerAwaited(one, id_, 600.0 * number, kind))
        world.tell(JobEnded(one, Failed("waits", 3), "done", 0.3))
    return world


def trouble() -> World:
    """Return a worker with a lost engine, a lost store, a host that is down and incidents."""
    held = [HeldKey("api.openai.com", "gpt-5.2", 12.4)]
    world = World([Fetching(connected=False)], Stored(is_healthy=False), held=lambda: held)
    world.tell(
        EngineLost(
            "UNAVAILABLE", "failed to connect to all addresses", "Check that it runs, and ZEEBE_ADDRESS"
        ),
        StoreLost("the disk is full (No space left on device). Free some", False),
        HostLost("llm.example.com"),
    )
    for number, (code, advice) in enumerate(
        (("401", ADVICE), ("CONNECTION_FAILED", "Check the network"), ("INVALID_INPUTS", ""))
    ):
        failed = replace(
            job(key=2251799813685249 + number), bpmn_process_id="invoice", element_id="Read_invoice"
        )
        world.tell(JobStarted(failed), CallFailed(failed, "ApiStatusError", code, advice))
        world.tell(JobEnded(failed, Failed("secret words", 0), "done", 0.2))
        world.tell(HeldBack(failed, "Wait", "host"))
    world.clock.now += 95
    return world
