"""What calls cost is counted once, in both databases, whatever becomes of the calls and their workers."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openai_connector.spending import storable
from openai_connector.store import StoreError, postgres, sqlite
from openai_connector.store.charges import (
    Charge,
    Drop,
    Limit,
    Lose,
    Open,
    Over,
    Pay,
    Row,
    State,
    Total,
    Wait,
    charged,
    read,
    written,
)
from openai_connector.store.sqlite import SqliteTables
from tests.unit.store.stores import (
    CALL,
    FRESH_FOR,
    JOB,
    KEPT,
    Clock,
    Opener,
    is_postgres,
    tables_at,
    totals_at,
    until,
)

STALE = FRESH_FOR.total_seconds() + 1
DAY = 86400.0
FIRST_DAY = date(1970, 1, 12)
"""Of the stores' clock."""
LIMIT = Limit("team 1970-01", Decimal(10))


def charge(id_: str = "1", amount: str | None = "3", *budgets: Limit, job: int = JOB) -> Charge:
    """Return what a call may cost."""
    most = None if amount is None else Decimal(amount)
    return Charge(id_, job, "order", "ask", "gpt-6-luna", "<default>", most, "USD", budgets)


def paid(of: Charge, amount: str | None = "1.000000000000000001", given: int = 10, made: int = 20) -> Pay:
    """Return what it did cost."""
    return Pay(replace(of, amount=None if amount is None else Decimal(amount)), given, made)


async def figures(location: str) -> tuple[Any, ...]:
    """Return the only total's calls, amount, lost calls and their amount."""
    totals = await totals_at(location)
    assert len(totals) <= 1
    return tuple((one.calls, one.amount, one.lost, one.lost_amount) for one in totals)


ANSWERED = ((1, Decimal("1.000000000000000001"), 0, Decimal(0)),)
LOST = ((0, Decimal(0), 1, Decimal(3)),)


class Away(SqliteTables):
    """A file that cannot be written for a while."""

    is_away = False

    def transaction(self) -> AbstractContextManager[object]:
        """Begin or fail."""
        if self.is_away:
            raise OSError
        return super().transaction()


