"""The rules of the store, in the thread of its database: whose is a call, what fits, what is owed by whom."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

from openai_connector import wording
from openai_connector.store import Change, Claim, Met, News, Owed, StoreError, StoreOptions
from openai_connector.store.booking import Booked, Booking, owners_gone
from openai_connector.store.charges import Charge, Entry, Open, pay_noted
from openai_connector.store.handover import Handover, Noted
from openai_connector.store.owner import has_ended, new_owner, process_mark
from openai_connector.store.sealing import Sealing, encode
from openai_connector.store.tables import Call, Found, Tables, in_order

log = logging.getLogger(__name__)

T = TypeVar("T")

REPEATS: Final = 3
BEATS: Final = 4
"""Signs of life that an owner gives within the time for which it is thought to live."""
BEAT_AGAIN: Final = 20
"""A sign of life that is older than this part of that time does not do for a call that begins."""
PURGE_EVERY: Final = 600.0
ADOPTED_AT_ONCE: Final = 32 * 1024 * 1024
OWNERS_KEPT: Final = 100
"""How many times `fresh_for` an owner without a sign of life is remembered."""


@dataclass(frozen=True, slots=True)
class Take:
    """Claim a call."""

    job_key: int
    fingerprint: str
    charge: Charge | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Store an answer."""

    job_key: int
    fingerprint: str
    answer: Any = field(repr=False)
    sealed: bytes | None = field(default=None, repr=False)
    """What is to be written of it, where that is known already."""
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Give an intent back."""

    job_key: int
    fingerprint: str
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """Move the charge of a call without an intent."""

    job_key: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Owe:
    """Store a completion."""

    job_key: int
    variables: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove a job."""

    job_key: int


Operation = Take | Keep | Release | Enter | Owe | Forget
Result = Claim | StoreError | None


