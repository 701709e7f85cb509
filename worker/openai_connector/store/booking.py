"""Charges in the database: moved in the transactions of what they are for, and counted as they move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import Final

from openai_connector.store.charges import (
    EXACT,
    ZERO,
    Changes,
    Drop,
    Entry,
    Lose,
    Open,
    Over,
    Row,
    State,
    Wait,
    charged,
    day_of,
    moved,
    overdrawn,
)
from openai_connector.store.tables import Tables

DAY: Final = 86400.0
TOTALS_KEPT: Final = 400 * DAY
ENDED_KEPT: Final = 3600.0
LEAST_KEPT: Final = 2 * DAY
LOST_AT_ONCE: Final = 500
"""Charges that are found lost in one transaction; the rest is found in the next one."""


@dataclass(slots=True)
class Booked:
    """What came of some entries."""

    over: dict[str, Over] = field(default_factory=dict)
    """Why a charge was not opened, by its id."""
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    """What is spent and reserved now, of the budgets in question."""


class Booking:
    """Moves charges, within a transaction.

    Args:
        tables: has them.
        owner: whose calls these are.
    """

    def __init__(self, tables: Tables, owner: str) -> None:
        self._tables = tables
        self._owner = owner

    def enter(self, entries: Sequence[Entry], now: float) -> Booked:
        """Move charges; those that are to be opened come last, for others may make room."""
        if not entries:
            return Booked()
        ids = {entry.charge.id for entry in entries}
        ids |= {entry.next_id for entry in entries if isinstance(entry, Wait)}
        rows: dict[str, Row | None] = dict.fromkeys(sorted(ids))
        rows.update(self._tables.read_charges(sorted(ids)))
        return self._move(entries, rows, now)

    def forget(self, job_keys: Sequence[int], now: float) -> None:
        """Remove the paid charges of jobs that have ended; answers that nobody has fetched are lost.

        What others may just be fetching too stays for a while, so that it does not count again.
        """
        found = self._tables.end_charges(job_keys)
        paid = [row for row in found if row.state is State.PAID]
        left = [replace(row, charge=replace(row.charge, job_key=0)) for row in paid]
        if left:
            self._tables.write_charges(left, now)
        self._lose([row for row in found if row.state is State.OPEN and row.owner is None], now)

    def lose_of(self, owners: Sequence[str], now: float) -> None:
        """Note that calls of owners who are gone have ended without an answer."""
        if owners:
            self._lose(self._tables.charges_of_owners(owners, LOST_AT_ONCE), now)

    def purge(self, before: float, now: float) -> None:
        """Remove what is older; answers that nobody has fetched for so long are lost.

        What waits for a batch may come back after a day, however short the retention is.
        """
        before = min(before, now - LEAST_KEPT)
        self._lose(self._tables.charges_waiting(before, LOST_AT_ONCE), now)
        self._tables.purge_charges(before, now - ENDED_KEPT)
        self._tables.purge_totals(day_of(now - TOTALS_KEPT), now - TOTALS_KEPT)

    def _lose(self, found: Sequence[Row], now: float) -> None:
        if found:
            self._move([Lose(row.charge) for row in found], {row.charge.id: row for row in found}, now)

    def _move(self, entries: Sequence[Entry], rows: dict[str, Row | None], now: float) -> Booked:
        keys = {limit.key for entry in entries for limit in entry.charge.budgets}
        keys |= {key for row in rows.values() for key in charged(row)}
        before = dict(rows)
        spent = dict.fromkeys(keys, ZERO)  # of some nothing is spent yet
        if keys:
            spent |= self._tables.read_budgets(sorted(keys))
        booked, changes = Booked(), Changes()
        for entry in sorted(entries, key=lambda entry: isinstance(entry, Open)):
            row = rows.get(entry.charge.id)
            if isinstance(entry, Wait) and row is None and rows.get(entry.next_id) is not None:
                continue  # it was moved before, or somebody has fetched its answer already
            if isinstance(entry, Open):
                over = overdrawn(row, entry.charge, _sums(spent, changes.budgets))
                if over is not None:
                    booked.over[entry.charge.id] = over
                    entry = Drop(entry.charge)
            after = moved(entry, row, self._owner, day_of(now))
            changes.add(row, after)
            rows[entry.charge.id] = None
            if after is not None:
                rows[after.charge.id] = after
        self._write(before, rows, changes, now)
        booked.spent = _sums(spent, changes.budgets)
        return booked

    def _write(
        self, before: Mapping[str, Row | None], after: Mapping[str, Row | None], changes: Changes, now: float
    ) -> None:
        gone = [id_ for id_, row in after.items() if row is None]
        new = [row for id_, row in sorted(after.items()) if row is not None and row != before.get(id_)]
        if gone:
            self._tables.remove_charges(sorted(gone))
        if new:
            self._tables.write_charges(new, now)
        if budgets := {key: amount for key, amount in sorted(changes.budgets.items()) if amount}:
            self._tables.add_to_budgets(budgets, now)
        if totals := [
            (place, counts) for place, counts in sorted(changes.totals.items()) if any(counts.values())
        ]:
            self._tables.add_to_totals(totals, int(self._owner[:1] or "0", 16))


def owners_gone(tables: Tables, own: str, is_alive: Callable[[float | None, str | None], bool]) -> list[str]:
    """Return who has open charges and gives no sign of life any more."""
    found = tables.charge_owners()
    return [owner for owner, beaten_at, process in found if owner != own and not is_alive(beaten_at, process)]


def _sums(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    with localcontext(EXACT):
        return {key: one.get(key, ZERO) + other.get(key, ZERO) for key in {**one, **other}}
