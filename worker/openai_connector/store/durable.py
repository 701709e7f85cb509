"""The store as the event loop sees it: writes of many jobs are gathered, and none of them blocks the loop.

While one transaction is being written, what comes in waits for the next one; after one of several jobs, a
moment longer. So a lone job is written at once, and of five hundred many share a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

from openai_connector import wording
from openai_connector.store import POSTGRES, Change, Claim, Met, News, Owed, StoreError, StoreOptions, file_of
from openai_connector.store.charges import Charge, Drop, Entry, Open, Pay, noted
from openai_connector.store.handover import Note, is_small
from openai_connector.store.ledger import (
    BEATS,
    Enter,
    Forget,
    Keep,
    Ledger,
    Operation,
    Owe,
    Release,
    Result,
    Take,
)
from openai_connector.store.tables import Call, Tables
from openai_connector.store.writer import Writer

T = TypeVar("T")

AT_ONCE: Final = 64
"""Operations of one transaction: what they wake is done in one turn of the event loop."""
SPACING: Final = 0.01
"""Seconds from a transaction of several jobs to the next, unless that is full: a busy worker has fewer."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
MOMENT: Final = 0.1
"""Seconds for which a claim holds without a look: others may think its owner dead, or wake with an answer."""
ENTERED_AT_ONCE: Final = 1000
"""Entries of charges that could not be written in time, in one step."""
REMEMBERED: Final = 100_000
"""Jobs that are still to be removed when the store is back; what is beyond goes by its age."""


