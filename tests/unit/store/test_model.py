"""Any order of steps of several workers gives what a few lines in memory say."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openai_connector.store import Claim
from tests.unit.store.stores import CALL, FRESH_FOR, Clock, Opener

STALE = FRESH_FOR.total_seconds() + 1
WORKERS, JOBS = 3, 2

steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "claim", "keep", "release", "forget", "freeze", "owe", "owed"]),
        st.integers(0, WORKERS - 1),
        st.integers(0, JOBS - 1),
    ),
    max_size=25,
)


class Model:
    """What a store must say, by the simplest means: one call a job."""

    def __init__(self) -> None:
        self.calls: dict[int, dict[str, Any]] = {}
        self.held: set[tuple[int, int]] = set()
        self.owed: dict[int, int] = {}
        self.alive: set[int] = set(range(WORKERS))

    def claim(self, worker: int, job: int) -> Claim:
        if (worker, job) in self.held:
            return Claim(is_busy=True)
        self.alive.add(worker)
        call = self.calls.setdefault(job, {"owner": None, "begun": 0, "answer": None})
        owner, begun = call["owner"], call["begun"]
        if call["answer"] is not None:
            return Claim(call["answer"], attempts=begun)
        if owner not in (None, worker) and owner in self.alive:
            return Claim(is_busy=True, attempts=begun)
        self.held.add((worker, job))
        if owner == worker:
            return Claim(attempts=begun - 1)
        call.update(owner=worker, begun=begun + 1)
        return Claim(was_lost=owner is not None, attempts=begun)

    def keep(self, worker: int, job: int, answer: Any) -> None:
        self.held.discard((worker, job))
        call = self.calls.setdefault(job, {"owner": None, "begun": 0, "answer": None})
        call.update(owner=None, begun=call["begun"] - (call["owner"] == worker), answer=answer)

    def release(self, worker: int, job: int) -> None:
        self.held.discard((worker, job))
        call = self.calls.get(job)
        if call and call["owner"] == worker and call["answer"] is None:
            call.update(owner=None, begun=call["begun"] - 1)
            if not call["begun"]:
                del self.calls[job]

    def forget(self, job: int) -> None:
        self.calls.pop(job, None)
        self.owed.pop(job, None)

    def adopt(self, worker: int) -> list[int]:
        adopted = [job for job, owner in self.owed.items() if owner != worker and owner not in self.alive]
        self.owed |= dict.fromkeys(adopted, worker)
        return sorted(adopted)


async def compare(location: str, order: list[tuple[str, int, int]]) -> None:
    """Do the steps in the store and in the model."""
    opened = Opener(Clock())
    stores = [await opened(location) for _ in range(WORKERS)]
    model = Model()
    for number, (step, worker, job) in enumerate(order):
        store, answer = stores[worker], {"number": number}
        match step:
            case "claim":
                assert await store.claim(job, CALL) == model.claim(worker, job), (number, order)
            case "keep":
                await store.keep(job, CALL, answer)
                model.keep(worker, job, answer)
            case "release":
                await store.release(job, CALL)
                model.release(worker, job)
            case "forget":
                await store.forget(job)
                model.forget(job)
            case "owe":
                await store.owe(job, "{}")
                model.owed[job] = worker
            case "owed":
                assert sorted(owed.job_key for owed in await store.owed()) == model.adopt(worker), order
            case "freeze":  # all but this one give no sign of life; it claims another job
                opened.clock.move(STALE)
                await store.claim(JOBS + number, CALL)
                model.alive = {worker}
    await opened.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_sqlite_does_as_the_model(order: list[tuple[str, int, int]]) -> None:
    """Whoever claims, keeps, releases, forgets or freezes, in any order."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(folder, order))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_postgres_does_as_the_model(
    empty_database: Callable[[], str], order: list[tuple[str, int, int]]
) -> None:
    """The same in PostgreSQL."""
    asyncio.run(compare(empty_database(), order))