class Unsure(Away):
    """A file that says once that totals were not written, though they were."""

    unsure = 0
    _has_totals = False

    def add_to_totals(self, *given: Any) -> None:
        """Note that there are some."""
        self._has_totals = True
        super().add_to_totals(*given)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write, and raise."""
        self._has_totals = False
        with super().transaction():
            yield
        if self.unsure and self._has_totals:
            self.unsure -= 1
            raise OSError


class TestWritten:
    """How a charge is kept with its limits."""

    LIMITS = (LIMIT, Limit("a", Decimal("0.5"), "EUR", is_reserved=False), Limit("b", Decimal(2), "USD"))

    def test_it_is_read_as_it_was_written(self) -> None:
        """With the currency of each limit."""
        row = Row(charge("1", "3", *self.LIMITS), State.OPEN, "me", "1970-01-12", reserved=Decimal(3))
        assert read(written(row), "1", "open", "me") == row

    def test_an_earlier_one_has_no_currencies(self) -> None:
        """It counts whatever it did cost."""
        text = '[[1, "order", "ask", "m", "t", "3", "USD", [["team", "10"]]], "1970-01-12", 0, 0, "3"]'
        row = read(text, "1", "open", None)
        assert row.charge.budgets == (Limit("team", Decimal(10)),)
        assert charged(row) == {"team": 3}


class TestTotals:
    """What is told of a day."""

    async def test_an_answered_call_is_counted_with_its_labels(self, opened: Opener, location: str) -> None:
        """Amounts are exact, to the last digit."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, KEPT, paid(charge()))
        amount = Decimal("1.000000000000000001")
        assert await totals_at(location) == [
            Total(
                FIRST_DAY, "order", "ask", "gpt-6-luna", "<default>", "USD", 1, 10, 20, amount, 0,
                Decimal(0), 0,
            )
        ]  # fmt: skip

    async def test_many_small_amounts_are_added_exactly(self, opened: Opener, location: str) -> None:
        """No sum is rounded, also beyond the digits of a float."""
        store = await opened(location)
        amounts = ["1000000.1", "0.000000000000000003", "0.1", "0.2"]
        for job, amount in enumerate(amounts):
            one = charge(str(job), job=job)
            await store.claim(job, CALL, one)
            await store.keep(job, CALL, KEPT, paid(one, amount))
        (total,) = await totals_at(location)
        assert total.amount == Decimal("1000000.400000000000000003")

    async def test_a_call_without_a_price_is_counted_apart(self, opened: Opener, location: str) -> None:
        """It adds nothing to the amount."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge(amount=None))
        await store.keep(JOB, CALL, KEPT, paid(charge(), None))
        (total,) = await totals_at(location)
        assert (total.calls, total.unpriced, total.input) == (1, 1, 10)
        assert total.amount == 0

    async def test_days_are_told_apart_and_chosen(self, opened: Opener, location: str) -> None:
        """Of several days those since a day are told, the earliest first."""
        store = await opened(location)
        for job in range(3):
            one = charge(str(job), job=job)
            await store.claim(job, CALL, one)
            await store.keep(job, CALL, KEPT, paid(one, "1"))
            opened.clock.move(DAY)
        assert [total.day for total in await totals_at(location)] == [
            date(1970, 1, day) for day in (12, 13, 14)
        ]
        assert [total.day for total in await totals_at(location, date(1970, 1, 14))] == [date(1970, 1, 14)]

    async def test_they_outlive_answers(self, opened: Opener, location: str, clock: Clock) -> None:
        """Answers go after their retention, totals stay for 400 days."""
        store = await opened(location, retention=timedelta(days=1))
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, KEPT, paid(charge()))
        for days, expected in (399, ANSWERED), (3, ()):
            clock.move(days * DAY)
            await (await opened(location, retention=timedelta(days=1))).aclose()
            assert await figures(location) == expected

    async def test_nothing_of_the_content_is_in_them(self, opened: Opener, tmp_path: Path) -> None:
        """Charges and totals hold names and numbers."""
        store = await opened(str(tmp_path))
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, {"body": "my private words"}, paid(charge()))
        with sqlite3.connect(tmp_path / "store.sqlite3") as file:
            rows = [*file.execute("SELECT * FROM charges"), *file.execute("SELECT * FROM totals")]
        assert len(rows) == 2
        assert "private" not in str(rows)


class TestOnce:
    """Whatever is said twice, or by two."""

    @pytest.mark.parametrize("times", [1, 2, 3])
    async def test_an_answer_that_is_kept_again(self, opened: Opener, location: str, times: int) -> None:
        """The same purchase is counted once."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        for _ in range(times):
            await store.keep(JOB, CALL, KEPT, paid(charge()))
        assert await figures(location) == ANSWERED

    async def test_an_answer_that_is_used_again_costs_nothing(self, opened: Opener, location: str) -> None:
        """Its second charge is never opened."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, KEPT, paid(charge()))
        assert (await store.claim(JOB, CALL, charge("2", "3", LIMIT))).answer == KEPT
        assert await figures(location) == ANSWERED
        assert await store.budgets([LIMIT.key]) == {}

    async def test_a_call_whose_claim_the_store_did_not_take(self, opened: Opener, location: str) -> None:
        """It is counted all the same when its answer is kept."""
        store = await opened(location)
        await store.keep(JOB, CALL, KEPT, paid(charge()))
        assert await figures(location) == ANSWERED

    async def test_an_answer_that_waited_and_is_fetched_by_two(self, opened: Opener, location: str) -> None:
        """Whoever fetches it first counts it."""
        one, two = await opened(location), await opened(location)
        await one.claim(JOB, CALL, charge())
        await one.keep(JOB, CALL, {"waiting": "resp_1"}, Wait(charge(), "resp_1"))
        assert await figures(location) == ()
        fetched = charge("resp_1")
        await asyncio.gather(*(each.keep(JOB, CALL, KEPT, paid(fetched)) for each in (one, two)))
        assert await figures(location) == ANSWERED

    async def test_a_call_that_waits_and_was_begun_in_an_outage(self, opened: Opener, tmp_path: Path) -> None:
        """What it may cost is reserved as soon as the store is back, and counts once when it is fetched."""
        tables = Away(tmp_path / "store.sqlite3", clock=opened.clock)
        store = await opened(str(tmp_path), tables)
        tables.is_away = True
        limited = charge("1", "3", LIMIT)
        with pytest.raises(StoreError):
            await store.claim(JOB, CALL, limited)
        with pytest.raises(StoreError):
            await store.keep(JOB, CALL, {"waiting": "resp_1"}, Wait(limited, "response resp_1"))
        tables.is_away = False
        await until(lambda: store.is_healthy)
        assert await store.budgets([LIMIT.key]) == {LIMIT.key: 3}
        other = await opened(str(tmp_path))
        await other.keep(JOB, CALL, KEPT, paid(replace(limited, id="response resp_1"), "1"))
        assert await store.budgets([LIMIT.key]) == {LIMIT.key: 1}
        assert await figures(str(tmp_path)) == ((1, Decimal(1), 0, Decimal(0)),)

    @pytest.mark.parametrize("is_fetched", [False, True], ids=["waits", "fetched"])
    async def test_a_wait_that_is_told_twice_reserves_once(
        self, opened: Opener, location: str, is_fetched: bool
    ) -> None:
        """Whether it was written is not known after an outage, and somebody may have fetched it since."""
        store = await opened(location)
        limited = charge("1", "3", LIMIT)
        await store.claim(JOB, CALL, limited)
        waits = Wait(limited, "response resp_1")
        await store.keep(JOB, CALL, {"waiting": "resp_1"}, waits)
        if is_fetched:
            await store.keep(JOB, CALL, KEPT, paid(replace(limited, id="response resp_1"), "1"))
        await store.enter(JOB, waits)
        assert await store.budgets([LIMIT.key]) == {LIMIT.key: 1 if is_fetched else 3}

    async def test_an_answer_that_is_fetched_again_when_its_job_has_ended(
        self, opened: Opener, location: str, clock: Clock
    ) -> None:
        """A worker that had the job too comes late; what is left of the charge goes after an hour."""
        one, two = await opened(location), await opened(location)
        await one.claim(JOB, CALL, charge())
        await one.keep(JOB, CALL, {"waiting": "resp_1"}, Wait(charge(), "response resp_1"))
        fetched = charge("response resp_1")
        await one.keep(JOB, CALL, KEPT, paid(fetched))
        await one.forget(JOB)
        await two.keep(JOB, CALL, KEPT, paid(fetched))
        assert await figures(location) == ANSWERED
        clock.move(3601)
        await opened(location)
        await one.enter(JOB, Pay(fetched, is_known=True))
        assert await figures(location) == ANSWERED

    async def test_two_calls_of_one_job_are_two(self, opened: Opener, location: str) -> None:
        """A second call has a charge of its own, without an intent."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        await store.enter(JOB, Open(charge("2")))
        await store.enter(JOB, paid(charge("2"), "2"))
        await store.keep(JOB, CALL, KEPT, paid(charge(), "1"))
        assert await figures(location) == ((2, Decimal(3), 0, Decimal(0)),)

    async def test_what_could_not_be_written_is_written_later(self, opened: Opener, tmp_path: Path) -> None:
        """The store was away while the answer was kept, and is told when it is back."""
        tables = Away(tmp_path / "store.sqlite3", clock=opened.clock)
        store = await opened(str(tmp_path), tables)
        await store.claim(JOB, CALL, charge())
        tables.is_away = True
        with pytest.raises(StoreError):
            await store.keep(JOB, CALL, KEPT, paid(charge()))
        with pytest.raises(StoreError):
            await store.forget(JOB)
        tables.is_away = False
        await until(lambda: store.is_healthy)
        assert await figures(str(tmp_path)) == ANSWERED

    async def test_a_return_whose_end_is_not_known_counts_once(self, opened: Opener, tmp_path: Path) -> None:
        """What was written with it is written again: the charge must still be there then."""
        tables = Unsure(tmp_path / "store.sqlite3", clock=opened.clock)
        store = await opened(str(tmp_path), tables)
        await store.claim(JOB, CALL, charge())
        tables.is_away = True
        with pytest.raises(StoreError):
            await store.keep(JOB, CALL, KEPT, paid(charge()))
        with pytest.raises(StoreError):
            await store.forget(JOB)
        tables.is_away, tables.unsure = False, 1
        await until(lambda: store.is_healthy and not tables.unsure)
        assert await figures(str(tmp_path)) == ANSWERED

    async def test_a_call_that_broke_off_while_the_store_was_away(
        self, opened: Opener, location: str
    ) -> None:
        """Nothing of it was reserved, and it may have been paid for all the same."""
        store = await opened(location)
        await store.enter(JOB, Lose(charge("1", "3", LIMIT)))
        await store.enter(JOB, Lose(charge("1", "3", LIMIT)))
        assert await figures(location) == LOST
        assert (await store.budgets([LIMIT.key]))[LIMIT.key] == 3

    async def test_any_models_name_can_be_stored(self, opened: Opener, location: str) -> None:
        """Nobody may take the store from a fleet by a character that a database refuses."""
        store = await opened(location)
        name = storable("gpt\0\ud800" + "x" * 500)
        assert len(name) <= 200
        await store.enter(JOB, Lose(replace(charge(), model=name)))
        assert store.is_healthy
        assert [total.model for total in await totals_at(location)] == [name]


