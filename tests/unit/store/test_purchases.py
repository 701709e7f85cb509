"""What a connector makes of a store: an answer is bought once, whatever becomes of the job meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openai_connector.connector import Connector
from openai_connector.contract import WORKER_ENDED
from openai_connector.job import Completed, Failed
from openai_connector.openai_api import ApiResponse
from openai_connector.purchases import MOST_ENDED, Purchases
from openai_connector.redaction import Redaction
from openai_connector.store import Store
from tests.make import FakeApi, job, sentences_in, tasks
from tests.unit.store.stores import FRESH_FOR, Clock, Opener

HEADERS = {"resultExpression": "={a: output.text}"}
STALE = FRESH_FOR.total_seconds() + 1


class SlowApi(FakeApi):
    """Answers when it is let."""

    is_let: asyncio.Event

    async def send(self, *args: Any, **options: Any) -> ApiResponse:
        """Count the request, wait, and answer."""
        answer = await super().send(*args, **options)
        await self.is_let.wait()
        return answer


@pytest.fixture
def api() -> SlowApi:
    """Return an API that is held."""
    slow = SlowApi()
    slow.is_let = asyncio.Event()
    return slow


def worker(api: FakeApi, store: Store) -> Connector:
    """Return a worker with a store."""
    return Connector(api, tasks(), purchases=Purchases(store))


async def until_asked(api: FakeApi) -> None:
    """Wait until a request is under way."""
    async with asyncio.timeout(20):
        while not api.requests:
            await asyncio.sleep(0.01)


async def test_a_job_in_mid_call_elsewhere_is_left_to_that_call(
    opened: Opener, location: str, api: SlowApi
) -> None:
    """A worker that gives such a job back does not undo the other's purchase: nobody buys it twice."""
    first, second = worker(api, await opened(location)), worker(api, await opened(location))
    calling = asyncio.create_task(first.work(job(HEADERS)))
    await until_asked(api)
    given_back = await second.work(job(HEADERS))
    assert isinstance(given_back, Failed)
    assert given_back.retries == 3
    assert "IN_MID_CALL" in sentences_in(given_back.message)
    await second.settled(job(HEADERS), given_back)
    async with asyncio.timeout(20):  # a call would wait for ever
        assert isinstance(await second.work(job(HEADERS)), Failed)
    api.is_let.set()
    assert isinstance(await calling, Completed)
    assert await second.work(job(HEADERS)) == Completed({"a": "Hello"})
    assert len(api.requests) == 1


async def test_a_completed_job_leaves_nothing(opened: Opener, location: str, api: SlowApi) -> None:
    """What the engine has acknowledged is asked anew where the same job should ever come back."""
    api.is_let.set()
    one = worker(api, await opened(location))
    outcome = await one.work(job(HEADERS))
    await one.settled(job(HEADERS), outcome)
    await one.work(job(HEADERS))
    assert len(api.requests) == 2


async def test_a_job_error_with_retries_buys_again(opened: Opener, location: str, api: SlowApi) -> None:
    """An expression that wants another answer gets one, though the first is stored."""
    api.is_let.set()
    headers = {"errorExpression": '=if error = null then jobError("again", {}, 2) else null'}
    one = worker(api, await opened(location))
    for _ in range(2):
        outcome = await one.work(job(headers))
        assert isinstance(outcome, Failed)
        await one.settled(job(headers), outcome)
    assert len(api.requests) == 2


async def test_a_job_that_ends_its_workers_is_an_incident_and_may_begin_anew(
    opened: Opener, location: str, clock: Clock, api: SlowApi
) -> None:
    """After three of them nothing is sent; a person who retries the incident starts from the beginning."""
    fingerprint = tasks().read(job(HEADERS).variables, Redaction()).request.fingerprint
    for _ in range(MOST_ENDED):
        await (await opened(location)).claim(job().key, fingerprint)
        clock.move(STALE)
    api.is_let.set()
    one = worker(api, await opened(location))
    outcome = await one.work(job(HEADERS))
    assert isinstance(outcome, Failed)
    assert (outcome.retries, outcome.variables["error"]["code"]) == (0, WORKER_ENDED)
    assert api.requests == []
    await one.settled(job(HEADERS), outcome)
    assert await one.work(job(HEADERS)) == Completed({"a": "Hello"})


async def test_a_model_that_is_asked_again_is_asked(opened: Opener, location: str) -> None:
    """The first answer is stored; the second call for the same job is made all the same."""

    def said(text: str) -> ApiResponse:
        message = {"role": "assistant", "content": text}
        return ApiResponse(200, {}, {"choices": [{"message": message, "finish_reason": "stop"}]})

    api = FakeApi([said("Sure!"), said('{"a": 1}')])
    asked: dict[str, Any] = {"prompt": "Give JSON", "responseFormat": "json_object", "repair": "true"}
    headers = {"resultExpression": "={a: output.json.a, calls: output.calls}"}
    outcome = await worker(api, await opened(location)).work(job(headers, **asked))
    assert isinstance(outcome, Completed)
    assert dict(outcome.variables) == {"a": 1, "calls": 2}
