"""An API that answers in the background, an engine's side that keeps ids, and workers in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.limits import Gate
from openai_connector.observe.events import Event, Events
from openai_connector.openai_api import ApiClient, ApiError, ApiResponse
from openai_connector.outcome.retry_policy import RetryPolicy
from openai_connector.purchases import Purchases
from openai_connector.spending import Spending
from openai_connector.tasks.task_type import AnswerNeeded
from openai_connector.waiting import WaitOptions
from tests.make import BASE_URL, job, tasks
from tests.simulation import clock, connection_failed

URL = f"{BASE_URL}/responses"
Fault = ApiResponse | ApiError | Exception


def output(text: str) -> list[dict[str, Any]]:
    """Make the output of a response."""
    return [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]


def status(code: int, headers: Mapping[str, str] | None = None, words: str = "no") -> ApiResponse:
    """Make an error in the shape of OpenAI's."""
    return ApiResponse(code, dict(headers or {}), {"error": {"message": words}})


@dataclass
class Responses(ApiClient):
    """The API: each response is final after a while."""

    seconds: float = 2.0
    final: Mapping[str, Any] = field(default_factory=lambda: {"status": "completed"})
    """Of the responses that are begun from now on."""
    text: str = ""
    """Of the answers; empty: one that names the question."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """By method, what the next requests meet."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    responses: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    is_at_once: bool = False
    """A POST brings the final answer."""

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Answer."""
        await asyncio.sleep(0.01)
        asked = json.loads(body) if body else None
        self.requests.append((method, url, asked))
        if faults := self.faults.get(method):
            fault = faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if method == "POST" and url == URL:
            return self._begin(asked)
        id_, _, action = url.removeprefix(f"{URL}/").partition("/")
        if id_ not in self.responses:
            return status(404)
        if method == "DELETE":
            self.deleted.append(id_)
            del self.responses[id_]
            return ApiResponse(200, {}, {"id": id_, "object": "response", "deleted": True})
        if action == "cancel" and self._state(id_)["status"] == "in_progress":
            self.cancelled.append(id_)
            self.responses[id_] = (0.0, {"id": id_, "status": "cancelled"})
        return ApiResponse(200, {}, self._state(id_))

    def _begin(self, asked: Any) -> ApiResponse:
        id_ = f"resp_{len(self.begun) + 1}"
        self.begun.append(id_)
        said = self.text or f"answer to {asked['input'][-1]['content']}"
        final = {"id": id_, "object": "response", "model": "m", "output": output(said), **self.final}
        self.responses[id_] = (clock() + self.seconds, final)
        return ApiResponse(200, {}, final if self.is_at_once else {"id": id_, "status": "queued"})

    def _state(self, id_: str) -> dict[str, Any]:
        ready_at, final = self.responses[id_]
        return final if clock() >= ready_at else {"id": id_, "status": "in_progress"}

    def asked(self, method: str) -> list[str]:
        """Return the addresses that were asked, below that of responses."""
        return [url.removeprefix(URL) for made, url, _ in self.requests if made == method]


@dataclass
class Engine:
    """The engine's side of one job: its variables, and whether it is there."""

    job: Job = field(default_factory=lambda: job(prompt="this"))
    is_there_: bool | None = True
    is_away: bool = False
    kept: list[dict[str, Any]] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def set(self, name: str, value: Any) -> None:
        """Set an input of the task."""
        self.job = replace(self.job, variables={**self.job.variables, f"openai_{name}": value})

    async def keep(self, job: Job, variables: Mapping[str, Any]) -> bool:
        """Keep variables."""
        await asyncio.sleep(0.02)
        while self.is_away:
            await asyncio.sleep(0.5)
        self.kept.append(dict(variables))
        self.job = replace(self.job, variables={**self.job.variables, **variables})
        return True

    async def is_there(self, job: Job) -> bool | None:
        """Tell."""
        self.probes.append(clock())
        return self.is_there_

    def take(self, outcome: Outcome) -> None:
        """Take an outcome."""
        self.outcomes.append(outcome)
        if isinstance(outcome, Failed):
            variables = {**self.job.variables, **outcome.variables}
            retries = outcome.retries or 3  # as an operator resolves an incident
            self.job = replace(self.job, retries=retries, variables=variables)


class Worker:
    """A worker that has the engine's only job."""

    def __init__(
        self,
        api: Responses,
        engine: Engine,
        needed: AnswerNeeded = AnswerNeeded.NOW_KEPT,
        *,
        purchases: Purchases | None = None,
        events: Sequence[Callable[[Event], None]] = (),
        policy: RetryPolicy | None = None,
        spending: Spending | None = None,
        **options: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.api, self.engine = api, engine
        self.events: list[Event] = []
        engine.set("api", "responses")
        engine.set("answerNeeded", needed.value)
        self.connector = Connector(
            api,
            tasks(),
            gate=Gate(clock=loop.time),
            purchases=purchases,
            spending=spending,
            events=Events(self.events.append, *events),
            at_task=engine,
            retry_policy=policy or RetryPolicy(),
            wait_options=WaitOptions(now=loop.time, **options),
        )

    async def once(self) -> Outcome:
        """Work on the job once, and have the engine acknowledge what becomes of it."""
        given = self.engine.job
        outcome = await self.connector.work(given)
        self.engine.take(outcome)
        await self.connector.settled(given, outcome)
        return outcome

    async def to_the_end(self, most: int = 500) -> Outcome:
        """Work on it, after its back-offs, until it does not come back."""
        for _ in range(most):
            outcome = await self.once()
            if not isinstance(outcome, Failed) or not outcome.retries:
                return outcome
            await asyncio.sleep((outcome.backoff or timedelta(0)).total_seconds())
        raise AssertionError("the job comes back for ever")

    def told(self, kind: type[Event]) -> int:
        """Count events."""
        return Counter(type(event) for event in self.events)[kind]

    async def close(self) -> None:
        """Let removals end."""
        await self.connector.aclose(60)


def answer_of(outcome: Outcome) -> Any:
    """Return the text that a completed job has."""
    assert isinstance(outcome, Completed), outcome
    return outcome.variables["answer"]["output"]["text"]


def a_job(**headers: str) -> Job:
    """Make a job that has its whole answer in a variable."""
    return job({"resultVariable": "answer", **headers}, prompt="this")


__all__ = [
    "Engine",
    "Responses",
    "Worker",
    "a_job",
    "answer_of",
    "connection_failed",
    "status",
]