class DurableStore:
    """A store in a database; see `Store` for what its methods promise."""

    def __init__(self, location: str, options: StoreOptions, tables: Tables | None = None) -> None:
        self.is_shared = file_of(location) is None
        self._tables = tables or tables_of(location, options)
        self._options = options
        self._patience = options.patience.total_seconds()
        self._fresh_for = options.fresh_for.total_seconds()
        self._tell = options.tell
        self._ledger = Ledger(self._tables, options, _beside(location, options), self._tell_later)
        self._handover = self._ledger.handover
        self._writer: Writer | None = None
        self._waiting: deque[tuple[Operation, asyncio.Future[Any]]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._stuck: asyncio.Future[Any] | None = None
        self._problem: StoreError | None = StoreError(wording.STORE_CLOSED())
        self._told: set[str] = set()
        self._lost_at: float | None = None
        self._unkept = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: dict[Call, float] = {}
        """Since when these are claimed: when they were looked up last, at the earliest."""
        self._unreleased: set[Call] = set()
        self._unforgotten: set[int] = set()
        self._unentered: list[Entry] = []

    @property
    def is_healthy(self) -> bool:
        """Whether the last step succeeded."""
        return self._problem is None

    @property
    def is_full(self) -> bool:
        """Whether the last answer was one too many, and there is no room since."""
        return self._ledger.is_full

    async def start(self) -> None:
        """Open the store, and look after it from now on."""
        self._writer = Writer("store")
        self._loop = asyncio.get_running_loop()
        try:
            await self._beat()
        finally:
            self._keeper = asyncio.create_task(self._look_after())

    async def aclose(self) -> None:
        """Write what is still to be written, and close."""
        if self._writer is None:
            return
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._pump is not None:
            await asyncio.gather(self._pump, return_exceptions=True)
        if self.is_healthy and (self._unreleased or self._unforgotten or self._unentered):
            with contextlib.suppress(StoreError):
                await self._beat()
        self._problem = StoreError(wording.STORE_CLOSED())
        self._handover.close()
        if self._stuck is None or self._stuck.done():
            await asyncio.wait([self._writer.call(self._ledger.close)], timeout=self._patience)
        self._writer.end()
        self._writer = None

    async def claim(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Hold the intent of a call, unless it is answered or somebody else is in mid-call."""
        call = (job_key, fingerprint)
        self._check()
        if call in self._held:
            return Claim(is_busy=True)  # an earlier activation of the job is in mid-call, here
        self._held[call] = monotonic()
        is_ours = False
        try:
            claim: Claim = await self._do(Take(job_key, fingerprint, charge))
            is_ours = claim.is_ours
            self._unreleased.discard(call)
            return claim
        except BaseException:
            self._unreleased.add(call)  # it may have been written nevertheless
            if charge is not None:
                self._enter_later(Drop(charge))
            raise
        finally:
            if not is_ours:
                self._held.pop(call, None)

    async def confirm(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return what holds of a claim now: it is looked up where it is older than a moment."""
        call = (job_key, fingerprint)
        if monotonic() - self._held.get(call, math.inf) < MOMENT:
            return Claim()
        self._held.pop(call, None)
        return await self.claim(job_key, fingerprint, charge)

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Keep an answer: it is safe when this returns, and from a kill as soon as this begins to wait."""
        call = (job_key, fingerprint)
        operation, note = self._hand_over(Keep(job_key, fingerprint, answer, entry=entry))
        try:
            await self._end(call, operation)
        except StoreError:
            self._unkept += 1
            raise
        finally:
            self._handover.clear(note)

    async def release(self, job_key: int, fingerprint: str, entry: Entry | None = None) -> None:
        """Give the intent back: the call has ended without an answer."""
        await self._end((job_key, fingerprint), Release(job_key, fingerprint, entry))

    async def enter(self, job_key: int, entry: Entry) -> Claim:
        """Note what a call may cost, or did, for which there is no intent."""
        try:
            claim: Claim | None = await self._do(Enter(job_key, entry))
        except BaseException:
            if isinstance(entry, Open):
                self._enter_later(Drop(entry.charge))
            raise
        return Claim() if claim is None else claim

    def _enter_later(self, entry: Entry | None) -> None:
        if entry is not None and len(self._unentered) < REMEMBERED:
            self._unentered.append(entry)

    def _enter_all_later(self, operations: Iterable[Operation]) -> None:
        """Note what became of charges, where it could not be written: what may be written counts once."""
        for operation in operations:
            if isinstance(operation, Keep | Release | Enter) and not isinstance(operation.entry, Open):
                self._enter_later(operation.entry)

    async def owe(self, job_key: int, variables_json: str) -> None:
        """Remember a completion until `forget`."""
        await self._do(Owe(job_key, variables_json))

    async def forget(self, job_key: int) -> None:
        """Remove everything of a job."""
        try:
            await self._do(Forget(job_key))
        except BaseException:
            if len(self._unforgotten) < REMEMBERED:
                self._unforgotten.add(job_key)
            raise

    async def owed(self) -> list[Owed]:
        """Take over what workers that are gone still owe."""
        return await self._ask(self._ledger.owed)

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return a value that all workers of this store share."""
        value: Mapping[str, Any] | None = await self._ask(lambda: self._ledger.shared(name))
        return value

    async def update(self, name: str, change: Change) -> Mapping[str, Any]:
        """Change a shared value, one worker at a time, and return it."""
        value: Mapping[str, Any] = await self._ask(lambda: self._ledger.update(name, change))
        return value

    async def budgets(self, keys: Sequence[str]) -> Mapping[str, Decimal]:
        """Return what is spent and reserved of budgets."""
        return await self._ask(lambda: self._ledger.budgets(keys))

    def _hand_over(self, operation: Keep) -> tuple[Keep, Note | None]:
        """Note an answer, so that it survives a kill on its way into the file."""
        if not (self._handover.is_on and self.is_healthy and is_small(operation.answer)):
            return operation, None
        try:
            sealed = self._ledger.seal(operation)
        except Exception:
            return operation, None  # that it is no JSON is said by the step itself
        call = (operation.job_key, operation.fingerprint)
        paid = noted(operation.entry) if isinstance(operation.entry, Pay) else ""
        return replace(operation, sealed=sealed), self._handover.put(call, sealed, paid)

    # Gathering

    async def _end(self, call: Call, operation: Keep | Release) -> None:
        try:
            await self._do(operation)
        except BaseException:
            if call in self._held:
                self._unreleased.add(call)
            raise
        finally:
            self._held.pop(call, None)

    async def _do(self, operation: Operation) -> Any:
        if self._problem is not None:
            self._enter_all_later([operation])
        self._check()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, begun = self._next_batch(), monotonic()
                operations = [operation for operation, _ in batch]
                self._hold_since(operations, begun)
                try:
                    results = await self._ask(lambda given=operations: self._ledger.apply(given))  # type: ignore[misc]
                except StoreError as error:
                    self._enter_all_later(operations)
                    _fail(batch, error)
                    self._refuse_waiting()
                else:
                    _finish(batch, results)
                if len(batch) > 1 and len(self._waiting) < AT_ONCE:
                    await asyncio.sleep(begun + SPACING - monotonic())
        finally:
            self._pump = None

    def _hold_since(self, operations: Iterable[Operation], begun: float) -> None:
        """Note that claims are looked up now: they have waited for their turn until then."""
        for operation in operations:
            if isinstance(operation, Take):
                call = (operation.job_key, operation.fingerprint)
                if call in self._held:
                    self._held[call] = begun

    def _next_batch(self) -> list[tuple[Operation, asyncio.Future[Any]]]:
        """Return what comes next, up to a second operation of the same job: its order counts."""
        batch: list[tuple[Operation, asyncio.Future[Any]]] = []
        jobs: set[int] = set()
        while self._waiting and len(batch) < AT_ONCE:
            job_key = self._waiting[0][0].job_key
            if job_key in jobs:
                break
            jobs.add(job_key)
            batch.append(self._waiting.popleft())
        return batch

    def _refuse_waiting(self) -> None:
        if self._problem is not None:
            self._enter_all_later(operation for operation, _ in self._waiting)
            _fail(self._waiting, self._problem)
            self._waiting.clear()

    # Health

    async def _ask(self, function: Callable[[], T]) -> T:
        """Return what the function returns in the store's thread; whatever goes wrong, the store is lost."""
        self._check()
        return await self._call(function)

    def _check(self) -> None:
        if self._problem is not None:
            raise StoreError(str(self._problem))

    async def _call(self, function: Callable[[], T]) -> T:
        if self._writer is None:
            raise StoreError(wording.STORE_CLOSED())
        future = self._writer.call(function)
        future.add_done_callback(_ignore)  # also where nobody waits for it any more
        done, _ = await asyncio.wait([future], timeout=self._patience)
        if not done:
            self._stuck = future
            self._change(StoreError(wording.STORE_SLOW()))
            raise StoreError(wording.STORE_SLOW())
        try:
            return future.result()
        except StoreError as error:
            self._change(error)
            raise
        except Exception as error:
            self._change(StoreError(wording.STORE_FAILED(kind=type(error).__name__)))
            raise StoreError(wording.STORE_FAILED(kind=type(error).__name__)) from None

    def _change(self, problem: StoreError | None) -> None:
        """Note how the store is; tell each kind of trouble once until it works again."""
        before, self._problem = self._problem, problem
        if problem is not None:
            self._handover.close()  # the next notes go beside whatever file there is then
        if problem is not None:
            self._wake.set()
            self._lost_at = monotonic() if self._lost_at is None else self._lost_at
            if str(problem) not in self._told:
                self._told.add(str(problem))
                self._tell(News(Met.LOST, str(problem)))
        elif before is not None:
            seconds = 0.0 if self._lost_at is None else monotonic() - self._lost_at
            self._lost_at = None
            self._told.clear()
            self._hear(News(Met.FOUND, seconds=seconds))

    def _hear(self, news: News) -> None:
        """Pass news on; where answers are stored again, with how many were not."""
        if news.met in (Met.FOUND, Met.ROOM):
            news = replace(news, count=self._unkept)
            self._unkept = 0
        self._tell(news)

    def _tell_later(self, news: News) -> None:
        """Pass on in the event loop what was met in the store's thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._hear, news)

    async def _look_after(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self._wake.clear()
            if self.is_healthy:
                try:  # wait_for of Python 3.11 may lose a cancellation
                    async with asyncio.timeout(self._fresh_for / BEATS):
                        await self._wake.wait()
                except TimeoutError:
                    pause = FIRST_PAUSE  # it was well for a while: one that comes and goes is left alone
            if not self.is_healthy:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            if self._stuck is None or self._stuck.done():
                with contextlib.suppress(StoreError):
                    await self._beat()

    async def _beat(self) -> None:
        releases = self._unreleased - self._held.keys()
        entries = self._unentered[:ENTERED_AT_ONCE]
        # A job goes when its entries are surely written: one that is repeated finds its charge then.
        forgotten = set() if entries else set(self._unforgotten)
        await self._call(lambda: self._ledger.beat(releases, forgotten, entries))
        self._unreleased -= releases
        self._unforgotten -= forgotten
        del self._unentered[: len(entries)]
        self._change(None)


def tables_of(location: str, options: StoreOptions) -> Tables:
    """Return the tables at a location, not yet open."""
    if location.startswith(POSTGRES):
        from openai_connector.store.postgres import PostgresTables  # either database is imported alone

        return PostgresTables(location)
    from openai_connector.store.sqlite import BUSY_TIMEOUT, SqliteTables

    file = file_of(location)
    assert file is not None
    # Shorter than the patience: that the file is locked is then said before that it takes too long.
    return SqliteTables(file, busy_timeout=min(BUSY_TIMEOUT, options.patience.total_seconds() / 2))


def _beside(location: str, options: StoreOptions) -> Path | None:
    """Return the file beside which answers on their way are noted."""
    file = file_of(location)
    if file is None and options.notes is not None:
        name = hashlib.sha256(location.encode()).hexdigest()[:16]  # a folder may serve several stores
        return options.notes / f"store-{name}"
    return file


def _finish(batch: list[tuple[Operation, asyncio.Future[Any]]], results: list[Result]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, StoreError):
            future.set_exception(result)
        else:
            future.set_result(result)


def _fail(waiting: list[Any] | deque[Any], error: StoreError) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(StoreError(str(error)))


def _ignore(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