class TestGone:
    """Workers that are killed, or seem so."""

    async def test_its_call_counts_as_lost_with_what_was_reserved(
        self, opened: Opener, location: str, clock: Clock
    ) -> None:
        """The next sign of life of another worker finds it; the call that replaces it is counted besides."""
        one = await opened(location)
        await one.claim(JOB, CALL, charge())
        clock.move(STALE)
        two = await opened(location)
        assert (await two.claim(JOB, CALL, charge("2"))).was_lost
        await two.keep(JOB, CALL, KEPT, paid(charge("2"), "1"))
        assert await figures(location) == ((1, Decimal(1), 1, Decimal(3)),)

    async def test_one_that_only_stood_still_corrects_it(
        self, opened: Opener, location: str, clock: Clock
    ) -> None:
        """Its answer was no loss after all."""
        one = await opened(location)
        await one.claim(JOB, CALL, charge())
        clock.move(STALE)
        await opened(location)
        assert await figures(location) == LOST
        await one.keep(JOB, CALL, KEPT, paid(charge()))
        assert [line for line in await figures(location) if any(line)] == list(ANSWERED)

    async def test_an_answer_in_its_notes_is_counted_once(self, opened: Opener, tmp_path: Path) -> None:
        """Whether the database had it before the kill or not."""
        for name, is_written in ("written", True), ("not written", False):
            folder = tmp_path / name
            one = await opened(str(folder))
            await one.claim(JOB, CALL, charge())
            keeping = asyncio.ensure_future(one.keep(JOB, CALL, KEPT, paid(charge())))
            await asyncio.sleep(0)
            (notes,) = folder.glob("*.notes")
            shutil.copy(notes, folder / "copy")
            await keeping
            if not is_written:
                await one.enter(JOB, Open(charge()))
                with sqlite3.connect(folder / "store.sqlite3") as file:
                    file.execute("UPDATE charges SET state = 'open', owner = 'gone'")
                    file.execute("DELETE FROM totals")
            else:
                await one.forget(JOB)
            (folder / "copy").rename(folder / "store.sqlite3-gone.notes")
            await opened(str(folder))
            assert await figures(str(folder)) == ANSWERED, name

    async def test_a_job_that_ends_without_its_answer(self, opened: Opener, location: str) -> None:
        """What waits for it at the API may be paid for; what another worker is doing is not known yet."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, {"waiting": "resp_1"}, Wait(charge(), "resp_1"))
        await store.enter(JOB, Open(charge("2")))
        await store.forget(JOB)
        assert await figures(location) == LOST

    async def test_an_answer_that_nobody_fetches_is_lost_by_its_age(
        self, opened: Opener, location: str, clock: Clock
    ) -> None:
        """After the retention; not before a batch can have answered, however short that is."""
        store = await opened(location, retention=timedelta(hours=6))
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, {"waiting": "resp_1"}, Wait(charge(), "resp_1"))
        clock.move(DAY)
        await opened(location, retention=timedelta(hours=6))
        assert await figures(location) == ()
        clock.move(2 * DAY)
        await opened(location, retention=timedelta(hours=6))
        assert await figures(location) == LOST


class TestNothingBought:
    """Calls that end without an answer."""

    async def test_nothing_was_sent(self, opened: Opener, location: str) -> None:
        """Nothing is counted."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge("1", "3", LIMIT))
        await store.release(JOB, CALL, Drop(charge()))
        assert await figures(location) == ()
        assert (await store.budgets([LIMIT.key])).get(LIMIT.key, Decimal(0)) == 0

    async def test_it_broke_off_after_it_was_sent(self, opened: Opener, location: str) -> None:
        """It counts as lost."""
        store = await opened(location)
        await store.claim(JOB, CALL, charge())
        await store.release(JOB, CALL, Lose(charge()))
        assert await figures(location) == LOST


