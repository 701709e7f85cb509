"""What a store meets is told as events, once until it is well again, and the log says what to do."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openai_connector.contract import HELD_BACK
from openai_connector.job import Completed, Failed
from openai_connector.observe.events import (
    AnswerUnkept,
    EntryUnreadable,
    Event,
    Events,
    StoreDamaged,
    StoreFound,
    StoreFull,
    StoreLost,
    StorePurged,
    StoreRoom,
)
from openai_connector.observe.logs import log_event
from openai_connector.purchases import Purchases, telling
from openai_connector.store import Met, News, StoreError, StoreOptions
from openai_connector.store.durable import DurableStore
from tests.make import FakeApi, connector, job, sentences_in
from tests.unit.store.stores import CALL, JOB, KEPT, Opener, tables_at, until

LARGE = {"body": "x" * 300_000}


class BrokenError(Exception):
    """What the database raises."""


class Switch:
    """Tables that can be broken: everything but their opening fails then."""

    def __init__(self, tables: Any) -> None:
        self._tables = tables
        self.problems: list[str] = []
        """The sentences of what fails next; empty: nothing does."""
        self.looks = 0

    def check(self) -> None:
        """Count how often the store is looked after."""
        self.looks += 1
        self._tables.check()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def transaction(self) -> Any:
        """Begin one, or fail."""
        if self.problems:
            raise BrokenError
        return self._tables.transaction()

    def explain(self, error: Exception) -> StoreError:
        """Return the next problem, the last again and again."""
        return StoreError(self.problems[0] if len(self.problems) == 1 else self.problems.pop(0))


@pytest.fixture
def told() -> list[Event]:
    """Return the events of a test."""
    return []


def heard(told: list[Event], *, is_required: bool = False) -> Any:
    """Return what makes events of news, for the test and for the log."""
    return telling(Events(told.append, log_event), is_required=is_required)


def sentences(caplog: pytest.LogCaptureFixture, level: str) -> list[set[str]]:
    """Return the ids of the sentences of each log line of a level."""
    return [sentences_in(record.getMessage()) for record in caplog.records if record.levelname == level]


async def fails(store: DurableStore, job_key: int = JOB) -> None:
    """Keep an answer, which fails."""
    with pytest.raises(StoreError):
        await store.keep(job_key, CALL, KEPT)


class TestStoreThatIsAway:
    """Lost and found."""

    async def test_each_trouble_is_told_once_until_it_works(
        self, opened: Opener, tmp_path: Path, told: list[Event]
    ) -> None:
        """Troubles that alternate are no news; what was not stored meanwhile is counted."""
        tables = Switch(tables_at(str(tmp_path), opened.clock))
        store = await opened(str(tmp_path), tables, tell=heard(told))
        tables.problems = ["one", "two", "one", "two", "one"]
        await fails(store)
        await until(lambda: len(tables.problems) == 1)
        await fails(store, JOB + 1)
        tables.problems = []
        await until(lambda: store.is_healthy)
        assert [type(event) for event in told] == [StoreFound, StoreLost, StoreLost, StoreFound]
        assert [event.problem for event in told if isinstance(event, StoreLost)] == ["one", "two"]
        first, again = (event for event in told if isinstance(event, StoreFound))
        assert (first.seconds, first.unkept) == (0.0, 0)
        assert again.seconds > 0
        assert again.unkept == 2

    async def test_it_may_be_away_at_the_start(
        self, opened: Opener, tmp_path: Path, told: list[Event]
    ) -> None:
        """It is lost then, and found for the first time."""
        tables = Switch(tables_at(str(tmp_path), opened.clock))
        tables.problems = ["away"]
        store = await opened(str(tmp_path), tables, tell=heard(told))
        tables.problems = []
        await until(lambda: store.is_healthy)
        assert [type(event) for event in told] == [StoreLost, StoreFound]

    @pytest.mark.parametrize("is_required", [False, True], ids=["not_required", "required"])
    async def test_the_log_says_what_it_means(
        self, caplog: pytest.LogCaptureFixture, told: list[Event], is_required: bool
    ) -> None:
        """Whether jobs are taken meanwhile, at what risk, and how to have it otherwise."""
        tell = heard(told, is_required=is_required)
        with caplog.at_level(logging.INFO):
            tell(News(Met.LOST, "the disk is full"))
            tell(News(Met.FULL, "the store is full"))
            tell(News(Met.FOUND, seconds=2.5, count=3))
        end = "STORE_WAITS" if is_required else "STORE_GOES_ON"
        assert sentences(caplog, "WARNING") == [{"STORE_LOST", end}] * 2
        (found,) = sentences(caplog, "INFO")
        assert found >= {"STORE_WORKS_AGAIN", "STORE_UNKEPT"}

    async def test_an_answer_that_is_not_stored_is_an_event(self, told: list[Event]) -> None:
        """Whoever counts what may be lost can."""
        store = DurableStore("", StoreOptions(), Switch(None))
        purchases = Purchases(store, events=Events(told.append))
        assert not await purchases.keep(job(), CALL, KEPT)
        assert told == [AnswerUnkept(job())]


class TestFullStore:
    """It takes no more answers, and all else works."""

    async def fill(self, store: DurableStore) -> None:
        """Fill it, so that the next large answer is one too many."""
        await store.keep(JOB, CALL, LARGE)
        for job_key in (JOB + 1, JOB + 2):
            with pytest.raises(StoreError):
                await store.keep(job_key, CALL, LARGE)

    async def test_it_is_told_once_until_there_is_room(
        self, opened: Opener, tmp_path: Path, told: list[Event]
    ) -> None:
        """A small answer that still fits is no sign of room."""
        tables = Switch(tables_at(str(tmp_path), opened.clock))
        soon = timedelta(seconds=0.2)
        store = await opened(str(tmp_path), tables, max_bytes=400_000, tell=heard(told), fresh_for=soon)
        await self.fill(store)
        await store.keep(JOB + 3, CALL, KEPT)
        looks = tables.looks
        await until(lambda: tables.looks >= looks + 3)
        assert store.is_full
        await store.forget(JOB)
        await until(lambda: len(told) == 3)
        assert not store.is_full
        assert [type(event) for event in told] == [StoreFound, StoreFull, StoreRoom]
        assert told[-1] == StoreRoom(unkept=2)

    async def test_required_it_takes_no_jobs(self, opened: Opener, tmp_path: Path) -> None:
        """Nothing is bought that could not be stored; what is stored already is used."""
        store = await opened(str(tmp_path), max_bytes=400_000)
        purchases = Purchases(store, is_required=True)
        assert purchases.pause() is None
        await self.fill(store)
        pause = purchases.pause()
        assert pause is not None
        assert pause.jobs == 0
        assert await purchases.begin(job(key=JOB), CALL) == LARGE
        api = FakeApi()
        at = connector(api, purchases=purchases)
        outcome = await at.work(job(key=JOB + 9))
        assert isinstance(outcome, Failed)
        assert outcome.retries == 3
        assert "STORE_FULL" in sentences_in(outcome.message)
        assert api.requests == []
        assert (await store.claim(JOB + 9, "other")).is_ours

    async def test_not_required_it_is_gone_on_without(self, opened: Opener, tmp_path: Path) -> None:
        """The answer is bought, and not stored."""
        store = await opened(str(tmp_path), max_bytes=400_000)
        purchases = Purchases(store)
        await self.fill(store)
        assert purchases.pause() is None
        outcome = await connector(FakeApi(), purchases=purchases).work(job(key=JOB + 9))
        assert isinstance(outcome, Completed)


class TestEntryThatCannotBeRead:
    """An answer that was changed, or whose key is missing."""

    async def test_required_or_not_it_is_bought_again(
        self, opened: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture, told: list[Event]
    ) -> None:
        """A store that works is no reason to hold a job back; the log says it once for many of them."""
        first = await opened(str(tmp_path), keys=(b"a" * 32,))
        for job_key in range(5):
            await first.keep(job_key, CALL, KEPT)
        store = await opened(str(tmp_path), keys=(b"b" * 32,), tell=heard(told, is_required=True))
        purchases = Purchases(store, is_required=True)
        with caplog.at_level(logging.INFO):
            for job_key in range(5):
                assert await purchases.begin(job(key=job_key), CALL) is None
        unreadable = [event for event in told if isinstance(event, EntryUnreadable)]
        assert [event.count for event in unreadable] == [1, 2, 3, 4, 5]
        assert sentences(caplog, "WARNING") == [{"STORE_KEY_MISSING"}]
        assert HELD_BACK not in caplog.text


@pytest.mark.parametrize(
    ("news", "event", "level"),
    [
        pytest.param(News(Met.DAMAGED, "x.damaged"), StoreDamaged("x.damaged"), "ERROR", id="damaged"),
        pytest.param(News(Met.PURGED, count=3), StorePurged(3), "WARNING", id="purged"),
        pytest.param(News(Met.ROOM, count=0), StoreRoom(0), "INFO", id="room"),
        pytest.param(
            News(Met.UNREADABLE, "It is.", 1, job_key=7),
            EntryUnreadable(7, "It is.", 1),
            "WARNING",
            id="entry",
        ),
        pytest.param(News(Met.FOUND), StoreFound(0.0, 0), "INFO", id="found"),
    ],
)
def test_each_has_an_event_and_a_line(
    caplog: pytest.LogCaptureFixture, told: list[Event], news: News, event: Event, level: str
) -> None:
    """The log is a listener as any other."""
    with caplog.at_level(logging.INFO):
        heard(told)(news)
    assert told == [event]
    assert [record.levelname for record in caplog.records] == [level]
