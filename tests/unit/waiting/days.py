"""The batches of the truthful API without a wire, in virtual time, and workers who have its jobs."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openai_connector.connector import Connector
from openai_connector.job import OWN_SLOT, Completed, Failed, Job, Outcome, Slot
from openai_connector.limits import Gate
from openai_connector.observe.events import Event, Events
from openai_connector.openai_api import ApiClient, ApiResponse
from openai_connector.purchases import Purchases
from openai_connector.spending import Spending
from openai_connector.waiting import AtTask, NoTask, WaitOptions
from tests.make import job, tasks
from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.exchange import Received, Reply
from tests.openai_stand_in.lines import Fates
from tests.openai_stand_in.world import Pace
from tests.simulation import clock, connection_failed

LIST, SUBMIT, LOOK, UPLOAD = "GET /v1/batches", "POST /v1/batches", "GET /v1/batches/{id}", "POST /v1/files"
READ, DELETE, CANCEL = "GET /v1/files/{id}/content", "DELETE /v1/files/{id}", "POST /v1/batches/{id}/cancel"
PACE = Pace(validating=(5, 5), batch=(3000, 3000), finalizing=(5, 5), cancelling=(5, 5))


@dataclass
class Fault:
    """What one call meets."""

    error: ApiResponse | Exception
    is_done: bool = False
    """The API does it all the same; only its reply is lost."""


class BatchHost(ApiClient):
    """The API, as a client without a wire has it."""

    def __init__(self, fates: Fates | None = None, pace: Pace = PACE) -> None:
        self.openai = OpenAI(scale=0, fates=fates, pace=pace)
        self.faults: dict[str, list[Fault]] = {}
        """By endpoint, what the next calls meet."""
        self.asked: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        """How long calls of an endpoint take."""
        self._at = 0.0

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Answer."""
        more = {} if body is None else {"content-type": "application/json"}
        reply = await self._reply(method, url, body or b"", {**more, **headers}, timeout)
        return reply if isinstance(reply, ApiResponse) else _response(reply)

    async def upload(
        self, url: str, *, parts: Sequence[bytes], headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Take a file."""
        reply = await self._reply("POST", url, b"".join(parts), headers, timeout)
        return reply if isinstance(reply, ApiResponse) else _response(reply)

    async def download(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: timedelta,
        write: Callable[[bytes], object],
    ) -> ApiResponse:
        """Give a file, in pieces of odd lengths."""
        reply = await self._reply("GET", url, b"", headers, timeout)
        if isinstance(reply, ApiResponse) or reply.content is None:
            return reply if isinstance(reply, ApiResponse) else _response(reply)
        for begin in range(0, len(reply.content), 97):
            write(reply.content[begin : begin + 97])
        return ApiResponse(200, {}, None)

    async def _reply(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], timeout: timedelta
    ) -> Reply | ApiResponse:
        parts = urlsplit(url)
        small = {name.lower(): value for name, value in headers.items()}
        received = Received(method, parts.path, parse_qsl(parts.query), small, content)
        label = self.openai.label(received)
        self.asked[label] += 1
        await asyncio.sleep(self.seconds.get(label, 0.01))
        self.settle()
        fault = self.faults[label].pop(0) if self.faults.get(label) else None
        if fault is None:
            return self._done(received)
        if fault.is_done:
            self._done(received)
        if isinstance(fault.error, Exception):
            raise fault.error
        return fault.error

    def _done(self, received: Received) -> Reply:
        reply = self.openai.handle(received)
        assert isinstance(reply, Reply)
        return reply

    def settle(self) -> None:
        """Bring the API to the present."""
        self.openai.advance(clock() - self._at)
        self._at = clock()

    @property
    def sizes(self) -> list[int]:
        """How many lines the batches have."""
        self.settle()
        return self.openai.batches

    @property
    def twice(self) -> dict[str, int]:
        """What was bought more than once."""
        self.settle()
        return self.openai.ledger.duplicates()


def _response(reply: Reply) -> ApiResponse:
    return ApiResponse(reply.status, dict(reply.headers), json.loads(json.dumps(reply.body)))


def refused(status: int, words: str = "no", code: str | None = None) -> Fault:
    """Make a refusal."""
    return Fault(ApiResponse(status, {}, {"error": {"message": words, "code": code}}))


def broken(*, is_done: bool = False) -> Fault:
    """Make a connection that breaks."""
    return Fault(connection_failed(), is_done)


@dataclass
class Place:
    """A slot whose lease a test may end."""

    left: float = math.inf
    is_parked: bool = False

    def seconds_left(self) -> float:
        """Return what is left."""
        return self.left

    def park(self) -> None:
        """Note it."""
        self.is_parked = True


class Worker:
    """A worker, and what it has told."""

    def __init__(
        self,
        api: BatchHost,
        *,
        size: int = 3,
        pause: float = 60,
        at_task: AtTask | None = None,
        purchases: Purchases | None = None,
        fleet: str = "f",
        has_batches: bool = True,
        spending: Spending | None = None,
        **options: Any,
    ) -> None:
        self.api = api
        self.events: list[Event] = []
        self.connector = Connector(
            api,
            tasks(),
            files=api if has_batches else None,
            gate=Gate(clock=asyncio.get_running_loop().time),
            events=Events(self.events.append),
            at_task=at_task or NoTask(),
            purchases=purchases,
            spending=spending,
            wait_options=WaitOptions(
                now=asyncio.get_running_loop().time,
                batch_size=size,
                batch_pause=timedelta(seconds=pause),
                fleet=fleet,
                **options,
            ),
        )

    async def once(self, *jobs: Job, slot: Slot = OWN_SLOT) -> list[Outcome]:
        """Work on jobs side by side, and have the engine acknowledge what becomes of them."""
        outcomes = list(await asyncio.gather(*(self.connector.work(one, slot) for one in jobs)))
        for given, outcome in zip(jobs, outcomes, strict=True):
            await self.connector.settled(given, outcome)
        return outcomes

    async def to_the_end(self, *jobs: Job) -> list[Outcome]:
        """Work on jobs, after their back-offs, until they do not come back."""
        return list(await asyncio.gather(*map(self._to_the_end, jobs)))

    async def _to_the_end(self, given: Job) -> Outcome:
        for _ in range(2000):
            [outcome] = await self.once(given)
            if not isinstance(outcome, Failed) or not outcome.retries:
                return outcome
            await asyncio.sleep((outcome.backoff or timedelta(0)).total_seconds())
            given = back(given, outcome)
        raise AssertionError("the job comes back for ever")

    def told(self, kind: type[Event]) -> list[Any]:
        """Return events."""
        return [event for event in self.events if type(event) is kind]

    async def close(self) -> None:
        """End."""
        await self.connector.aclose(10)


def a_job(key: int, **inputs: Any) -> Job:
    """Make a job whose answer can wait for a day; it has its whole answer in a variable."""
    given = {"answerNeeded": "day", "model": "gpt-6-luna", "prompt": f"Question {key}"}
    return job({"resultVariable": "answer"}, key=key, **(given | inputs))


def some(count: int, begin: int = 1, **inputs: Any) -> list[Job]:
    """Make jobs."""
    return [a_job(key, **inputs) for key in range(begin, begin + count)]


def back(given: Job, outcome: Outcome) -> Job:
    """Return a job as it comes back after a failure."""
    assert isinstance(outcome, Failed), outcome
    variables = {**given.variables, **outcome.variables}
    return replace(given, retries=outcome.retries or 3, variables=variables)


def state(given: Job) -> dict[str, Any]:
    """Return what is remembered of a job."""
    found: dict[str, Any] = json.loads(given.variables["openai_state"])
    return found


def all_answered(jobs: Iterable[Job], outcomes: Iterable[Outcome]) -> bool:
    """Check that each job has its own answer."""
    return all(
        isinstance(outcome, Completed)
        and outcome.variables["answer"]["output"]["text"] == answer_to(given.variables["openai_prompt"])
        for given, outcome in zip(jobs, outcomes, strict=True)
    )


def spread(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Return how many jobs wait for which batch."""
    states = [
        json.loads(outcome.variables["openai_state"])
        for outcome in outcomes
        if isinstance(outcome, Failed) and "openai_state" in outcome.variables
    ]
    return Counter(found["waitingCall"]["id"] for found in states if "waitingCall" in found)
