"""Whatever several workers do with some charges, in any order: each counts as what it came to, and once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openai_connector.store.charges import Charge, Drop, Limit, Lose, Open, Pay, Wait
from tests.unit.store.stores import FRESH_FOR, Clock, Opener, totals_at

STALE = FRESH_FOR.total_seconds() + 1
WORKERS, CHARGES = 3, 3
LARGE = Limit("all 1970-01", Decimal(1_000_000))

steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "pay", "pay", "drop", "lose", "wait", "forget", "die"]),
        st.integers(0, WORKERS - 1),
        st.integers(0, CHARGES - 1),
    ),
    max_size=20,
)


def charge(number: int) -> Charge:
    """Return one of the charges, whose id all workers know; each may cost another amount."""
    id_ = f"response {number}"
    return Charge(id_, number + 1, "p", "e", "m", "t", Decimal(10**number), "USD", (LARGE,))


class Model:
    """What must come of one charge, by the simplest means."""

    def __init__(self, most: Decimal) -> None:
        self.most = most
        self.state = ""
        self.owner: int | None = None

    def step(self, step: str, worker: int) -> None:
        match step, self.state:
            case "open", "" | "open" | "lost":
                self.state, self.owner = "open", worker
            case "pay", _:
                self.state, self.owner = "paid", None
            case "drop", "open" | "lost":
                self.state, self.owner = "", None
            case "lose", "" | "open":
                self.state, self.owner = "lost", None
            case "wait", "" | "open" | "lost":
                self.state, self.owner = "open", None
            case "forget", "open" if self.owner is None:
                self.state = "lost"

    def die(self, alive: int) -> None:
        if self.state == "open" and self.owner not in (None, alive):
            self.state, self.owner = "lost", None


async def compare(location: str, order: list[tuple[str, int, int]]) -> None:
    """Do the steps in the store and in the model."""
    opened = Opener(Clock())
    stores = [await opened(location) for _ in range(WORKERS)]
    models = [Model(Decimal(10**number)) for number in range(CHARGES)]
    for turn, (step, worker, number) in enumerate(order):
        store, one = stores[worker], charge(number)
        match step:
            case "open":
                await store.enter(one.job_key, Open(one))
            case "pay":
                await store.enter(one.job_key, Pay(replace(one, amount=one.amount and one.amount / 2), 1, 2))
            case "drop":
                await store.enter(one.job_key, Drop(one))
            case "lose":
                await store.enter(one.job_key, Lose(one))
            case "wait":
                await store.enter(one.job_key, Wait(one, one.id))
            case "forget":
                await store.forget(one.job_key)
            case "die":  # all but this one give no sign of life, and another one comes
                opened.clock.move(STALE)
                await store.claim(100 + turn, "f")
                await (await opened(location)).aclose()
        for index, model in enumerate(models):
            if step == "die":
                model.die(worker)
            elif index == number:
                model.step(step, worker)
    totals = await totals_at(location)
    paid = [model.most / 2 for model in models if model.state == "paid"]
    lost = [model.most for model in models if model.state == "lost"]
    reserved = [model.most for model in models if model.state == "open"]
    assert sum(total.calls for total in totals) == len(paid), order
    assert sum(total.amount for total in totals) == sum(paid), order
    assert sum(total.lost for total in totals) == len(lost), order
    assert sum(total.lost_amount for total in totals) == sum(lost), order
    spent = (await stores[0].budgets([LARGE.key])).get(LARGE.key, Decimal(0))
    assert spent == sum(paid) + sum(lost) + sum(reserved), order
    await opened.close()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_sqlite_counts_as_the_model(order: list[tuple[str, int, int]]) -> None:
    """Whoever opens, pays, drops, loses, waits, ends or dies."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(folder, order))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_postgres_counts_as_the_model(
    empty_database: Callable[[], str], order: list[tuple[str, int, int]]
) -> None:
    """The same in PostgreSQL."""
    asyncio.run(compare(empty_database(), order))
