"""Charges: what a call may cost at most while it runs, what it did cost, or that it was lost: pure rules.

A charge has an id of its own and is in one state at a time. What it counts in the totals and on its budgets
follows from the state alone: so whoever moves it there, however often, it counts once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from typing import Any, Final, NamedTuple

EXACT: Final = Context(prec=100)
"""Amounts are added and never rounded."""
ZERO: Final = Decimal(0)
MOST_OPEN: Final = 50_000
"""Charges that one process keeps in mind without a store."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget that a charge counts on, in one of its periods."""

    key: str
    """Of budget and period."""
    amount: Decimal
    """That may be spent of it."""
    currency: str = ""
    is_refused: bool = False
    """The call's price is not known in the budget's currency, and the budget takes no such calls."""
    is_reserved: bool = True
    """What the call may cost is known in the budget's currency, and counts until it is known better."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call may cost at most, and for whom it is made."""

    id: str
    """Its own, or one that everybody makes who fetches the same answer: that one has a space."""
    job_key: int
    """0: the job has ended."""
    process: str
    element: str
    model: str
    tenant: str
    amount: Decimal | None = None
    """At most; None: the price is not known."""
    currency: str = ""
    budgets: tuple[Limit, ...] = ()


class State(StrEnum):
    """What is known of a charge."""

    OPEN = "open"
    """The call is being made, or its answer is waited for: it is reserved."""
    PAID = "paid"
    LOST = "lost"
    """It may have been paid for, and there is no answer: it counts with what was reserved."""


@dataclass(frozen=True, slots=True)
class Open:
    """Reserve what a call may cost."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class Pay:
    """Note what a call did cost."""

    charge: Charge
    """Of which the amount is what it did cost."""
    input: int = 0
    output: int = 0
    is_known: bool = False
    """The charge must be there: without it, all was counted before."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Note that the answer is made elsewhere, and may be fetched by anybody, by the charge's next id."""

    charge: Charge
    next_id: str


@dataclass(frozen=True, slots=True)
class Lose:
    """Note that a call may have been paid for, and has no answer."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class Drop:
    """Note that nothing was bought."""

    charge: Charge


Entry = Open | Pay | Wait | Lose | Drop


@dataclass(frozen=True, slots=True)
class Row:
    """A charge as it is kept."""

    charge: Charge
    state: State
    owner: str | None
    """Who makes the call; None: nobody does any more."""
    day: str
    """On which it counts."""
    input: int = 0
    output: int = 0
    reserved: Decimal | None = None
    """What the call could cost at most, as long as nothing better is known."""


@dataclass(frozen=True, slots=True)
class Over:
    """A budget that a call does not fit into."""

    key: str
    spent: Decimal
    """Or reserved by calls under way, before the call."""
    amount: Decimal = ZERO
    """That may be spent."""
    currency: str = ""
    is_unpriced: bool = False
    """It does not fit because its price is not known."""
    is_used_up: bool = False
    """Nothing is left, and what the call may cost is not known."""


class Place(NamedTuple):
    """Where something counts in the totals."""

    day: str
    process: str
    element: str
    model: str
    tenant: str
    currency: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What counts there."""

    calls: int = 0
    input: int = 0
    output: int = 0
    amount: Decimal = ZERO
    lost: int = 0
    lost_amount: Decimal = ZERO
    unpriced: int = 0

    def plus(self, other: Counts, sign: int = 1) -> Counts:
        """Return the sum, or the difference."""
        add = EXACT.add if sign > 0 else EXACT.subtract
        return Counts(
            self.calls + sign * other.calls,
            self.input + sign * other.input,
            self.output + sign * other.output,
            add(self.amount, other.amount),
            self.lost + sign * other.lost,
            add(self.lost_amount, other.lost_amount),
            self.unpriced + sign * other.unpriced,
        )

    def values(self) -> tuple[Any, ...]:
        """Return all of them in their order."""
        return (
            self.calls,
            self.input,
            self.output,
            self.amount,
            self.lost,
            self.lost_amount,
            self.unpriced,
        )


NOTHING: Final = Counts()


@dataclass(frozen=True, slots=True)
class Total:
    """What was spent on one day by one element of a process with one model."""

    day: date
    """In UTC."""
    process: str
    element: str
    model: str
    tenant: str
    currency: str
    """Empty where no price is known."""
    calls: int
    """Answered ones."""
    input: int
    output: int
    amount: Decimal
    lost: int
    """Calls that may have been paid for, and have no answer."""
    lost_amount: Decimal
    """What these may have cost at most."""
    unpriced: int
    """Calls whose price is not known."""

    @classmethod
    def of(cls, place: Place, counts: Counts) -> Total:
        """Return a total as it is told."""
        return cls(date.fromisoformat(place.day), *place[1:], *counts.values())


