"""The event loop never waits for the store, and many jobs share a write."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openai_connector.store import StoreError, durable
from openai_connector.store.sqlite import SqliteTables
from openai_connector.store.tables import Call
from tests.unit.store.stores import CALL, JOB, KEPT, Opener

SLOW = 0.5
"""How long the slow database takes; the bounds below tell "waited for it" from "did not", on any machine."""


class SlowTables(SqliteTables):
    """A file on a disk that takes its time, and counts what is written at once."""

    delay = SLOW

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.batches: list[int] = []

    def keep(self, answers: Any, owner: str, now: float) -> None:
        """Keep, slowly."""
        self.batches.append(len(answers))
        time.sleep(self.delay)
        super().keep(answers, owner, now)

    def begin(self, calls: Any, owner: str, now: float) -> set[Call]:
        """Begin, slowly."""
        time.sleep(self.delay)
        return super().begin(calls, owner, now)


class Gaps:
    """The longest time in which the event loop did nothing else."""

    longest = 0.0


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Gaps]:
    """Measure how long the event loop stands still."""
    gaps = Gaps()

    async def look() -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            gaps.longest = max(gaps.longest, time.monotonic() - before)
            before = time.monotonic()

    task = asyncio.create_task(look())
    yield gaps
    task.cancel()


async def test_a_slow_disk_does_not_stop_the_loop(opened: Opener, tmp_path: Path) -> None:
    """Jobs wait for it, all others go on."""
    store = await opened(str(tmp_path), SlowTables(tmp_path / "store"))
    async with watched() as gaps:
        await store.claim(JOB, CALL)
        await store.keep(JOB, CALL, KEPT)
    assert gaps.longest < SLOW / 2


async def test_many_writes_share_a_transaction(opened: Opener, tmp_path: Path) -> None:
    """What comes while the disk is busy is written at once then."""
    tables = SlowTables(tmp_path / "store")
    store = await opened(str(tmp_path), tables)
    await asyncio.gather(*(store.keep(job_key, CALL, KEPT) for job_key in range(200)))
    assert sum(tables.batches) == 200
    assert len(tables.batches) <= 10
    assert (await store.claim(199, CALL)).answer == KEPT


async def test_a_busy_worker_gathers_for_a_moment(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a write of several jobs what comes in shares the next one; a lone job has not waited for it."""
    monkeypatch.setattr(durable, "SPACING", 3600.0)
    tables = SlowTables(tmp_path / "store")
    tables.delay = 0.0
    store = await opened(str(tmp_path), tables)
    for job_key in range(3):
        await store.keep(job_key, CALL, KEPT)
    assert tables.batches == [1, 1, 1]
    monkeypatch.setattr(durable, "SPACING", 0.3)
    await asyncio.gather(store.keep(3, CALL, KEPT), store.keep(4, CALL, KEPT))
    later = [asyncio.create_task(store.keep(5, CALL, KEPT))]
    await asyncio.sleep(0.05)
    later.append(asyncio.create_task(store.keep(6, CALL, KEPT)))
    await asyncio.gather(*later)
    assert tables.batches == [1, 1, 1, 2, 2]


async def test_steps_of_one_job_keep_their_order(opened: Opener, location: str) -> None:
    """Even where they are given without waiting for each other."""
    store = await opened(location)
    await asyncio.gather(
        *(
            step
            for job_key in range(50)
            for step in (store.keep(job_key, CALL, KEPT), store.owe(job_key, "{}"), store.forget(job_key))
        )
    )
    assert all([(await store.claim(job_key, CALL)).is_ours for job_key in range(50)])


async def test_a_huge_answer_does_not_stop_the_loop(opened: Opener, tmp_path: Path) -> None:
    """10 MB of log probabilities, of which the encoder makes one text in one go, if it is let."""
    token = {
        "token": "a",
        "logprob": -0.25,
        "bytes": [97],
        "top_logprobs": [{"token": "b", "logprob": -1.5}] * 5,
    }
    answer = {**KEPT, "body": {"choices": [{"logprobs": {"content": [token] * 40_000}}]}}
    store = await opened(str(tmp_path), patience=timedelta(seconds=60))
    begin = time.monotonic()
    async with watched() as gaps:
        await store.keep(JOB, CALL, answer)
    assert gaps.longest < (time.monotonic() - begin) / 2


async def test_an_answer_that_is_no_json_harms_no_other(opened: Opener, location: str) -> None:
    """One job goes on without the store; those whose answers share its transaction have them stored."""
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"a": nested}
    store = await opened(location)
    hostile: list[Any] = [{"body": object()}, nested, {"body": {1, 2}}]
    kept = await asyncio.gather(
        *(store.keep(job_key, CALL, answer) for job_key, answer in enumerate([*hostile, KEPT, KEPT])),
        return_exceptions=True,
    )
    assert [type(result) for result in kept] == [StoreError] * 3 + [type(None)] * 2
    assert store.is_healthy
    assert (await store.claim(4, CALL)).answer == KEPT


async def test_what_is_in_the_queue_is_written_before_the_end(opened: Opener, tmp_path: Path) -> None:
    """A worker that stops closes the store, not its answers."""
    tables = SlowTables(tmp_path / "store")
    store = await opened(str(tmp_path), tables)
    keeping = [asyncio.create_task(store.keep(job_key, CALL, KEPT)) for job_key in range(5)]
    await asyncio.sleep(0)
    keeping[0].cancel()
    await store.aclose()
    await asyncio.gather(*keeping, return_exceptions=True)
    again = await opened(str(tmp_path), SqliteTables(tmp_path / "store"))
    assert all([(await again.claim(job_key, CALL)).answer == KEPT for job_key in range(5)])


async def test_a_disk_that_hangs_is_given_up(opened: Opener, tmp_path: Path) -> None:
    """Jobs wait for so long and no longer, and the worker can end; the store comes back with the disk."""
    tables = SlowTables(tmp_path / "store")
    tables.delay = 1.0
    store = await opened(str(tmp_path), tables, patience=timedelta(seconds=0.2))
    with pytest.raises(StoreError):
        await store.claim(JOB, CALL)
    assert not store.is_healthy
    tables.delay = 0.0
    async with asyncio.timeout(20):
        while not store.is_healthy:
            await asyncio.sleep(0.05)
    assert (await store.claim(JOB, CALL)).is_ours
    tables.delay = 30.0
    with pytest.raises(StoreError):
        await store.keep(JOB, CALL, KEPT)
    await store.aclose()