class TestBudgets:
    """Calls that must fit into what may be spent."""

    async def test_what_does_not_fit_is_not_claimed(self, opened: Opener, location: str) -> None:
        """Reserved counts as spent; settled, what it did cost; the intent is free for others."""
        one, two = await opened(location), await opened(location)
        for job in range(3):
            claim = await one.claim(job, CALL, charge(str(job), "3", LIMIT, job=job))
            assert claim.is_ours
            assert claim.spent == {LIMIT.key: 3 * (job + 1)}
        refused = await two.claim(9, CALL, charge("9", "3", LIMIT, job=9))
        assert not refused.is_ours
        assert refused.over is not None
        assert refused.over == Over(LIMIT.key, Decimal(9), Decimal(10))
        await one.keep(0, CALL, KEPT, paid(charge("0", "3", LIMIT), "0.5"))
        assert (await two.claim(9, CALL, charge("9", "3", LIMIT, job=9))).is_ours
        assert await one.budgets([LIMIT.key]) == {LIMIT.key: Decimal("9.5")}

    async def test_the_first_call_of_all_may_be_refused(self, opened: Opener, location: str) -> None:
        """Nothing is spent of its budget yet, and the store works on."""
        store = await opened(location)
        claim = await store.claim(JOB, CALL, charge("1", "11", LIMIT))
        assert claim.over is not None
        assert claim.spent == {LIMIT.key: 0}
        assert (await store.enter(JOB, Open(charge("2", "11", LIMIT)))).over is not None
        assert store.is_healthy

    async def test_workers_that_ask_at_once_do_not_overdraw(self, opened: Opener, location: str) -> None:
        """Three stores, sixty calls, room for ten."""
        stores = [await opened(location) for _ in range(3)]
        claims = await asyncio.gather(
            *(
                store.claim(10 * job + n, CALL, charge(f"{job}-{n}", "1", LIMIT, job=10 * job + n))
                for job in range(20)
                for n, store in enumerate(stores)
            )
        )
        assert sum(claim.is_ours for claim in claims) == 10
        assert await stores[0].budgets([LIMIT.key]) == {LIMIT.key: 10}

    async def test_a_killed_call_stays_spent(self, opened: Opener, location: str, clock: Clock) -> None:
        """With what was reserved for it."""
        one = await opened(location)
        await one.claim(JOB, CALL, charge("1", "6", LIMIT))
        clock.move(STALE)
        two = await opened(location)
        assert (await two.claim(JOB, CALL, charge("2", "6", LIMIT))).over is not None
        assert (await two.claim(JOB, CALL, charge("3", "4", LIMIT))).is_ours

    async def test_a_second_call_is_refused_too(self, opened: Opener, location: str) -> None:
        """One without an intent."""
        store = await opened(location)
        assert (await store.enter(JOB, Open(charge("1", "6", LIMIT)))).is_ours
        assert (await store.enter(JOB, Open(charge("2", "6", LIMIT)))).over is not None

    async def test_a_claim_that_is_looked_up_again_is_reserved_once(
        self, opened: Opener, location: str, clock: Clock
    ) -> None:
        """Also where its worker was thought dead in between."""
        store = await opened(location)
        one = charge("1", "6", LIMIT)
        await store.claim(JOB, CALL, one)
        clock.move(STALE)
        await opened(location)
        await asyncio.sleep(0.15)
        assert (await store.confirm(JOB, CALL, one)).is_ours
        assert await store.budgets([LIMIT.key]) == {LIMIT.key: 6}
        assert not any(any(line) for line in await figures(location))


class TestOlderStores:
    """Stores of the version before charges."""

    async def test_it_is_opened_and_counts_from_now_on(self, opened: Opener, location: str) -> None:
        """An answer in it is still there, and costs nothing more."""
        module = postgres if is_postgres(location) else sqlite
        old = tables_at(location, opened.clock, migrations=module.MIGRATIONS[:1])
        old.open()
        with old.transaction():
            old.beat("old", "", opened.clock())
            old.begin([(JOB + 1, CALL)], "old", opened.clock())
        old.close()
        store = await opened(location)
        assert (await store.claim(JOB + 1, CALL, charge())).is_busy
        await store.claim(JOB, CALL, charge())
        await store.keep(JOB, CALL, KEPT, paid(charge()))
        assert await figures(location) == ANSWERED
