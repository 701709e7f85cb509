"""The tables of a store: what the two databases have in common, and what is asked of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from openai_connector import wording
from openai_connector.store import StoreError
from openai_connector.store.charges import Counts, Place, Row

Call = tuple[int, str]
"""Job key and fingerprint of the request."""

LEAST: Final = 2
"""The version of the oldest workers that may use tables of the present version, beside its own.

Whoever adds a migration decides. Where it only adds tables, or columns with a default that earlier workers
may set again and again, this stays as it is: a fleet is updated worker by worker. Else it is the new version,
and earlier workers refuse the tables.
"""
USABLE_FROM: Final = "usable from"
"""The shared value that says so; it never gets old."""
NEVER_OLD: Final = 1e18


@dataclass(frozen=True, slots=True)
class Found:
    """A call as it is stored."""

    owner: str | None
    attempts: int
    """How often it was begun and has not ended, the present one included."""
    answer: bytes | None = field(repr=False)
    beaten_at: float | None
    """The owner's last sign of life; None: it is not known any more."""
    process: str | None


@dataclass(frozen=True, slots=True)
class Debt:
    """An owed completion as it is stored, without its variables."""

    job_key: int
    size: int
    beaten_at: float | None
    process: str | None


class Tables(Protocol):
    """A database of one store, used by one thread; methods raise what the database raises.

    Methods that change something are called within a transaction.
    """

    def open(self) -> str | None:
        """Connect, and bring the tables to this version; return the new name of a file that was damaged."""

    def open_to_read(self) -> None:
        """Connect to read alone; raise `StoreError` where the tables are of another version."""

    def close(self) -> None:
        """Close; raises nothing."""

    def explain(self, error: Exception) -> StoreError:
        """Return what is wrong and what to do, in one sentence without values."""

    def is_worth_repeating(self, error: Exception) -> bool:
        """Whether the same transaction may succeed at once."""

    @property
    def is_connected(self) -> bool:
        """Whether the database is open, as far as is known."""

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction, which ends with the block."""

    def check(self) -> None:
        """Raise where the store is not the one any more that was opened."""

    def tidy(self) -> None:
        """Give back space; outside of a transaction, when there is nothing else to do."""

    def now(self) -> float:
        """Return the time that all workers of this store share, in seconds."""

    def size(self) -> int:
        """Return the bytes that are stored, roughly."""

    def begin(self, calls: Sequence[Call], owner: str, now: float) -> set[Call]:
        """Write intents where nothing is stored; return those written."""

    def find(self, calls: Sequence[Call]) -> dict[Call, Found]:
        """Return what is stored, and let nobody else change it."""

    def take_over(self, calls: Sequence[Call], owner: str, now: float) -> None:
        """Make calls this owner's, without an answer, and count an attempt."""

    def keep(self, answers: Sequence[tuple[int, str, bytes]], owner: str, now: float) -> None:
        """Store answers, and end the intents."""

    def release(self, calls: Sequence[Call], owner: str) -> None:
        """End intents of this owner that have no answer."""

    def owe(self, completions: Sequence[tuple[int, bytes]], owner: str, now: float) -> None:
        """Store completions."""

    def forget(self, job_keys: Sequence[int]) -> None:
        """Remove all of these jobs."""

    def beat(self, owner: str, process: str, now: float) -> None:
        """Give a sign of life."""

    def retire(self, owner: str) -> None:
        """Remove an owner: it has ended."""

    def debts(self, owner: str) -> list[Debt]:
        """Return what others than this owner owe, the oldest first, and let nobody else take it."""

    def adopt(self, job_keys: Sequence[int], owner: str) -> Mapping[int, bytes]:
        """Make completions this owner's, and return them."""

    def purge(self, before: float, owners_before: float) -> int:
        """Remove what is older, and owners without a sign of life since; return how many answers went.

        Calls of owners that live are left.
        """

    def read_shared(self, name: str, *, is_to_change: bool) -> str | None:
        """Return a shared value; where it is to be changed, let nobody else change it."""

    def write_shared(self, name: str, value: str, now: float) -> None:
        """Store a shared value."""

    def read_charges(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return charges, and let nobody else write any of these ids."""

    def end_charges(self, job_keys: Sequence[int]) -> list[Row]:
        """Remove the paid charges of jobs that nobody else knows, whose ids have no space.

        Return their others, and let nobody else change them.
        """

    def charges_of_owners(self, owners: Sequence[str], most: int) -> list[Row]:
        """Return open charges of owners, and let nobody else change them."""

    def charges_waiting(self, before: float, most: int) -> list[Row]:
        """Return older open charges that have no owner, and let nobody else change them."""

    def charge_owners(self) -> list[tuple[str, float | None, str | None]]:
        """Return who has open charges, with the last sign of life and the process."""

    def write_charges(self, rows: Sequence[Row], now: float) -> None:
        """Store charges."""

    def remove_charges(self, ids: Sequence[str]) -> None:
        """Remove charges."""

    def read_budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets, and let nobody else change it."""

    def budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets, without a lock."""

    def add_to_budgets(self, amounts: Mapping[str, Decimal], now: float) -> None:
        """Add to what is spent of budgets; their keys come in order."""

    def add_to_totals(self, changes: Sequence[tuple[Place, Counts]], part: int) -> None:
        """Add to totals; each worker may have a part of its own, so that none waits for another."""

    def totals(self, since: str) -> list[tuple[Place, Counts]]:
        """Return the totals since a day; a place may come in parts."""

    def purge_charges(self, before: float, ended_before: float) -> None:
        """Remove older charges that are counted, and earlier those whose job has ended."""

    def purge_totals(self, day: str, before: float) -> None:
        """Remove totals of earlier days, and budgets that nothing was added to since a moment."""


def check_version(found: int, known: int) -> None:
    """Raise where tables are older than the known version, and may not be changed; 0: there are none."""
    if not found:
        raise StoreError(wording.STORE_NOT_BEGUN())
    if found < known:
        raise StoreError(wording.STORE_OLDER(found=found, known=known))


def check_newer(found: int, known: int, usable_from: str | None) -> None:
    """Raise where tables of a newer version do not say that workers of the known one may use them."""
    if usable_from is None or known < int(usable_from):
        raise StoreError(wording.STORE_NEWER(found=found, known=known))


def in_order(calls: Iterable[Call]) -> list[Call]:
    """Return calls in the order in which every worker locks them, so that no two wait for each other."""
    return sorted(calls)
