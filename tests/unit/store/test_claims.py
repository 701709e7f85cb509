"""Claims: exactly one worker makes a call, and an answer is bought once."""

from __future__ import annotations

import asyncio

import pytest

from openai_connector.store import Claim, NoStore, StoreError
from tests.unit.store.stores import CALL, FRESH_FOR, JOB, KEPT, Clock, Opener, tables_at

STALE = FRESH_FOR.total_seconds() + 1


async def test_the_first_claim_is_ours(opened: Opener, location: str) -> None:
    """Nothing is known of a call that was never begun."""
    store = await opened(location)
    assert await store.claim(JOB, CALL) == Claim()
    assert store.is_healthy


async def test_a_kept_answer_is_there_for_every_worker(opened: Opener, location: str) -> None:
    """What one worker has bought, another one uses."""
    first, second = await opened(location), await opened(location)
    await first.claim(JOB, CALL)
    await first.keep(JOB, CALL, KEPT)
    for store in (first, second):
        claim = await store.claim(JOB, CALL)
        assert claim.answer == KEPT
        assert not claim.is_ours
        assert not claim.is_busy


async def test_a_later_answer_takes_the_place_of_the_first(opened: Opener, location: str) -> None:
    """A model that was asked again has a second answer to the same request."""
    store = await opened(location)
    await store.claim(JOB, CALL)
    await store.keep(JOB, CALL, KEPT)
    await store.keep(JOB, CALL, {**KEPT, "calls": 2})
    assert (await store.claim(JOB, CALL)).answer == {**KEPT, "calls": 2}


async def test_an_answer_is_kept_without_a_claim(opened: Opener, location: str) -> None:
    """The store may have been away when the call was begun."""
    store = await opened(location)
    await store.keep(JOB, CALL, KEPT)
    assert (await store.claim(JOB, CALL)).answer == KEPT


@pytest.mark.parametrize(
    ("job_key", "call"), [(JOB, "other"), (JOB + 1, CALL), (2**63 - 1, CALL)], ids=["call", "job", "largest"]
)
async def test_other_jobs_and_requests_have_nothing_to_do_with_it(
    opened: Opener, location: str, job_key: int, call: str
) -> None:
    """An answer belongs to one request of one job."""
    store = await opened(location)
    await store.keep(JOB, CALL, KEPT)
    assert (await store.claim(job_key, call)).is_ours


class TestInMidCall:
    """A call that somebody is making."""

    async def test_it_is_busy_for_others(self, opened: Opener, location: str) -> None:
        """Another worker must not buy it too."""
        first, second = await opened(location), await opened(location)
        await first.claim(JOB, CALL)
        claim = await second.claim(JOB, CALL)
        assert claim.is_busy
        assert not claim.is_ours

    async def test_it_is_busy_for_a_second_activation_here(self, opened: Opener, location: str) -> None:
        """A job that comes back to the same worker, its lease lost, is not bought twice either."""
        store = await opened(location)
        await store.claim(JOB, CALL)
        assert (await store.claim(JOB, CALL)).is_busy

    async def test_one_of_two_simultaneous_activations_has_it(self, opened: Opener, location: str) -> None:
        """Both ask before either is answered."""
        store = await opened(location)
        claims = await asyncio.gather(store.claim(JOB, CALL), store.claim(JOB, CALL))
        assert sorted(claim.is_busy for claim in claims) == [False, True]

    async def test_released_it_is_free(self, opened: Opener, location: str) -> None:
        """A call that ended with an error is nothing lost."""
        first, second = await opened(location), await opened(location)
        await first.claim(JOB, CALL)
        await first.release(JOB, CALL)
        assert await second.claim(JOB, CALL) == Claim()

    async def test_released_here_it_is_free_here(self, opened: Opener, location: str) -> None:
        """The job is tried again by the same worker."""
        store = await opened(location)
        await store.claim(JOB, CALL)
        await store.release(JOB, CALL)
        assert await store.claim(JOB, CALL) == Claim()

    async def test_a_cancelled_claim_holds_nothing(self, opened: Opener, location: str) -> None:
        """A worker that stops while it asks leaves no intent that looks like a call."""
        first = await opened(location, fresh_for=FRESH_FOR)
        task = asyncio.create_task(first.claim(JOB, CALL))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await first.aclose()
        assert await (await opened(location)).claim(JOB, CALL) == Claim()


