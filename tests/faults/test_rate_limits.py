"""Workers that know nothing of each other share a limit: hardly a refusal, and hardly a call unused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from tests.make import job
from tests.simulation import Api, Engine, Limited, LocalState, Worker, clock, simulate

LONG: dict[str, Any] = {"total": timedelta(days=9), "times": 10**6}


async def minutes_of(
    api: Limited, minutes: int, *, workers: int = 3, jobs: int = 760, state: LocalState | None = None
) -> Engine:
    """Have more jobs than the limit lets through, for so many minutes."""
    engine = Engine(jobs, make=lambda key: job(key=key, retries=1000))
    crew = [Worker(engine, api, seed=number, state=state, **LONG) for number in range(workers)]
    await asyncio.gather(*(worker.run(until=minutes * 60) for worker in crew))
    return engine


HINTS = [
    pytest.param({"headers", "retry-after"}, id="all_hints"),
    pytest.param({"retry-after"}, id="retry_after_alone"),
    pytest.param({"headers"}, id="headers_alone"),
]


@pytest.mark.parametrize("hints", HINTS)
@pytest.mark.parametrize("kind", ["bucket", "window", "sliding"])
def test_three_workers_share_sixty_calls_a_minute(kind: str, hints: set[str]) -> None:
    """However the API counts: at most one call in eight is refused, and nine tenths of the limit are used."""
    api = Limited(kind=kind, hints=frozenset(hints), chance=Random(3))
    engine = simulate(minutes_of(api, 10))
    assert api.share_of_429 <= 0.125
    assert len(api.bought) >= 0.9 * 60 * 10
    assert engine.retries_lost == 0
    assert not engine.incidents


@pytest.mark.parametrize(
    ("kind", "hints", "most"),
    [
        pytest.param("bucket", {"headers", "retry-after"}, 0.02, id="as_openai_tells"),
        pytest.param("window", {"headers", "retry-after"}, 0.02, id="by_the_clock"),
        pytest.param("bucket", {"retry-after"}, 0.06, id="retry_after_alone"),
        pytest.param("bucket", set(), 0.06, id="no_hint"),
    ],
)
def test_a_fleet_that_shares_what_it_learns_is_hardly_refused(
    kind: str, hints: set[str], most: float
) -> None:
    """With one store of all, two calls in a hundred are refused at most where the API tells what is left."""
    api = Limited(kind=kind, hints=frozenset(hints), chance=Random(3))
    simulate(minutes_of(api, 10, state=LocalState()))
    assert api.share_of_429 <= most
    assert len(api.bought) >= 0.9 * 60 * 10


@pytest.mark.parametrize("hints", [set(), {"retry-after"}], ids=["no_hint", "retry_after"])
@pytest.mark.parametrize("refused", [1, 10], ids=["one", "all"])
def test_refusals_that_say_nothing_of_a_rate_slow_nobody_down(refused: int, hints: set[str]) -> None:
    """The first calls of a key refused, as a gateway may do under load: that costs moments and no pace."""

    class Moody(Limited):
        calls = 0

        def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
            self.calls += 1
            return (429 if self.calls <= refused else None), ({"Retry-After": "1"} if self.hints else {})

    async def story() -> float:
        engine = Engine(10, make=lambda key: job(key=key, retries=100))
        await Worker(engine, Moody(hints=frozenset(hints), latency=(0.1, 0.1)), **LONG).run()
        return clock()

    assert simulate(story()) <= 12


@pytest.mark.parametrize("workers", [1, 3])
def test_a_told_wait_is_enough(workers: int) -> None:
    """After ten seconds of refusals all jobs are done within seconds, not after the template's back-off."""

    class Refuses(Api):
        def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
            return (429, {"Retry-After": "2"}) if now < 10 else (None, {})

    async def story() -> tuple[Engine, float]:
        engine = Engine(20, make=lambda key: job({"retryBackoff": "PT30S"}, key=key))
        api = Refuses(latency=(0.1, 0.1))
        await asyncio.gather(*(Worker(engine, api, seed=seed).run() for seed in range(workers)))
        return engine, clock()

    engine, seconds = simulate(story())
    assert (len(engine.done), engine.retries_lost) == (20, 0)
    assert seconds <= 18


@pytest.mark.parametrize(
    ("per_minute", "workers"),
    [pytest.param(20, 1, id="few"), pytest.param(60, 1, id="alone"), pytest.param(300, 4, id="many")],
)
def test_other_limits_and_fleets(per_minute: int, workers: int) -> None:
    """The same holds for other limits and other numbers of workers."""
    api = Limited(per_minute=per_minute, chance=Random(5))
    simulate(minutes_of(api, 6, workers=workers, jobs=per_minute * 10))
    assert api.share_of_429 <= 0.125
    assert len(api.bought) >= 0.9 * per_minute * 6


def test_a_bare_429_slows_down_too() -> None:
    """An API that gives no hint at all is asked less, though one refused job in each guess pays for it."""
    api = Limited(kind="bucket", hints=frozenset(), chance=Random(2))
    simulate(minutes_of(api, 10))
    assert api.share_of_429 <= 0.125
    assert len(api.bought) >= 0.9 * 60 * 10


def test_polling_slows_down_while_most_jobs_are_held_back() -> None:
    """A queue of twenty times the limit is not turned over: a few activations for each call."""
    api = Limited()
    engine = simulate(minutes_of(api, 5))
    assert engine.activations < 30 * len(api.bought)


def test_a_limit_on_calls_at_once_is_found() -> None:
    """An API that takes twenty calls at once is asked about twenty at once, and hardly refuses any."""

    class Crowded(Api):
        def judge(self, now: float, body: dict[str, Any]) -> tuple[int | None, dict[str, str]]:
            return (429, {"Retry-After": "1"}) if self.under_way >= 20 else (None, {})

    async def story() -> Crowded:
        api = Crowded(latency=(1.0, 2.0))
        engine = Engine(6000, make=lambda key: job(key=key, retries=100))
        await Worker(engine, api, **LONG).run(until=500)
        return api

    api = simulate(story())
    assert api.share_of_429 <= 0.125
    assert api.used(300, 500) >= 0.6 * 20 / 1.5 * 200


@pytest.mark.parametrize("slots", [100, 500])
def test_an_api_without_limits_is_not_slowed_down(slots: int) -> None:
    """All slots are used within moments: calls are begun gently, then nothing holds them back."""

    async def story() -> tuple[Engine, float]:
        engine = Engine(slots * 10)
        await Worker(engine, Api(latency=(1.0, 1.0)), slots=slots).run()
        return engine, clock()

    engine, seconds = simulate(story())
    assert engine.activations == slots * 10  # none was given back
    assert seconds < 12.5


def test_a_limit_that_is_lifted_is_forgotten() -> None:
    """After minutes without a refusal calls go as fast as before."""
    api = Limited(hints=frozenset({"retry-after"}))

    async def story() -> int:
        engine = Engine(4000, make=lambda key: job(key=key, retries=100))
        worker = Worker(engine, api, **LONG)
        working = asyncio.create_task(worker.run(until=900))
        await asyncio.sleep(300)
        api.per_minute = 10**9
        await working
        return len(engine.done)

    assert simulate(story()) == 4000