class Ledger:
    """One worker's view of the store; all of it but `seal` runs in one thread.

    Args:
        tables: what is written.
        options: how.
        file: beside which answers on their way are noted.
        tell: is told what is met.
    """

    def __init__(
        self,
        tables: Tables,
        options: StoreOptions,
        file: Path | None = None,
        tell: Callable[[News], None] = lambda _news: None,
    ) -> None:
        self.owner = new_owner()
        self.handover = Handover(file, self.owner)
        self._mark = process_mark()
        self._tables = tables
        self._booking = Booking(tables, self.owner)
        self._tell = tell
        self._sealing = Sealing(options.keys)
        self._fresh_for = options.fresh_for.total_seconds()
        self._retention = options.retention.total_seconds()
        self._max_bytes = options.max_bytes
        self._is_open = False
        self._has_failed = False
        self._trusted_from = 0.0
        self._purged_at = 0.0
        self._beaten_at = 0.0
        self._unreadable = 0
        self._room_wanted = 0
        self.is_full = False
        """The last answer was one too many, and there is no room since."""

    # One step each, called by the store

    def apply(self, operations: Sequence[Operation]) -> list[Result]:
        """Do all of these in one transaction; a job comes at most once in it."""
        return self._step(lambda: self._apply(operations))

    def beat(self, releases: Iterable[Call], forgotten: Iterable[int], entries: Iterable[Entry] = ()) -> None:
        """Give a sign of life, and do what could not be done in time."""
        self._step(lambda: self._beat(list(releases), list(forgotten), list(entries)))

    def budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets."""

        def read() -> dict[str, Decimal]:
            with self._tables.transaction():
                return self._tables.budgets(keys)

        return self._step(read)

    def owed(self) -> list[Owed]:
        """Take over what owners that are gone still owe."""
        return self._step(self._owed)

    def shared(self, name: str) -> Any:
        """Return a shared value."""

        def read() -> Any:
            with self._tables.transaction():
                text = self._tables.read_shared(name, is_to_change=False)
            return None if text is None else json.loads(text)

        return self._step(read)

    def update(self, name: str, change: Change) -> Any:
        """Change a shared value."""

        def write() -> Any:
            with self._tables.transaction():
                text = self._tables.read_shared(name, is_to_change=True)
                value = change(None if text is None else json.loads(text))
                self._tables.write_shared(name, json.dumps(value), self._tables.now())
            return value

        return self._step(write)

    def seal(self, operation: Keep) -> bytes:
        """Return what is written of an answer, in any thread; raises where it is no JSON."""
        place = _place(operation.job_key, operation.fingerprint)
        return self._sealing.seal(encode(operation.answer), place)

    def close(self) -> None:
        """Say that this owner has ended, and close; raises nothing."""
        try:
            if self._is_open:
                with self._tables.transaction():
                    self._tables.retire(self.owner)
                self._tables.tidy()
        except Exception as error:
            log.debug("The store was not closed in order: %s", type(error).__name__)
        self._tables.close()
        self._is_open = False

    def _step(self, step: Callable[[], T]) -> T:
        """Return what a step returns; where that may help, repeat it.

        Whether a transaction was written before its connection broke is not known. To repeat it does no harm:
        an intent that is this worker's own is found to be so.
        """
        for repeat in range(1, REPEATS + 1):
            was_open = self._is_open
            try:
                self._open()
                return step()
            except StoreError:
                self._lose()
                raise
            except Exception as error:
                is_repeated = was_open and repeat < REPEATS and self._tables.is_worth_repeating(error)
                if not is_repeated or not self._tables.is_connected:
                    self._lose()
                if not is_repeated:
                    raise self._tables.explain(error) from None
        raise AssertionError("the last repetition returns or raises")

    def _open(self) -> None:
        if self._is_open:
            return
        aside = self._tables.open()
        if aside is not None:
            self._tell(News(Met.DAMAGED, aside))
        self._is_open = True
        if self._has_failed:  # others may have had no store either: they get time for a sign of life
            self._trusted_from = monotonic() + 2 * self._fresh_for / BEATS
        with self._tables.transaction():
            self._tables.beat(self.owner, self._mark, self._tables.now())

    def _lose(self) -> None:
        self._tables.close()
        self._is_open = False
        self._has_failed = True

    # The rules

    def _apply(self, operations: Sequence[Operation]) -> list[Result]:
        results: list[Result] = [None] * len(operations)
        sealed = self._seal_all(operations, results)
        takes = {(op.job_key, op.fingerprint): i for i, op in enumerate(operations) if isinstance(op, Take)}
        with self._tables.transaction():
            now = self._tables.now()
            # Whoever begins a call lives.
            is_beat = bool(takes) and abs(now - self._beaten_at) > self._fresh_for / BEAT_AGAIN
            if is_beat:
                self._tables.beat(self.owner, self._mark, now)
            for call, claim in self._claims(list(takes), now).items():
                results[takes[call]] = claim
            self._check_size(sealed, results)
            self._write(operations, sealed, now)
            self._book(operations, results, now)
        if is_beat:
            self._beaten_at = now
        return results

    def _book(self, operations: Sequence[Operation], results: list[Result], now: float) -> None:
        """Move the charges of operations; a claim that does not fit into a budget is given back."""
        entries: list[Entry] = []
        for operation, result in zip(operations, results, strict=True):
            match operation:
                case Take(charge=Charge() as charge) if isinstance(result, Claim) and result.is_ours:
                    entries.append(Open(charge))
                case Keep(entry=entry) | Release(entry=entry) | Enter(entry=entry) if entry is not None:
                    entries.append(entry)
        booked = self._booking.enter(entries, now)
        refused: list[Call] = []
        for index, operation in enumerate(operations):
            claim = _with_charge(operation, results[index], booked)
            if claim is not None:
                results[index] = claim
                if claim.over is not None and isinstance(operation, Take):
                    refused.append((operation.job_key, operation.fingerprint))
        if refused:
            self._tables.release(in_order(refused), self.owner)
        if forgotten := sorted(op.job_key for op in operations if isinstance(op, Forget)):
            self._booking.forget(forgotten, now)

    def _write(self, operations: Sequence[Operation], sealed: dict[int, bytes], now: float) -> None:
        answers: list[tuple[int, str, bytes]] = []
        completions: list[tuple[int, bytes]] = []
        releases: list[Call] = []
        forgotten: list[int] = []
        for index, operation in enumerate(operations):
            match operation:
                case Keep(job_key, fingerprint) if index in sealed:
                    answers.append((job_key, fingerprint, sealed[index]))
                case Owe(job_key) if index in sealed:
                    completions.append((job_key, sealed[index]))
                case Release(job_key, fingerprint):
                    releases.append((job_key, fingerprint))
                case Forget(job_key):
                    forgotten.append(job_key)
        if answers:
            self._tables.keep(sorted(answers), self.owner, now)
        if completions:
            self._tables.owe(sorted(completions), self.owner, now)
        if releases:
            self._tables.release(in_order(releases), self.owner)
        if forgotten:
            self._tables.forget(sorted(forgotten))

    def _seal_all(self, operations: Sequence[Operation], results: list[Result]) -> dict[int, bytes]:
        sealed: dict[int, bytes] = {}
        for index, operation in enumerate(operations):
            if not isinstance(operation, Keep | Owe):
                continue
            try:
                sealed[index] = self._sealed(operation)
            except (
                Exception
            ) as error:  # one answer that is no JSON must not keep the others from being stored
                results[index] = StoreError(wording.STORE_FAILED(kind=type(error).__name__))
        return sealed

    def _sealed(self, operation: Keep | Owe) -> bytes:
        if isinstance(operation, Keep):
            return operation.sealed or self.seal(operation)
        return self._sealing.seal(operation.variables, _place(operation.job_key))

    def _check_size(self, sealed: dict[int, bytes], results: list[Result]) -> None:
        if not sealed:
            return
        used = self._tables.size()
        for index, data in list(sealed.items()):
            if used + len(data) > self._max_bytes:
                results[index] = StoreError(wording.STORE_FULL())
                del sealed[index]
                self._fill(len(data))
            else:
                used += len(data)

    def _fill(self, size: int) -> None:
        self._room_wanted = max(self._room_wanted, min(size, self._max_bytes // 2))
        if not self.is_full:
            self.is_full = True
            self._tell(News(Met.FULL, wording.STORE_FULL()))

    def _look_for_room(self) -> None:
        if self.is_full and self._tables.size() + self._room_wanted <= self._max_bytes:
            self.is_full, self._room_wanted = False, 0
            self._tell(News(Met.ROOM))

    def _claims(self, calls: list[Call], now: float) -> dict[Call, Claim]:
        if not calls:
            return {}
        begun = self._tables.begin(in_order(calls), self.owner, now)
        claims = dict.fromkeys(begun, _FIRST)
        others = in_order(call for call in calls if call not in begun)
        if not others:
            return claims
        found = self._tables.find(others)
        claims |= {call: self._claim(call, found.get(call), now) for call in others}
        ours = [call for call in others if claims[call].is_ours]
        taken = [call for call in ours if found[call].owner != self.owner]
        if taken:
            self._tables.take_over(taken, self.owner, now)
        return claims

    def _claim(self, call: Call, found: Found | None, now: float) -> Claim:
        if found is None:
            return Claim(is_busy=True)  # removed in this moment: the engine has acknowledged the job
        if found.answer is not None:
            answer = self._read(found.answer, call)
            return Claim(answer, attempts=found.attempts)  # one that cannot be read is to be bought again
        if found.owner == self.owner:  # begun by this worker, but its end could not be written
            return Claim(attempts=max(found.attempts - 1, 0))
        if found.owner is None:
            return Claim(attempts=found.attempts)
        if self._is_alive(found.beaten_at, found.process, now):
            return Claim(is_busy=True, attempts=found.attempts)
        noted = self.handover.find(found.owner, call)
        if noted is not None and (answer := self._read(noted, call)) is not None:
            return Claim(answer, attempts=found.attempts - 1)
        return Claim(was_lost=True, attempts=found.attempts)

    def _read(self, data: bytes, call: Call) -> Any:
        """Return a stored answer; None, and news of it, where it cannot be read."""
        try:
            answer = json.loads(self._sealing.unseal(data, _place(*call)))
        except (StoreError, ValueError, RecursionError) as error:
            known = isinstance(error, StoreError)
            self._tell_unreadable(call[0], str(error) if known else wording.STORE_ENTRY_UNREADABLE())
            return None
        self._unreadable = 0
        return answer

    def _tell_unreadable(self, job_key: int, problem: str) -> None:
        self._unreadable += 1
        self._tell(News(Met.UNREADABLE, problem, self._unreadable, job_key=job_key))

    def _is_alive(self, beaten_at: float | None, process: str | None, now: float) -> bool:
        if process and has_ended(process):
            return False
        if monotonic() < self._trusted_from:
            return True
        # Also a sign of life from far ahead is none: the clock was set back.
        return beaten_at is not None and abs(now - beaten_at) <= self._fresh_for

    def _beat(self, releases: list[Call], forgotten: list[int], entries: list[Entry]) -> None:
        self._tables.check()
        purged = 0
        abandoned = dict(self.handover.abandoned())
        with self._tables.transaction():
            now = self._tables.now()
            self._tables.beat(self.owner, self._mark, now)
            for owner, answers in abandoned.items():
                self._take_in(owner, answers, now)
            if releases:
                self._tables.release(in_order(releases), self.owner)
            self._booking.enter(entries, now)
            if forgotten:
                self._tables.forget(sorted(forgotten))
                self._booking.forget(sorted(forgotten), now)
            self._booking.lose_of(owners_gone(self._tables, self.owner, self._lives(now)), now)
            if abs(now - self._purged_at) >= min(PURGE_EVERY, self._retention):
                self._purged_at = now
                purged = self._tables.purge(now - self._retention, now - OWNERS_KEPT * self._fresh_for)
                self._booking.purge(now - self._retention, now)
            self._look_for_room()
        for owner in abandoned:
            self.handover.remove(owner)
        if purged:
            self._tell(News(Met.PURGED, count=purged))
        self._tables.tidy()

    def _lives(self, now: float) -> Callable[[float | None, str | None], bool]:
        return lambda beaten_at, process: self._is_alive(beaten_at, process, now)

    def _take_in(self, owner: str, noted: Mapping[Call, Noted], now: float) -> None:
        """Store the answers that an owner who is gone has not lived to store, and what they did cost."""
        found = self._tables.find(in_order(noted))
        kept = [
            (*call, noted[call].answer)
            for call, one in found.items()
            if one.owner == owner and one.answer is None
        ]
        if kept:
            self._tables.keep(sorted(kept), owner, now)
        paid = [pay for note in noted.values() if (pay := pay_noted(note.paid)) is not None]
        self._booking.enter(paid, now)

    def _owed(self) -> list[Owed]:
        with self._tables.transaction():
            now = self._tables.now()
            keys: list[int] = []
            size = 0
            for debt in self._tables.debts(self.owner):
                if self._is_alive(debt.beaten_at, debt.process, now):
                    continue
                if keys and size + debt.size > ADOPTED_AT_ONCE:
                    break
                keys.append(debt.job_key)
                size += debt.size
            adopted = self._tables.adopt(keys, self.owner) if keys else {}
        owed: list[Owed] = []
        for job_key, data in adopted.items():
            try:
                owed.append(Owed(job_key, self._sealing.unseal(data, _place(job_key))))
            except StoreError as error:
                self._tell_unreadable(job_key, str(error))
        return owed


_FIRST: Final = Claim()


def _with_charge(operation: Operation, result: Result, booked: Booked) -> Claim | None:
    """Return a claim with what its charge came to; None: it has none."""
    match operation:
        case Take(charge=Charge() as charge) if isinstance(result, Claim) and result.is_ours:
            claim = result
        case Enter(entry=Open(charge)):
            claim = _FIRST
        case _:
            return None
    if not charge.budgets:
        return claim
    spent = {limit.key: booked.spent[limit.key] for limit in charge.budgets}
    return replace(claim, over=booked.over.get(charge.id), spent=spent)


def _place(job_key: int, fingerprint: str = "") -> str:
    return f"{job_key} {fingerprint}"
