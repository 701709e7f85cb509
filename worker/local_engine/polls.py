"""Workers that wait for jobs: long polls and streams get a job in the turn that makes it available."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from pyzeebe.proto import gateway_pb2 as pb

from local_engine.engine import Engine
from local_engine.runner import Runner
from local_engine.state import Job

TENANT: Final = "<default>"
LONG_POLL: Final = 10.0
"""Seconds that a poll waits if the request sets no time."""
UNSENT: Final = 8
"""Jobs that a stream may hold before its worker has taken them."""


class _Poll:
    """One ActivateJobs call that waits."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.jobs: list[Any] = []
        self.is_served = asyncio.Event()


class _Stream:
    """One StreamActivatedJobs call."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.held = 0  # given to it, and not yet taken by its worker
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    def take(self, job: Any) -> None:
        """Hold a job until the worker takes it."""
        self.held += 1
        self.queue.put_nowait(job)


class Polls:
    """Gives jobs to the workers that wait: the oldest request first, streams before polls."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._polls: dict[str, deque[_Poll]] = {}
        self._streams: dict[str, deque[_Stream]] = {}
        self._available: dict[str, None] = {}  # types to be looked at in this turn
        runner.set_up(self._listen)
        runner.serve(self._serve)

    @property
    def types(self) -> frozenset[str]:
        """The job types that somebody waits for."""
        return frozenset((*self._polls, *self._streams))

    def _listen(self, engine: Engine) -> None:
        engine.jobs.on_available = self._note
        self._available.update(dict.fromkeys((*self._polls, *self._streams)))

    def _note(self, type: str) -> None:
        if type in self._polls or type in self._streams:
            self._available[type] = None

    def _serve(self, engine: Engine) -> None:
        available, self._available = self._available, {}
        for type in available:
            self._serve_streams(engine, type)
            self._serve_polls(engine, type)

    def _serve_streams(self, engine: Engine, type: str) -> None:
        streams = self._streams.get(type, deque())
        given: Counter[_Stream] = Counter()  # in this turn, which may still fail
        while engine.jobs.available(type):
            stream = next((each for each in streams if each.held + given[each] < UNSENT), None)
            if stream is None:
                return
            streams.remove(stream)
            streams.append(stream)  # the next job goes to the next one
            for job in _activate(engine, stream.request, 1):
                given[stream] += 1
                self._runner.after_commit(partial(stream.take, job))

    def _serve_polls(self, engine: Engine, type: str) -> None:
        for poll in self._polls.get(type, ()):
            jobs = _activate(engine, poll.request, poll.request.maxJobsToActivate)
            if not jobs:
                return
            self._runner.after_commit(partial(self._hand_over, poll, jobs))

    def _hand_over(self, poll: _Poll, jobs: list[Any]) -> None:
        # Only now: a turn that fails leaves its polls in the queue, and the next turn serves them.
        self._leave(poll)
        poll.jobs = jobs
        poll.is_served.set()

    async def poll(self, request: Any) -> list[Any]:
        """Return jobs for a poll: wait for the first one as long as the request allows, then return none."""
        if request.type not in self._polls:
            jobs = await self._poll_once(request)
            if jobs or request.requestTimeout < 0:
                return jobs
        if request.requestTimeout < 0:
            return []
        poll = _Poll(request)
        self._polls.setdefault(request.type, deque()).append(poll)
        self._available[request.type] = None
        self._runner.begin_turn()
        try:
            async with asyncio.timeout(request.requestTimeout / 1000 or LONG_POLL):
                await poll.is_served.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self.give_back(poll.jobs)
            raise
        finally:
            self._leave(poll)
        return poll.jobs

    async def _poll_once(self, request: Any) -> list[Any]:
        jobs: list[Any] = []

        def take(engine: Engine) -> None:
            if engine.jobs.available(request.type):
                jobs.extend(_activate(engine, request, request.maxJobsToActivate))

        try:
            await self._runner.execute(take)
        except asyncio.CancelledError:
            self.give_back(jobs)  # leased, though its caller has gone before the commit
            raise
        return jobs

    def _leave(self, poll: _Poll) -> None:
        polls = self._polls.get(poll.request.type)
        if polls is not None and poll in polls:
            polls.remove(poll)
            if not polls:
                del self._polls[poll.request.type]

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        """Yield jobs as they become available, as fast as the worker takes them."""
        stream = _Stream(request)
        self._streams.setdefault(request.type, deque()).append(stream)
        self._look_at(request.type)
        job = None
        try:
            while True:
                job = await stream.queue.get()
                yield job
                job = None
                stream.held -= 1
                self._look_at(request.type)
        finally:
            self._streams[request.type].remove(stream)
            if not self._streams[request.type]:
                del self._streams[request.type]
            self.give_back([*([job] if job is not None else []), *_drained(stream.queue)])

    def _look_at(self, type: str) -> None:
        if self._runner.engine.jobs.available(type):
            self._available[type] = None
            self._runner.begin_turn()

    def give_back(self, jobs: list[Any]) -> None:
        """Offer jobs again that did not reach their worker."""
        if jobs:
            self._runner.begin_turn()
            for job in jobs:
                self._runner.engine.jobs.give_back(job.key, job.deadline)


def _activate(engine: Engine, request: Any, maximum: int) -> list[Any]:
    taken = engine.jobs.activate(
        request.type, request.worker, request.timeout, maximum, request.fetchVariable
    )
    return [_message(engine, job, variables) for job, variables in taken]


def _message(engine: Engine, job: Job, variables: str) -> Any:
    process = engine.processes[job.process]
    return pb.ActivatedJob(
        key=job.key,
        type=job.type,
        processInstanceKey=job.root,
        bpmnProcessId=process.id,
        processDefinitionVersion=process.version,
        processDefinitionKey=process.key,
        elementId=job.element,
        elementInstanceKey=job.instance,
        customHeaders=job.headers,
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline,
        variables=variables,
        tenantId=TENANT,
    )


def _drained(queue: asyncio.Queue[Any]) -> list[Any]:
    left = []
    while not queue.empty():
        left.append(queue.get_nowait())
    return left
