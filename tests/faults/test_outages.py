"""A host that is down costs hardly a retry: one job now and then asks it, the others wait in the engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from openai_connector.job import Failed, Recovery
from openai_connector.limits import Gate
from openai_connector.openai_api import ApiResponse, ApiTimeoutError
from tests.make import job, sentences_in
from tests.simulation import Api, DownApi, Engine, Worker, clock, simulate

MINUTES = 60.0


async def outage(
    api: DownApi, *, jobs: int = 500, workers: int = 1, slots: int = 100, **policy: Any
) -> Engine:
    """Run an outage to its end."""
    engine = Engine(jobs)
    crew = [Worker(engine, api, seed=seed, slots=slots, **policy) for seed in range(workers)]
    await asyncio.gather(*(worker.run(until=api.down[1] + 600) for worker in crew))
    return engine


@pytest.mark.parametrize(
    ("workers", "slots", "begin", "latency"),
    [
        pytest.param(1, 100, 2.0, (0.5, 1.5), id="one_worker"),
        pytest.param(3, 100, 2.0, (0.5, 1.5), id="three_workers"),
        pytest.param(1, 100, 0.0, (0.5, 1.5), id="down_from_the_start"),
        pytest.param(2, 20, 1.0, (0.1, 0.3), id="few_slots"),
        pytest.param(1, 100, 3.0, (4.0, 8.0), id="slow_answers"),
    ],
)
def test_ten_minutes_cost_hardly_a_retry(
    workers: int, slots: int, begin: float, latency: tuple[float, float]
) -> None:
    """500 jobs: no incident, at most five retries in all, done half a minute and the queue after its end."""
    api = DownApi(latency=latency, chance=Random(workers), down=(begin, begin + 10 * MINUTES))
    engine = simulate(outage(api, workers=workers, slots=slots))
    assert not engine.incidents
    assert len(engine.done) == 500
    assert engine.retries_lost <= 5
    queue = 500 / (workers * slots) * latency[1]
    assert max(engine.done.values()) <= api.down[1] + 30 + queue


def test_a_worker_asks_a_host_that_is_down_now_and_then() -> None:
    """While it is down there are hundreds of jobs, and a call in several seconds."""
    asked: list[float] = []

    @dataclass
    class Counted(DownApi):
        async def send(self, method: str, url: str, **more: Any) -> ApiResponse:
            asked.append(clock())
            return await super().send(method, url, **more)

    api = Counted(down=(2.0, 602.0))
    simulate(outage(api))
    assert 50 <= sum(60 <= at < 600 for at in asked) <= 150


def test_after_the_longest_wait_incidents_say_since_when() -> None:
    """An outage that outlasts CONNECTOR_MAX_WAIT_TIME becomes incidents that name its beginning."""
    api = DownApi(down=(0.3, 10_000.0))

    async def story() -> Engine:
        engine = Engine(50)
        await Worker(engine, api, total=timedelta(minutes=5)).run(until=2000)
        return engine

    engine = simulate(story())
    assert len(engine.incidents) == 50 - len(engine.done)
    held = [one for one in engine.incidents if "HELD_TOO_LONG" in sentences_in(one.message)]
    assert len(held) >= 45
    for failed in held:
        assert "HOST_DOWN_SINCE" in sentences_in(failed.message)
        assert failed.retries == 0


def test_a_retried_incident_has_all_the_time_again() -> None:
    """A person retries the incident of an outage: the job is not an incident again at once."""
    api = DownApi(down=(0.3, 10_000.0))

    async def story() -> tuple[Failed, Failed]:
        engine = Engine(20)
        worker = Worker(engine, api, total=timedelta(minutes=1))
        await worker.run(until=400)
        incident = next(one for one in engine.incidents if "HELD_TOO_LONG" in sentences_in(one.message))
        again = job(state=incident.variables["openai_state"])
        outcome = await worker.connector.work(again)
        assert isinstance(outcome, Failed)
        return incident, outcome

    incident, again = simulate(story())
    assert incident.retries == 0
    assert again.retries == 3


@pytest.mark.parametrize("part", [0.2, 0.4])
def test_calls_that_fail_now_and_then_are_no_outage(part: float) -> None:
    """A host that fails one call in five, or two, is asked on: others get their answers meanwhile."""

    @dataclass
    class Flaky(Api):
        def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
            return (500 if self.chance.random() < part else None), {}

    async def story() -> tuple[Engine, float]:
        engine = Engine(1000, make=lambda key: job(key=key, retries=50))
        worker = Worker(engine, Flaky())
        await worker.run(until=300)
        return engine, clock()

    engine, seconds = simulate(story())
    assert len(engine.done) == 1000
    assert seconds < 60


def test_timeouts_are_no_outage() -> None:
    """A call that takes too long may be the task's own fault, and was paid for: it costs its retry."""

    class Slow:
        async def send(self, *_args: Any, **_more: Any) -> ApiResponse:
            raise ApiTimeoutError("slow", code="408", recovery=Recovery.TRANSIENT, reason="timeout")

    async def story() -> Engine:
        engine = Engine(20)
        await Worker(engine, Slow()).run(until=100)
        return engine

    assert len(simulate(story()).incidents) == 20


def test_one_host_that_is_down_leaves_others_alone() -> None:
    """Jobs that ask elsewhere go on at full speed."""

    @dataclass
    class HalfDown(DownApi):
        async def send(self, method: str, url: str, **more: Any) -> ApiResponse:
            if "llm.example.com:1" in url:
                return await super().send(method, url, **more)
            return await Api.send(self, method, url, **more)

    async def story() -> Engine:
        engine = Engine(0)
        engine.jobs = 200
        for key in range(1, 101):
            engine.offer(job(key=key, baseUrl="https://llm.example.com:1/v1"))
            engine.offer(job(key=1000 + key))
        await Worker(engine, HalfDown(down=(0.0, 300.0))).run(until=400)
        return engine

    engine = simulate(story())
    others = [at for key, at in engine.done.items() if key > 1000]
    assert len(others) == 100
    assert max(others) < 60
    assert not engine.incidents


def test_the_gate_tells_of_hosts_that_are_lost_and_found() -> None:
    """Each change is told once."""
    told: list[bool] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate(clock=loop.time, on_change=lambda change: told.append(change.is_down))
        await Worker(Engine(50), DownApi(down=(0.5, 100.0)), gate=gate).run(until=200)

    simulate(story())
    assert told == [True, False]
