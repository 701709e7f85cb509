"""Whole workers without processes, in time that passes as fast as the machine computes.

The connector is the real one; engine and APIs are made of a few lines.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, TypeVar

from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed, Job, Recovery
from openai_connector.limits import Gate, Shares, exchange
from openai_connector.openai_api import ApiConnectionError, ApiResponse
from openai_connector.outcome.retry_policy import RetryPolicy
from tests.make import ANSWER, job, tasks

T = TypeVar("T")

SHARED_EVERY = 0.5
"""Seconds between two exchanges of a worker, as in `service`."""


class _InstantSelector(selectors.SelectSelector):
    """Waits for nothing: the loop's clock is put forward in place of it."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass at once."""
        self.passed += timeout or 0.0
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as soon as nothing is left to do."""

    def __init__(self) -> None:
        self._instant = _InstantSelector()
        super().__init__(self._instant)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._instant.passed


def simulate(story: Coroutine[Any, Any, T]) -> T:
    """Run a story in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def clock() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


class LocalState:
    """What a store shares, in this process."""

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, Any]] = {}
        self.writes = 0

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return a value."""
        return self.values.get(name)

    async def update(
        self, name: str, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Change a value."""
        self.writes += 1
        self.values[name] = json.loads(json.dumps(change(self.values.get(name))))
        return self.values[name]


class Engine:
    """Offers jobs, takes their outcomes."""

    def __init__(self, jobs: int, *, make: Callable[[int], Job] = lambda key: job(key=key)) -> None:
        self._order = count()
        self._waiting: list[tuple[float, int, Job]] = []
        self.jobs = jobs
        self.done: dict[int, float] = {}
        self.incidents: list[Failed] = []
        self.retries_lost = 0
        self.activations = 0
        for key in range(1, jobs + 1):
            self.offer(make(key))

    def offer(self, job: Job, after: float = 0.0) -> None:
        """Have a job wait."""
        heapq.heappush(self._waiting, (after, next(self._order), job))

    def activate(self, most: int) -> list[Job]:
        """Hand out jobs."""
        got: list[Job] = []
        while self._waiting and len(got) < most and self._waiting[0][0] <= clock():
            got.append(heapq.heappop(self._waiting)[2])
        self.activations += len(got)
        return got

    def take(self, job: Job, outcome: object) -> None:
        """Take what became of a job."""
        match outcome:
            case Completed():
                self.done[job.key] = clock()
            case Failed(retries=0):
                self.incidents.append(outcome)
            case Failed():
                self.retries_lost += job.retries - outcome.retries
                variables = {**job.variables, **dict(outcome.variables)}
                after = clock() + (outcome.backoff or timedelta(0)).total_seconds()
                self.offer(replace(job, retries=outcome.retries, variables=variables), after)
            case _:
                raise AssertionError(outcome)

    @property
    def is_over(self) -> bool:
        """Whether every job has ended."""
        return len(self.done) + len(self.incidents) >= self.jobs


