"""Completions that the engine has not acknowledged, and what is removed when it has."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from openai_connector.store import Met, News, Owed, StoreError, ledger
from tests.make import sentences_in
from tests.unit.store.stores import CALL, FRESH_FOR, JOB, KEPT, Opener

STALE = FRESH_FOR.total_seconds() + 1
VARIABLES = '{"answer":"Grüße \\ud83d\\ude00"}'


async def test_what_a_dead_worker_owes_is_handed_over_once(opened: Opener, location: str) -> None:
    """The next worker reports it, no other does."""
    dead = await opened(location)
    await dead.owe(JOB, VARIABLES)
    opened.clock.move(STALE)
    first, second = await opened(location), await opened(location)
    handed = await asyncio.gather(first.owed(), second.owed())
    assert sorted(handed, key=len) == [[], [Owed(JOB, VARIABLES)]]
    assert await first.owed() == await second.owed() == []


async def test_what_a_living_worker_owes_is_its_own_affair(opened: Opener, location: str) -> None:
    """It is just being reported."""
    living, other = await opened(location), await opened(location)
    await living.owe(JOB, VARIABLES)
    assert await other.owed() == []
    assert await living.owed() == []


async def test_after_an_end_in_order_it_is_handed_over_at_once(opened: Opener, location: str) -> None:
    """A worker that was stopped while the engine was away leaves its debts to the next."""
    first = await opened(location)
    await first.owe(JOB, VARIABLES)
    await first.aclose()
    assert await (await opened(location)).owed() == [Owed(JOB, VARIABLES)]


async def test_the_heir_may_die_too(opened: Opener, location: str) -> None:
    """What was handed over and not forgotten is handed on."""
    first = await opened(location)
    await first.owe(JOB, VARIABLES)
    for _ in range(3):
        opened.clock.move(STALE)
        heir = await opened(location)
        assert await heir.owed() == [Owed(JOB, VARIABLES)]


async def test_the_latest_completion_counts(opened: Opener, location: str) -> None:
    """A job is owed once."""
    first = await opened(location)
    await first.owe(JOB, "{}")
    await first.owe(JOB, VARIABLES)
    await first.aclose()
    assert await (await opened(location)).owed() == [Owed(JOB, VARIABLES)]


async def test_a_long_list_comes_in_parts(
    opened: Opener, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What thousands of jobs owe does not have to fit into memory at once."""
    monkeypatch.setattr(ledger, "ADOPTED_AT_ONCE", 2 * len(VARIABLES) + 10)
    first = await opened(location)
    for job_key in range(5):
        opened.clock.move(1)
        await first.owe(job_key, VARIABLES)
    await first.aclose()
    second = await opened(location)
    parts = []
    while part := await second.owed():
        parts.append(part)
    assert [owed.job_key for part in parts for owed in part] == [0, 1, 2, 3, 4]
    assert len(parts) > 1


async def test_forgotten_nothing_is_left(opened: Opener, location: str) -> None:
    """What the engine has acknowledged is deleted, all of it, and nothing else."""
    first = await opened(location)
    await first.claim(JOB, CALL)
    await first.keep(JOB, CALL, KEPT)
    await first.claim(JOB, "other")
    await first.owe(JOB, VARIABLES)
    await first.keep(JOB + 1, CALL, KEPT)
    await first.forget(JOB)
    await first.release(JOB, "other")
    await first.aclose()
    second = await opened(location)
    assert await second.owed() == []
    assert (await second.claim(JOB, CALL)).attempts == 0
    assert (await second.claim(JOB + 1, CALL)).answer == KEPT


async def test_what_is_too_old_goes(opened: Opener, location: str) -> None:
    """Answers are personal data: nothing stays longer than the retention, and that is said."""
    first = await opened(location)
    await first.keep(JOB, CALL, KEPT)
    await first.owe(JOB, VARIABLES)
    await first.update("limit", lambda _: {"n": 1})
    opened.clock.move(3600)
    await first.keep(JOB + 1, CALL, KEPT)
    await first.aclose()
    opened.clock.move(3600)
    told: list[News] = []
    second = await opened(location, retention=timedelta(hours=1.5), tell=told.append)
    assert await second.owed() == []
    assert (await second.claim(JOB, CALL)).answer is None
    assert (await second.claim(JOB + 1, CALL)).answer == KEPT
    assert await second.shared("limit") is None
    assert [(news.met, news.count) for news in told if news.met is not Met.FOUND] == [(Met.PURGED, 1)]


async def test_a_call_that_takes_longer_than_the_retention_stays(opened: Opener, location: str) -> None:
    """Its worker lives: the intent is no old answer."""
    first = await opened(location)
    await first.claim(JOB, CALL)
    opened.clock.move(FRESH_FOR.total_seconds() - 1)
    second = await opened(location, retention=timedelta(seconds=1))
    assert (await second.claim(JOB, CALL)).is_busy


async def test_beyond_its_size_no_answer_is_stored(opened: Opener, location: str) -> None:
    """The rest goes on working, and room that is made is used again."""
    store = await opened(location, max_bytes=400_000)
    large = {"body": "x" * 300_000}
    await store.claim(JOB, CALL)
    await store.keep(JOB, CALL, large)
    await store.claim(JOB + 1, CALL)
    with pytest.raises(StoreError) as caught:
        await store.keep(JOB + 1, CALL, large)
    assert "STORE_FULL" in sentences_in(str(caught.value))
    with pytest.raises(StoreError):
        await store.owe(JOB + 1, f'"{large}"')
    assert store.is_healthy
    assert (await store.claim(JOB, CALL)).answer == large
    await store.keep(JOB + 2, CALL, KEPT)


async def test_a_shared_value_is_changed_by_one_after_the_other(opened: Opener, location: str) -> None:
    """No change of several workers at once is lost."""
    stores = [await opened(location) for _ in range(4)]
    assert await stores[0].shared("limit") is None
    await asyncio.gather(
        *(
            store.update("limit", lambda value: {"n": (value or {"n": 0})["n"] + 1})
            for store in stores
            for _ in range(10)
        )
    )
    assert await stores[0].shared("limit") == {"n": 40}
    assert await stores[0].shared("other") is None
