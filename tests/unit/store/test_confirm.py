"""A process that stood still between its claim and its call: it looks again before it pays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed
from openai_connector.limits import Admission, Asking, Gate, Held
from openai_connector.purchases import Purchases
from openai_connector.redaction import Redaction
from openai_connector.store import Claim, Store, durable
from openai_connector.store.sqlite import SqliteTables
from openai_connector.store.tables import Call
from tests.make import FakeApi, job, sentences_in, tasks
from tests.unit.store.stores import CALL, FRESH_FOR, JOB, KEPT, Clock, Opener, until

HEADERS = {"resultExpression": "={a: output.text}"}
STALE = FRESH_FOR.total_seconds() + 1


@pytest.fixture(autouse=True)
def one_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process measure how long it stood still by the clock of the stores."""
    monkeypatch.setattr(durable, "monotonic", clock)


async def test_a_claim_holds_for_a_moment(opened: Opener, tmp_path: Path, clock: Clock) -> None:
    """The usual call goes out at once: nothing is asked."""

    class Counting(SqliteTables):
        found = 0

        def find(self, calls: Any) -> Any:
            self.found += 1
            return super().find(calls)

    tables = Counting(tmp_path / "store.sqlite3", clock=clock)
    store = await opened(str(tmp_path), tables)
    await store.claim(JOB, CALL)
    clock.move(0.05)
    assert await store.confirm(JOB, CALL) == Claim()
    assert tables.found == 0
    clock.move(0.1)
    assert await store.confirm(JOB, CALL) == Claim()
    assert tables.found == 1


async def test_a_claim_holds_from_its_look(opened: Opener, tmp_path: Path, clock: Clock) -> None:
    """What it waited for its turn does not count, so a busy worker claims no call twice; its look does."""

    class Slow(SqliteTables):
        is_begun = threading.Event()
        may_end = threading.Event()
        found = 0

        def begin(self, calls: Any, owner: str, now: float) -> set[Call]:
            self.is_begun.set()
            assert self.may_end.wait(20)
            return super().begin(calls, owner, now)

        def find(self, calls: Any) -> Any:
            self.found += 1
            return super().find(calls)

    tables = Slow(tmp_path / "store.sqlite3", clock=clock)
    store = await opened(str(tmp_path), tables)
    first = asyncio.create_task(store.claim(JOB, CALL))
    await until(tables.is_begun.is_set)
    second = asyncio.create_task(store.claim(JOB + 1, CALL))
    await asyncio.sleep(0)
    clock.move(1)
    tables.may_end.set()
    await asyncio.gather(first, second)
    await store.confirm(JOB + 1, CALL)
    assert tables.found == 0
    await store.confirm(JOB, CALL)
    assert tables.found == 1


async def test_an_answer_of_one_who_was_thought_dead_is_used(
    opened: Opener, location: str, clock: Clock
) -> None:
    """It wakes and stores its answer while the other one, who took over, waits for its turn to ask."""
    one, two = await opened(location), await opened(location)
    await one.claim(JOB, CALL)
    clock.move(STALE)
    assert (await two.claim(JOB, CALL)).was_lost
    await one.keep(JOB, CALL, KEPT)
    clock.move(1)
    assert (await two.confirm(JOB, CALL)).answer == KEPT


async def test_a_claim_that_nobody_took_over_holds(opened: Opener, location: str, clock: Clock) -> None:
    """It is this worker's own, and no lost call."""
    store = await opened(location)
    await store.claim(JOB, CALL)
    clock.move(STALE)
    assert await store.confirm(JOB, CALL) == Claim()
    await store.keep(JOB, CALL, KEPT)
    assert (await store.claim(JOB, CALL)).answer == KEPT


@pytest.mark.parametrize("is_answered", [False, True], ids=["in mid-call", "answered"])
async def test_a_claim_that_another_took_over_is_lost(
    opened: Opener, location: str, clock: Clock, is_answered: bool
) -> None:
    """The other's call is waited for, and its answer used."""
    one, two = await opened(location), await opened(location)
    await one.claim(JOB, CALL)
    clock.move(STALE)
    assert (await two.claim(JOB, CALL)).was_lost
    if is_answered:
        await two.keep(JOB, CALL, KEPT)
    claim = await one.confirm(JOB, CALL)
    assert claim.is_busy is not is_answered
    assert claim.answer == (KEPT if is_answered else None)


async def test_a_call_without_a_claim_goes_on(opened: Opener, location: str, clock: Clock) -> None:
    """The store was away when it was begun, and the worker does without."""
    store = await opened(location)
    clock.move(STALE)
    assert await store.confirm(JOB, CALL) == Claim()


class StillGate(Gate):
    """The process stands still while it waits for its turn."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def enter(self, asking: Asking) -> Admission | Held:
        """Let others do what they do meanwhile."""
        entered = await super().enter(asking)
        done = self._meanwhile()
        if asyncio.iscoroutine(done):
            await done
        return entered


@pytest.mark.parametrize("is_answered", [False, True], ids=["in mid-call", "answered"])
async def test_a_worker_that_wakes_does_not_pay_for_what_another_has(
    opened: Opener, location: str, clock: Clock, is_answered: bool
) -> None:
    """It was frozen between its claim and its call: it uses the other's answer, or goes back for it."""
    one: Store = await opened(location)
    two: Store = await opened(location)
    request = tasks().read(job(HEADERS).variables, Redaction()).request

    async def meanwhile() -> None:
        clock.move(STALE)
        assert (await two.claim(job().key, request.fingerprint)).was_lost
        if is_answered:
            await two.keep(job().key, request.fingerprint, KEPT)

    api = FakeApi()
    frozen = Connector(api, tasks(), purchases=Purchases(one), gate=StillGate(meanwhile))
    outcome = await frozen.work(job(HEADERS))
    assert api.requests == []
    if is_answered:
        assert outcome == Completed({"a": "Hello"})
    else:
        assert isinstance(outcome, Failed)
        assert "IN_MID_CALL" in sentences_in(outcome.message)
        assert outcome.retries == 3