def day_of(seconds: float) -> str:
    """Return the day of a moment, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def moved(entry: Entry, row: Row | None, owner: str, day: str) -> Row | None:
    """Return a charge after an entry; None: there is none then."""
    match entry:
        case Open(charge) if row is None or row.state is not State.PAID:
            return Row(charge, State.OPEN, owner, day, reserved=charge.amount)
        case Pay(charge, given, made, is_known) if not (is_known if row is None else row.state is State.PAID):
            # It counts on the budgets on which it was reserved: in their period.
            if row is not None and row.charge.budgets != charge.budgets:
                charge = replace(charge, budgets=row.charge.budgets)
            reserved = None if row is None else row.reserved
            return Row(charge, State.PAID, None, day, given, made, reserved)
        case Wait(charge, next_id) if row is not None and row.state is not State.PAID:
            return replace(row, charge=replace(row.charge, id=next_id), state=State.OPEN, owner=None)
        case Wait(charge, next_id) if row is None:  # the store was away when the call was begun
            return Row(replace(charge, id=next_id), State.OPEN, None, day, reserved=charge.amount)
        case Lose(charge) if row is None:  # the store was away when the call was begun
            return Row(charge, State.LOST, None, day, reserved=charge.amount)
        case Lose() if row is not None and row.state is State.OPEN:
            return replace(row, state=State.LOST, owner=None, day=day)
        case Drop() if row is not None and row.state is not State.PAID:
            return None
        case _:
            return row


def counted(row: Row | None) -> tuple[Place, Counts] | None:
    """Return what a charge counts in the totals, and where."""
    if row is None or row.state is State.OPEN:
        return None
    charge = row.charge
    place = Place(row.day, charge.process, charge.element, charge.model, charge.tenant, charge.currency)
    amount, unpriced = charge.amount or ZERO, int(charge.amount is None)
    if row.state is State.LOST:
        return place, Counts(lost=1, lost_amount=amount, unpriced=unpriced)
    return place, Counts(1, row.input, row.output, amount, unpriced=unpriced)


def charged(row: Row | None) -> dict[str, Decimal]:
    """Return what a charge takes of its budgets: the most it may cost, until that is known better."""
    if row is None:
        return {}
    return {limit.key: _charged(row, limit) for limit in row.charge.budgets}


def _charged(row: Row, limit: Limit) -> Decimal:
    amount, currency = row.charge.amount, row.charge.currency
    if amount is not None and limit.currency in ("", currency):
        return amount
    return row.reserved or ZERO if limit.is_reserved else ZERO


@dataclass(slots=True)
class Changes:
    """What some moves of charges come to."""

    totals: dict[Place, Counts] = field(default_factory=dict)
    budgets: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, before: Row | None, after: Row | None) -> None:
        """Add one move."""
        for row, sign in (before, -1), (after, 1):
            if (found := counted(row)) is not None:
                self.totals[found[0]] = self.totals.get(found[0], NOTHING).plus(found[1], sign)
            for key, amount in charged(row).items():
                self.budgets[key] = EXACT.add(self.budgets[key], sign * amount)


def overdrawn(row: Row | None, charge: Charge, spent: Mapping[str, Decimal]) -> Over | None:
    """Return the first budget that a charge does not fit into; what it has reserved already is its own."""
    if not charge.budgets:
        return None
    with localcontext(EXACT):
        own = charged(row)
        for limit in charge.budgets:
            others = spent.get(limit.key, ZERO) - own.get(limit.key, ZERO)
            if limit.is_refused or not _fits(charge, limit, others):
                return Over(
                    limit.key, others, limit.amount, limit.currency, limit.is_refused, not limit.is_reserved
                )
    return None


def _fits(charge: Charge, limit: Limit, others: Decimal) -> bool:
    """Check whether a charge fits beside others; one that is not known fits while anything is left."""
    if not limit.is_reserved:
        return others < limit.amount
    return not charge.amount or others + charge.amount <= limit.amount


class LocalCharges:
    """The charges of one process, where there is no store: they go with it, and have no totals."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._ended: defaultdict[str, Decimal] = defaultdict(Decimal)
        """What charges count that have ended."""
        self._waiting: set[str] = set()
        """Charges whose answers are made elsewhere."""
        self._changes = Changes()

    @property
    def spent(self) -> Mapping[str, Decimal]:
        """What is spent and reserved, by budget and period."""
        return self._changes.budgets

    def reserve(self, charge: Charge, known: Mapping[str, Decimal] | None = None) -> Over | None:
        """Reserve, unless a budget is used up; `known` is what others have spent."""
        with localcontext(EXACT):
            spent = {limit.key: self.spent.get(limit.key, ZERO) for limit in charge.budgets}
            for key, amount in (known or {}).items():
                if key in spent:
                    spent[key] += amount
        over = overdrawn(self._rows.get(charge.id), charge, spent)
        if over is None and charge.budgets:
            self._move(Open(charge))
        return over

    def enter(self, entry: Entry) -> None:
        """Move a charge that was reserved here."""
        if entry.charge.id in self._rows:
            self._move(entry)

    def forget_ended(self, keys: Iterable[str]) -> None:
        """Count what has ended, or waits, on these budgets no more: it counts elsewhere.

        What is under way counts on.
        """
        told = set(keys)
        for key in told & self._ended.keys():
            self._take_off(key, self._ended.pop(key))
        for id_ in list(self._waiting):
            row = self._rows[id_]
            for key, amount in charged(row).items():
                if key in told:
                    self._take_off(key, amount)
            left = tuple(limit for limit in row.charge.budgets if limit.key not in told)
            self._rows[id_] = replace(row, charge=replace(row.charge, budgets=left))
            if not left:
                self._forget(id_)

    def _take_off(self, key: str, amount: Decimal) -> None:
        self._changes.budgets[key] = EXACT.subtract(self._changes.budgets[key], amount)

    def _forget(self, id_: str) -> Row | None:
        self._waiting.discard(id_)
        return self._rows.pop(id_, None)

    def _move(self, entry: Entry) -> None:
        row = self._forget(entry.charge.id)
        after = moved(entry, row, "", "")
        self._changes.add(row, after)
        self._changes.totals.clear()
        if after is not None and after.state is State.OPEN:
            self._rows[after.charge.id] = after
            if after.owner is None:
                self._waiting.add(after.charge.id)
        else:
            for key, amount in charged(after).items():
                self._ended[key] = EXACT.add(self._ended[key], amount)
        if len(self._rows) > MOST_OPEN:  # answers that nobody has fetched stay spent
            self._forget(next(iter(self._rows)))