class TestGone:
    """A worker that ended, or gives no sign of life, in mid-call."""

    async def test_its_call_may_have_been_lost(self, opened: Opener, location: str) -> None:
        """Whoever takes it over is told, and counts."""
        first, second = await opened(location), await opened(location)
        await first.claim(JOB, CALL)
        opened.clock.move(STALE)
        claim = await second.claim(JOB, CALL)
        assert claim == Claim(was_lost=True, attempts=1)
        assert claim.is_ours

    async def test_crashes_are_counted(self, opened: Opener, location: str) -> None:
        """A job that kills each worker is known by it, also where an attempt between ended in order."""
        for attempts in range(3):
            store = await opened(location)
            assert (await store.claim(JOB, CALL)).attempts == attempts
            opened.clock.move(STALE)
        last = await opened(location)
        await last.claim(JOB, CALL)
        await last.release(JOB, CALL)
        claim = await last.claim(JOB, CALL)
        assert claim == Claim(attempts=3)

    async def test_exactly_one_takes_over(self, opened: Opener, location: str) -> None:
        """Many workers find the same stale intent."""
        dead = await opened(location)
        await dead.claim(JOB, CALL)
        opened.clock.move(STALE)
        stores = [await opened(location) for _ in range(5)]
        claims = await asyncio.gather(*(store.claim(JOB, CALL) for store in stores))
        assert [claim.is_ours for claim in claims].count(True) == 1
        assert [claim.is_busy for claim in claims].count(True) == 4

    async def test_back_from_the_dead_it_keeps_its_answer(self, opened: Opener, location: str) -> None:
        """A frozen worker's answer is as good as any."""
        frozen, other = await opened(location), await opened(location)
        await frozen.claim(JOB, CALL)
        opened.clock.move(STALE)
        await other.claim(JOB, CALL)
        await frozen.keep(JOB, CALL, KEPT)
        assert (await frozen.claim(JOB, CALL)).answer == KEPT
        await other.release(JOB, CALL)  # its own call failed: that must not take the answer away
        assert (await other.claim(JOB, CALL)).answer == KEPT

    async def test_back_from_the_dead_it_releases_nothing_of_others(
        self, opened: Opener, location: str
    ) -> None:
        """The intent is another worker's now."""
        frozen, other, third = [await opened(location) for _ in range(3)]
        await frozen.claim(JOB, CALL)
        opened.clock.move(STALE)
        await other.claim(JOB, CALL)
        await frozen.release(JOB, CALL)
        assert (await third.claim(JOB, CALL)).is_busy

    async def test_ended_in_order_it_is_known_at_once(self, opened: Opener, location: str) -> None:
        """Nobody waits for signs of life of a worker that said goodbye."""
        first, second = await opened(location), await opened(location)
        await first.claim(JOB, CALL)
        await first.aclose()
        assert (await second.claim(JOB, CALL)).was_lost

    async def test_a_clock_that_was_set_back_keeps_nobody_alive(self, opened: Opener, location: str) -> None:
        """A sign of life from far ahead is none."""
        first = await opened(location)
        await first.claim(JOB, CALL)
        opened.clock.move(-STALE)
        second = await opened(location)
        assert (await second.claim(JOB, CALL)).was_lost


async def test_signs_of_life_are_given(opened: Opener, location: str, clock: Clock) -> None:
    """A living worker's intent stays fresh while the time goes by."""
    first = await opened(location, fresh_for=FRESH_FOR / 60)
    second = await opened(location)
    await first.claim(JOB, CALL)
    clock.move(STALE)
    await asyncio.sleep(
        2 * FRESH_FOR.total_seconds() / 60 / 4
    )  # a sign of life is due four times in that time
    assert (await second.claim(JOB, CALL)).is_busy


async def test_a_call_that_begins_gives_one_where_none_is_fresh(
    opened: Opener, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still lives again with its next call; one that just gave one writes no other."""
    tables = tables_at(location, opened.clock)
    first, second = await opened(location, tables), await opened(location)
    given: list[float] = []
    beat = tables.beat

    def noted(owner: str, process: str, now: float) -> None:
        given.append(now)
        beat(owner, process, now)

    monkeypatch.setattr(tables, "beat", noted)
    await first.claim(JOB, CALL)
    await first.claim(JOB + 1, CALL)
    assert len(given) == 1
    opened.clock.move(STALE)
    await first.claim(JOB + 2, CALL)
    assert len(given) == 2
    assert (await second.claim(JOB, CALL)).is_busy


async def test_closed_it_takes_nothing(opened: Opener, location: str) -> None:
    """What comes too late is refused, not lost without a word."""
    store = await opened(location)
    await store.aclose()
    with pytest.raises(StoreError):
        await store.claim(JOB, CALL)
    assert not store.is_healthy


async def test_without_a_store_everything_is_free() -> None:
    """A worker without a store asks the same questions."""
    store = NoStore()
    await store.start()
    assert await store.claim(JOB, CALL) == Claim()
    await store.keep(JOB, CALL, KEPT)
    await store.owe(JOB, "{}")
    await store.release(JOB, CALL)
    await store.forget(JOB)
    assert await store.claim(JOB, CALL) == Claim()
    assert await store.owed() == []
    assert await store.shared("limit") is None
    assert await store.update("limit", lambda value: {"was": value}) == {"was": None}
    await store.aclose()