@dataclass
class Api:
    """Answers after a while; what it lets through is decided by a subclass."""

    latency: tuple[float, float] = (0.5, 1.5)
    chance: Random = field(default_factory=lambda: Random(1))
    statuses: Counter[str] = field(default_factory=Counter)
    bought: list[float] = field(default_factory=list)
    """When calls were let through."""
    under_way: int = 0
    most: int = 0

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Answer."""
        refusal, more = self.judge(clock(), json.loads(body or b"{}"))
        await asyncio.sleep(0.02)
        if refusal is not None:
            self.statuses[str(refusal)] += 1
            return ApiResponse(refusal, dict(more), {"error": {"message": "no"}})
        self.bought.append(clock())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.chance.uniform(*self.latency))
        finally:
            self.under_way -= 1
        self.statuses["200"] += 1
        return ApiResponse(200, dict(more), ANSWER)

    def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
        """Return the status of a refusal, or None, and the headers."""
        return None, {}

    @property
    def share_of_429(self) -> float:
        """Return the refusals as a part of all calls."""
        return self.statuses["429"] / max(sum(self.statuses.values()), 1)

    def used(self, begin: float, end: float) -> int:
        """Return how many calls were let through in a time."""
        return sum(begin <= at < end for at in self.bought)


@dataclass
class DownApi(Api):
    """An API that refuses connections for a while; calls that are under way then break."""

    down: tuple[float, float] = (5.0, 605.0)

    async def send(self, method: str, url: str, **more: Any) -> ApiResponse:
        """Answer, or fail."""
        begin, end = self.down
        if begin <= clock() < end:
            await asyncio.sleep(0.01)
            raise connection_failed()
        call = asyncio.ensure_future(super().send(method, url, **more))
        done, _ = await asyncio.wait([call], timeout=begin - clock() if clock() < begin else None)
        if not done:
            call.cancel()
            raise connection_failed()
        return call.result()


def connection_failed() -> ApiConnectionError:
    """Make the error of a host that is not there."""
    return ApiConnectionError(
        "No connection to the API", code="408", recovery=Recovery.TRANSIENT, reason="no_connection"
    )


@dataclass
class Limited(Api):
    """So many calls a minute, counted in one of the ways that APIs have; hints as told."""

    per_minute: int = 60
    kind: str = "bucket"
    """`bucket` fills up all the time, `window` once a minute, `sliding` looks back a minute."""
    hints: frozenset[str] = frozenset({"headers", "retry-after"})
    _passed: deque[float] = field(default_factory=deque)
    _left: float = -1.0
    _at: float = 0.0

    def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
        """Let through what the limit allows."""
        left, whole_in, next_in = self._state(now)
        is_refused = left < 1
        if not is_refused:
            self._count(now)
            left, whole_in, next_in = self._state(now)
        headers: dict[str, str] = {}
        if "headers" in self.hints:
            headers = {
                "x-ratelimit-limit-requests": str(self.per_minute),
                "x-ratelimit-remaining-requests": str(int(left)),
                "x-ratelimit-reset-requests": f"{whole_in:.3f}s",
            }
        if is_refused and "retry-after" in self.hints:
            headers["Retry-After"] = str(int(next_in) + 1)
        return 429 if is_refused else None, headers

    def _state(self, now: float) -> tuple[float, float, float]:
        """Return what is left, seconds until all is, seconds until one is."""
        rate = self.per_minute / 60
        match self.kind:
            case "bucket":
                left = self.per_minute if self._left < 0 else self._left + (now - self._at) * rate
                left = min(left, self.per_minute)
                return left, (self.per_minute - left) / rate, max(0.0, (1 - left) / rate)
            case "window":
                while self._passed and self._passed[0] // 60 < now // 60:
                    self._passed.popleft()
                return self.per_minute - len(self._passed), 60 - now % 60, 60 - now % 60
            case _:
                while self._passed and self._passed[0] <= now - 60:
                    self._passed.popleft()
                next_in = self._passed[0] + 60 - now if self._passed else 0.0
                return self.per_minute - len(self._passed), next_in, next_in

    def _count(self, now: float) -> None:
        if self.kind == "bucket":
            self._left, self._at = self._state(now)[0] - 1, now
        else:
            self._passed.append(now)


class Worker:
    """One worker process: fetches for free slots, as the poller does."""

    def __init__(
        self,
        engine: Engine,
        api: Any,
        *,
        seed: int = 1,
        slots: int = 100,
        gate: Gate | None = None,
        state: LocalState | None = None,
        **policy: Any,
    ) -> None:
        self.engine = engine
        self.slots = slots
        self.running = 0
        self.state = state
        self._offset = Random(seed).uniform(0, SHARED_EVERY)
        self.gate = gate or Gate(
            shares=Shares(slots=slots),
            clock=asyncio.get_running_loop().time,
            chance=Random(seed),
        )
        self.connector = Connector(api, tasks(), retry_policy=RetryPolicy(**policy), gate=self.gate)

    async def run(self, until: float = float("inf")) -> None:
        """Work until all jobs have ended."""
        working: set[asyncio.Task[None]] = set()
        if self.state is not None:
            working.add(asyncio.create_task(self._share(self.state)))
        most = self.slots
        while not self.engine.is_over and clock() < until:
            jobs = self.engine.activate(min(self.slots - self.running, most))
            for activated in jobs:
                task = asyncio.create_task(self._work(activated))
                working.add(task)
                task.add_done_callback(working.discard)
            await asyncio.sleep(0.02 if jobs else 0.1)
            most = self.slots
            if (pause := self.connector.pause_hint()) is not None:
                await asyncio.sleep(pause.seconds)
                most = pause.jobs
        for task in working:
            task.cancel()

    async def _share(self, state: LocalState) -> None:
        await asyncio.sleep(self._offset)
        while True:
            await exchange(self.gate, state, lambda: 1.79e9 + clock())
            await asyncio.sleep(SHARED_EVERY)

    async def _work(self, activated: Job) -> None:
        self.running += 1
        try:
            await self._done(activated)
        finally:
            self.running -= 1

    async def _done(self, activated: Job) -> None:
        self.engine.take(activated, await self.connector.work(activated))
