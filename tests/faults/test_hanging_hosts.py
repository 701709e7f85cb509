"""A host that is down and then hangs: the jobs that try it wait for nothing, and lose no retry by that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from openai_connector.job import Recovery
from openai_connector.openai_api import ApiResponse, ApiTimeoutError
from tests.simulation import Api, DownApi, Engine, Worker, clock, simulate

TIMEOUT = 10.0


async def hang() -> ApiResponse:
    """Wait for an answer for as long as a call may."""
    await asyncio.sleep(TIMEOUT)
    raise ApiTimeoutError("no answer", code="408", recovery=Recovery.TRANSIENT, reason="timeout")


@dataclass
class MoodyApi(DownApi):
    """Down in turns: it refuses connections, then hangs, and so on."""

    turn: float = 20.0

    async def send(self, method: str, url: str, **more: Any) -> ApiResponse:
        """Refuse, hang or answer."""
        begin, end = self.down
        if begin <= clock() < end and (clock() - begin) // self.turn % 2:
            return await hang()
        return await super().send(method, url, **more)


@pytest.mark.parametrize(
    ("workers", "turn"),
    [
        pytest.param(1, 20.0, id="one_worker"),
        pytest.param(2, 3.0, id="two_workers_short_turns"),
    ],
)
def test_an_outage_that_hangs_by_turns_costs_hardly_a_retry(workers: int, turn: float) -> None:
    """Ten minutes, 500 jobs: no incident, at most five retries in all."""
    api = MoodyApi(chance=Random(workers), down=(0.0, 600.0), turn=turn)

    async def story() -> Engine:
        engine = Engine(500)
        crew = [Worker(engine, api, seed=seed) for seed in range(workers)]
        await asyncio.gather(*(worker.run(until=700) for worker in crew))
        return engine

    engine = simulate(story())
    assert not engine.incidents
    assert len(engine.done) == 500
    assert engine.retries_lost <= 5


def test_the_first_answer_after_it_ends_it() -> None:
    """A host that hung is asked on, and is not taken for down any longer than until it answers."""
    api = MoodyApi(down=(0.0, 60.0))

    async def story() -> Engine:
        engine = Engine(500)
        await Worker(engine, api).run(until=200)
        return engine

    assert max(simulate(story()).done.values()) <= 60 + TIMEOUT + 30


def test_one_call_that_hangs_costs_its_job_a_retry() -> None:
    """Others are answered meanwhile: the request may ask for too much."""

    @dataclass
    class OneHangs(Api):
        asked: int = 0

        async def send(self, method: str, url: str, **more: Any) -> ApiResponse:
            self.asked += 1
            return await (hang() if self.asked == 7 else super().send(method, url, **more))

    async def story() -> Engine:
        engine = Engine(50)
        await Worker(engine, OneHangs()).run(until=100)
        return engine

    engine = simulate(story())
    assert engine.retries_lost == 1
    assert len(engine.done) == 50