# How charges are written


def written(row: Row) -> str:
    """Return a charge as text."""
    reserved = None if row.reserved is None else str(row.reserved)
    return json.dumps([_listed(row.charge), row.day, row.input, row.output, reserved])


def read(text: str, id_: str, state: str, owner: str | None) -> Row:
    """Return a charge that `written` has written."""
    listed, day, given, made, reserved = json.loads(text)
    charge = _unlisted(id_, listed)
    most = None if reserved is None else Decimal(reserved)
    return Row(charge, State(state), owner, day, given, made, most)


def noted(pay: Pay) -> str:
    """Return what a call did cost as text."""
    return json.dumps([pay.charge.id, _listed(pay.charge), pay.input, pay.output])


def pay_noted(text: str) -> Pay | None:
    """Return what `noted` has written; nothing is counted where its charge is counted and gone."""
    try:
        id_, charge, given, made = json.loads(text)
        return Pay(_unlisted(id_, charge), given, made, is_known=True)
    except (ValueError, TypeError, ArithmeticError):
        return None


def _listed(charge: Charge) -> list[Any]:
    amount = None if charge.amount is None else str(charge.amount)
    budgets = [[limit.key, str(limit.amount), limit.currency, limit.is_reserved] for limit in charge.budgets]
    labels = [charge.process, charge.element, charge.model, charge.tenant]
    return [charge.job_key, *labels, amount, charge.currency, budgets]


def _unlisted(id_: str, listed: Sequence[Any]) -> Charge:
    job_key, process, element, model, tenant, amount, currency, budgets = listed
    return Charge(
        id_,
        job_key,
        process,
        element,
        model,
        tenant,
        None if amount is None else Decimal(amount),
        currency,
        tuple(_limit(*limit) for limit in budgets),
    )


def _limit(key: str, amount: str, currency: str = "", is_reserved: bool = True) -> Limit:
    """Return a limit as it was listed; earlier ones have the first two only."""
    return Limit(key, Decimal(amount), currency, is_reserved=is_reserved)


def sorted_totals(found: Iterable[tuple[Place, Counts]]) -> list[Total]:
    """Return totals in order, each place once."""
    sums: dict[Place, Counts] = {}
    for place, counts in found:
        sums[place] = sums.get(place, Counts()).plus(counts)
    return [Total.of(place, counts) for place, counts in sorted(sums.items())]
